"""The gate: every line can shut it, and says who must act."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from payouts.domain.approval import Approval
from payouts.domain.book import Book, Outcome, hear_verdict, plan_is_due, refunds_are_owed
from payouts.domain.destination import give, refuse
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.gate import LINES, Actor, LineState, closed, evaluate
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.ledger import EMPTY, Account
from payouts.domain.reconciliation import Shortfall
from payouts.domain.stage import StageState, make_due, move
from payouts.domain.stage_sending import submit
from payouts.domain.stopping import Stopped
from services.payouts.tests.builders import (
    LIMIT,
    NOW,
    a_book,
    a_destination,
    a_verdict,
    a_view,
    an_approved_stage,
    the_stages,
)


def the_book(**changes: Any) -> Book:
    heard = hear_verdict(a_book(), a_verdict())
    agreed = replace(heard, pledges_sequence=3, counted=18333, count=3, planned=True)
    return replace(agreed, **changes)


DUE = replace(an_approved_stage(), approval=None, state=StageState.DUE)
# 183.33, of which the first stage gets 36.66: 146.67 are left.
HELD = EMPTY | {Account.BACKER_FUNDS: 18_333}
EMERGENCY = Hold("emergency:3", HoldKind.EMERGENCY, "a fire", "creator-1", NOW, about="fire")
SILENCE = Hold("silence:4", HoldKind.SILENCE, "nothing was published", "the silence watch", NOW)
SHUT: list[tuple[str, dict[str, Any], LineState, Actor]] = [
    ("verdict_and_pledges", {"book": a_book()}, LineState.WAITING, Actor.PLATFORM),
    (
        "verdict_and_pledges",
        {"book": the_book(pledges_sequence=2)},
        LineState.WAITING,
        Actor.PLATFORM,
    ),
    ("verdict_and_pledges", {"book": the_book(count=2)}, LineState.BLOCKED, Actor.STAFF),
    ("verdict_and_pledges", {"book": the_book(counted=1)}, LineState.BLOCKED, Actor.STAFF),
    (
        "disputes",
        # 2 % of 183.33 are 3.66.
        {"book": the_book(balances=EMPTY | {Account.DISPUTED_AT_SCHEME: 367})},
        LineState.BLOCKED,
        Actor.PROVIDER,
    ),
    (
        "refund_blocked",
        {"stage": DUE, "book": the_book(balances=HELD), "kept_back": 14_668},
        LineState.BLOCKED,
        Actor.PROVIDER,
    ),
    (
        "refund_blocked",
        {"stage": DUE, "book": a_book(), "kept_back": 1},
        LineState.WAITING,
        Actor.PLATFORM,
    ),
    ("previous_stages", {"previous": the_stages()[:1]}, LineState.WAITING, Actor.PLATFORM),
    ("destination", {"destination": None}, LineState.BLOCKED, Actor.CREATOR),
    (
        "destination",
        {"destination": give(a_destination(), "campaign-1", "sandbox", "acct_2", NOW)},
        LineState.WAITING,
        Actor.PROVIDER,
    ),
    (
        "destination",
        {"destination": refuse(a_destination(), "closed")},
        LineState.BLOCKED,
        Actor.CREATOR,
    ),
    (
        "destination",
        {"destination": replace(a_destination(), version=2)},
        LineState.BLOCKED,
        Actor.STAFF,
    ),
    ("approval", {"stage": DUE}, LineState.WAITING, Actor.PLATFORM),
    ("approval", {"stage": replace(DUE, amount=LIMIT + 1)}, LineState.BLOCKED, Actor.STAFF),
    (
        "attempts",
        {"stage": replace(an_approved_stage(), failures=3)},
        LineState.BLOCKED,
        Actor.STAFF,
    ),
    ("provider_funds", {"funds": None}, LineState.WAITING, Actor.PROVIDER),
    (
        "provider_funds",
        {"funds": ProviderFunds(available=3665, total=20_000, booked=18_333)},
        LineState.BLOCKED,
        Actor.STAFF,
    ),
    (
        "provider_funds",
        {"funds": ProviderFunds(available=20_000, total=18_332, booked=18_333)},
        LineState.BLOCKED,
        Actor.STAFF,
    ),
    ("booked_cash", {"shortfall": Shortfall(1, NOW)}, LineState.BLOCKED, Actor.STAFF),
    ("emergency", {"book": the_book(holds=(EMERGENCY,))}, LineState.BLOCKED, Actor.CREATOR),
    (
        "emergency",
        {"book": the_book(holds=(replace(EMERGENCY, answered_by="update plan"),))},
        LineState.BLOCKED,
        Actor.STAFF,
    ),
    ("silence", {"book": the_book(holds=(SILENCE,))}, LineState.BLOCKED, Actor.CREATOR),
    ("view_fresh", {"fresh_since": None}, LineState.WAITING, Actor.PLATFORM),
    ("facts_set_aside", {"set_aside": 1}, LineState.BLOCKED, Actor.STAFF),
    ("cooling_off", {"cooling_off_seconds": 1}, LineState.WAITING, Actor.PLATFORM),
    ("money_runs", {"stopped": Stopped("sre-1", NOW)}, LineState.BLOCKED, Actor.STAFF),
]


def test_an_open_gate_lets_the_stage_through() -> None:
    """With every line passed, an approved stage is submitted."""
    lines = evaluate(a_view(an_approved_stage(), the_book()))
    assert closed(lines) == ()
    submit(an_approved_stage(), lines, a_destination(), NOW)


@pytest.mark.row("S9")
@pytest.mark.parametrize(("name", "changes", "state", "who"), SHUT)
def test_every_line_can_shut_it(
    name: str, changes: dict[str, Any], state: LineState, who: Actor
) -> None:
    """Each condition alone keeps the money in, is named, and says who must act."""
    view = a_view(an_approved_stage(), the_book())
    lines = evaluate(replace(view, **changes))
    line = next(line for line in lines if line.name == name)
    assert (line.state, line.who) == (state, who) and line.why
    with pytest.raises(Refused, match=name):
        submit(view.stage, lines, a_destination(), NOW)


def test_the_second_stage_explains_itself() -> None:
    """A planned second stage is shut by its milestone, which the creator must bring."""
    lines = closed(evaluate(a_view(the_stages()[1], the_book())))
    milestone = next(line for line in lines if line.name == "milestone")
    assert (milestone.state, milestone.who) == (LineState.BLOCKED, Actor.CREATOR)
    assert "no evidence is submitted" in milestone.why


def test_cooling_off_says_when() -> None:
    """The time to object runs from the later of due and the destination's change."""
    changed = replace(a_destination(), changed_at=NOW + timedelta(seconds=30))
    view = a_view(an_approved_stage(), the_book(), destination=changed, cooling_off_seconds=60)
    line = next(line for line in evaluate(view) if line.name == "cooling_off")
    assert line.expected_by == NOW + timedelta(seconds=90)


@pytest.mark.parametrize("second_at", [None, NOW + timedelta(seconds=40)])
def test_cooling_off_after_people_begins_when_the_last_of_them_approved(
    second_at: datetime | None,
) -> None:
    """The time to object to an approval does not pass before it is given."""
    at = NOW + timedelta(seconds=20)
    given = Approval("staff-1", 5_499, 1, at, signed="s", second_at=second_at)
    due = make_due(the_stages()[1], 5_499, NOW).stage
    half = replace(move(due, StageState.AWAITING_SECOND_APPROVAL), approval=given)
    for stage, begins in (
        (due, None),
        (half, None),
        (replace(move(due, StageState.APPROVED), approval=given), second_at or at),
    ):
        view = a_view(stage, the_book(), cooling_off_seconds=60)
        line = next(line for line in evaluate(view) if line.name == "cooling_off")
        assert line.state is LineState.WAITING
        assert line.expected_by == (begins + timedelta(seconds=60) if begins else None)


def test_every_line_is_always_shown() -> None:
    """The same lines in the same order, whatever their state."""
    full = evaluate(a_view(an_approved_stage(), the_book()))
    empty = evaluate(a_view(the_stages()[2], a_book(), destination=None, funds=None))
    assert [line.name for line in full] == [line.name for line in empty] == list(LINES)


@pytest.mark.parametrize(
    ("outcome", "owed", "planned"),
    [
        (Outcome.GOAL_MISSED, True, False),
        (Outcome.GOAL_MET, False, True),
        (Outcome.UNKNOWN, False, False),
    ],
)
def test_verdicts(outcome: Outcome, owed: bool, planned: bool) -> None:
    """Missed refunds, met plans, and a word that we do not know moves nothing."""
    heard = hear_verdict(a_book(), a_verdict(outcome))
    agreed = replace(heard, pledges_sequence=3, counted=18333, count=3)
    assert refunds_are_owed(heard) is owed
    assert plan_is_due(agreed) is planned
    assert (heard.run is not None) is owed


@pytest.mark.trap(16)
def test_a_verdict_falls_once() -> None:
    """The same verdict again changes nothing, another one is refused."""
    heard = hear_verdict(a_book(), a_verdict())
    assert hear_verdict(heard, a_verdict()) == heard
    with pytest.raises(Refused):
        hear_verdict(heard, a_verdict(Outcome.GOAL_MISSED))


def test_no_plan_while_the_counts_contradict() -> None:
    """On a met goal no money moves before our own pledges agree with the verdict."""
    assert not plan_is_due(the_book(planned=False, count=2))
    assert not plan_is_due(the_book(planned=False, pledges_sequence=2))
    assert plan_is_due(the_book(planned=False))


@pytest.mark.parametrize(
    ("term", "state"), [(None, LineState.PASSED), (200, LineState.PASSED), (199, LineState.BLOCKED)]
)
def test_the_reserve_is_the_campaigns_own_term(term: int | None, state: LineState) -> None:
    """What was fixed at launch holds, whatever the setting says by now; an old one has none."""
    verdict = replace(a_verdict(), reserve_basis_points=term)
    book = the_book(balances=EMPTY | {Account.DISPUTED_AT_SCHEME: 366}, verdict=verdict)
    lines = evaluate(a_view(an_approved_stage(), book, dispute_reserve=200))
    assert {line.name: line.state for line in lines}["disputes"] is state


def test_a_verdict_kept_by_the_release_before_is_the_same_verdict() -> None:
    """It had not heard of the reserve; hearing the fact again is no second verdict."""
    heard = hear_verdict(a_book(), a_verdict())
    again = replace(a_verdict(), reserve_basis_points=200)
    assert hear_verdict(heard, again) == heard


def test_open_chargebacks_within_the_reserve_hold_nothing_up() -> None:
    """Up to the reserve to the unit; none at all, whatever the reserve."""
    for charged_back, reserve in ((366, 200), (0, 0)):
        book = the_book(balances=EMPTY | {Account.DISPUTED_AT_SCHEME: charged_back})
        lines = evaluate(a_view(an_approved_stage(), book, dispute_reserve=reserve))
        assert {line.name: line.state for line in lines}["disputes"] is LineState.PASSED


def test_what_waits_for_a_bank_holds_up_only_who_would_take_it() -> None:
    """To the unit; a stage that was approved has its money apart."""
    for stage, kept in ((DUE, 14_667), (DUE, 0), (an_approved_stage(), 18_333)):
        lines = evaluate(a_view(stage, the_book(balances=HELD), kept_back=kept))
        assert {line.name: line.state for line in lines}["refund_blocked"] is LineState.PASSED


def test_a_debt_that_is_set_off_needs_no_top_up() -> None:
    """What the creator owes becomes the platform's with the stage, and only the rest leaves."""
    stage = an_approved_stage(3_666)
    short = ProviderFunds(available=2_000, total=2_000, booked=4_000)
    for owed, state in (
        (0, LineState.BLOCKED),
        (1_999, LineState.BLOCKED),
        (2_000, LineState.PASSED),
    ):
        book = the_book(balances=EMPTY | {Account.CREATOR_RECEIVABLE: owed})
        lines = evaluate(a_view(stage, book, funds=short))
        assert {line.name: line.state for line in lines}["provider_funds"] is state
