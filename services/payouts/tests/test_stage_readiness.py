"""What keeps a stage that is due, as those see it who watch all of them at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.costs import cost_of
from payouts.adapters.mongo_stores import STAGES
from payouts.domain.approval import VERDICT
from payouts.domain.book import Outcome
from payouts.domain.gate import LINES, Actor, Line, LineState, evaluate
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_readiness import NOT_ON_ITS_WAY, kept_by, ready_since
from payouts.domain.stopping import Stopped
from payouts.handlers.holds import place_hold
from payouts.sweeps.gate import PAGE, MeasureGate
from servicekit.mongo import Database
from services.payouts.tests.builders import NOW, a_sent_stage, a_view, an_approved_stage
from services.payouts.tests.conftest import CAMPAIGN, Payouts, mongo_payouts
from services.payouts.tests.test_gate import DUE, EMERGENCY, SHUT, the_book

MINUTE = timedelta(minutes=1)


def lines_of(stage: Stage, **changes: Any) -> tuple[Line, ...]:
    return evaluate(replace(a_view(stage, the_book()), stage=stage, **changes))


@pytest.mark.parametrize(("name", "changes", "state", "who"), SHUT)
def test_a_stage_is_ready_where_only_our_own_work_keeps_it(
    name: str, changes: dict[str, Any], state: LineState, who: Actor
) -> None:
    """Reading on and the verdict's approval are ours; everything else names somebody or a time."""
    stage: Stage = changes.get("stage", an_approved_stage())
    lines = lines_of(stage, **{key: value for key, value in changes.items() if key != "stage"})
    assert name in [line.name for line in kept_by(stage, lines)]
    ours = name == "view_fresh" or (name == "approval" and state is LineState.WAITING)
    assert (ready_since(stage, lines) is not None) is ours


def test_it_is_ready_since_the_last_line_that_says_since_when_it_is_passed() -> None:
    """Not since what was read a moment ago, which is read again and again."""
    lines = lines_of(an_approved_stage(), cooling_off_seconds=60, now=NOW + 5 * MINUTE)
    assert kept_by(an_approved_stage(), lines) == ()
    assert ready_since(an_approved_stage(), lines) == NOW + MINUTE
    read = lines_of(
        an_approved_stage(),
        cooling_off_seconds=60,
        now=NOW + 5 * MINUTE,
        fresh_since=NOW + 4 * MINUTE,
    )
    assert ready_since(an_approved_stage(), read) == NOW + MINUTE


@pytest.mark.parametrize("state", [one for one in AttemptState if one is not AttemptState.PAID])
def test_behind_the_gate_only_stopped_money_keeps_the_rest(state: AttemptState) -> None:
    """A hold that meets a transfer that may be made keeps nothing; one that was not asked for."""
    sent = a_sent_stage()
    stage = replace(sent, attempts=(replace(sent.attempt, state=state),))
    left = state not in (
        AttemptState.INTENDED,
        AttemptState.TRANSFER_REFUSED,
        AttemptState.REVERSED,
    )
    if state not in (AttemptState.TRANSFER_SENT, AttemptState.TRANSFER_UNKNOWN) and left:
        stage = replace(stage, attempts=(replace(stage.attempt, transfer_id="tr_1"),))
    held = evaluate(a_view(stage, the_book(holds=(EMERGENCY,))))
    assert [line.name for line in kept_by(stage, held)] == ([] if left else ["emergency"])
    assert (ready_since(stage, held) is not None) is left
    stopped = evaluate(a_view(stage, the_book(), stopped=Stopped("sre-1", NOW)))
    assert [line.name for line in kept_by(stage, stopped)] == ["money_runs"]
    assert ready_since(stage, stopped) is None


def blocked() -> dict[str, float]:
    """Return the published figures of all lines that keep something."""
    figures = {
        line: REGISTRY.get_sample_value("sosst_payouts_gate_blocked", {"line": line}) or 0
        for line in LINES
    }
    return {line: count for line, count in figures.items() if count}


def ready() -> float | None:
    return REGISTRY.get_sample_value("sosst_payouts_stage_ready_oldest_timestamp_seconds")


async def test_what_keeps_a_stage_is_seen_from_outside(payouts: Payouts) -> None:
    """Its creator, then a hold, then nobody but us; paid, it is kept by nothing."""
    measure = MeasureGate(payouts.queries, payouts.stages)

    async def look() -> datetime:
        await measure(payouts.clock.now())
        return payouts.clock.now()

    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await look()
    assert blocked() == {"destination": 1, "approval": 1, "view_fresh": 1, "cooling_off": 1}
    assert ready() == 0
    await payouts.give_destination()
    payouts.clock.advance(seconds=30)
    await payouts.turn()
    due = (await payouts.queries.stages(CAMPAIGN))[0]
    assert due.approval is not None and due.approval.by == VERDICT
    await look()
    assert (blocked(), ready()) == ({"cooling_off": 1}, 0)
    payouts.clock.advance(seconds=7_200)
    await look()
    # Nobody works it off: it is ready since its time to object was over.
    assert (blocked(), ready()) == ({}, (NOW + MINUTE).timestamp())
    hold = Hold("hold-1", HoldKind.STAFF, "a question", "staff-4", NOW)
    await payouts.units.run(lambda unit: place_hold(unit, CAMPAIGN, hold, payouts.clock.now()))
    await look()
    assert blocked()["holds"] == 1 and ready() == 0


async def test_a_paid_stage_waits_for_nothing(payouts: Payouts) -> None:
    """Nor do those that are planned, and not due."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await payouts.live(600)
    assert (await payouts.queries.stages(CAMPAIGN))[0].state is StageState.PAID
    await MeasureGate(payouts.queries, payouts.stages)(payouts.clock.now())
    assert (blocked(), ready()) == ({}, 0)


async def test_the_look_reads_nothing_of_stages_that_are_paid_or_planned(
    database: Database,
) -> None:
    """One that is due costs its own campaign, whatever has been paid and whatever is planned."""
    payouts = mongo_payouts(database)
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    others = [state for state in StageState if state not in NOT_ON_ITS_WAY]
    rows = [
        replace(DUE, campaign_id=f"other-{number}", state=others[number % len(others)])
        for number in range(300)
    ]
    await database.collection("stages").insert_many(
        [STAGES.document(one.stage_id, one) for one in rows]
    )
    measure = MeasureGate(payouts.queries, payouts.stages)
    cost = await cost_of(database, lambda: measure(NOW), "stages")
    # Its page, the empty one behind it, where it stands itself, and the three of its campaign.
    assert cost.documents <= 5 and cost.keys <= 5 and not cost.scanned, cost
    page = await cost_of(
        database, lambda: payouts.queries.stage_queue(NOT_ON_ITS_WAY, None, PAGE), "stages"
    )
    assert page.documents == 1 and not page.sorted, page
