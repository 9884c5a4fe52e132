"""A claim from opened to its end: whose turn it is, what each side may do, what time does."""

from datetime import timedelta
from itertools import product

import pytest

from services.updates.tests.conftest import NOW
from updates.domain.claim import (
    ENDED,
    SWEPT,
    TRANSITIONS,
    Because,
    Claim,
    ClaimEscalated,
    ClaimMoneyRequested,
    ClaimResolved,
    ClaimState,
    Moved,
    Outcome,
    Payer,
    Settlement,
    Side,
    Subject,
    move,
)
from updates.domain.claim_reason import Delivery, DeliveryStage, Reason, check_reason
from updates.domain.claim_turns import (
    ENTRIES_MAX,
    Moment,
    Patience,
    Said,
    accept,
    decide,
    escalate,
    money_given,
    money_refused,
    money_waits,
    open_claim,
    propose,
    run_out,
    send_replacement,
    withdraw,
    write,
)
from updates.domain.errors import Refused

PATIENCE = Patience()
TEAM = frozenset({"fulfiller-1"})
AT = Moment(NOW, PATIENCE, "creator-1", TEAM, 7)
SUBJECT = Subject("pledge-1", "backer-1", "reward-1", None, 2_000, "EUR")
PART = Settlement(Outcome.REFUND, 500)
GIFT = Settlement(Outcome.COMPENSATION, 300, Payer.PLATFORM)
NEW_ONE = Settlement(Outcome.REPLACEMENT)
NO = Settlement(Outcome.REFUSED)
S = ClaimState


def later(**span: float) -> Moment:
    return Moment(NOW + timedelta(**span), PATIENCE, "creator-1", TEAM, 7)


def said(name: str, side: Side, text: str = "") -> Said:
    by = {Side.BACKER: "backer-1", Side.CREATOR: "creator-1", Side.STAFF: "staff-1"}[side]
    return Said(name, by, side, text)


CREATOR, BACKER, STAFF = (
    said("one", side, "Here is why.") for side in (Side.CREATOR, Side.BACKER, Side.STAFF)
)


def opened() -> Claim:
    return open_claim("campaign-1", "c1", SUBJECT, Reason.QUALITY, "It broke.", AT).claim


def proposed(settlement: Settlement = PART) -> Claim:
    return propose(opened(), CREATOR, settlement, AT).claim


def with_staff() -> Claim:
    return run_out(opened(), later(days=7)).claim


def asked_for_money() -> Claim:
    return accept(proposed(), 2, "backer-1", AT).claim


def facts_of(moved: Moved) -> list[str]:
    return [type(fact).__name__ for fact in moved.facts]


@pytest.mark.parametrize(("state", "target"), list(product(ClaimState, ClaimState)))
def test_only_the_moves_of_the_table_are_made(state: ClaimState, target: ClaimState) -> None:
    """Every pair of states: what the table has is made, all else is refused."""
    claim = move_to(state)
    if target in TRANSITIONS[state]:
        assert move(claim, target, None).state is target
    else:
        with pytest.raises(Refused, match="not"):
            move(claim, target, None)


def move_to(state: ClaimState) -> Claim:
    """Return a claim in this state, by the shortest way that the table has."""
    ways = [[S.OPENED]]
    while ways[0][-1] is not state:
        way = ways.pop(0)
        ways += [[*way, target] for target in sorted(TRANSITIONS[way[-1]]) if target not in way]
    claim = opened()
    for step in ways[0][1:]:
        claim = move(claim, step, None)
    return claim


def test_answers_pass_the_turn_and_the_due_date_with_it() -> None:
    """The creator writes, then the backer; each gets seven days, shown to both."""
    answered = write(opened(), CREATOR, later(days=6)).claim
    assert (answered.state, answered.due_at) == (S.ANSWERED, NOW + timedelta(days=13))
    again = write(answered, BACKER, later(days=8)).claim
    assert (again.state, again.due_at) == (S.OPENED, NOW + timedelta(days=15))
    assert [entry.number for entry in again.entries] == [1, 2, 3]
    offered = propose(again, CREATOR, PART, later(days=9)).claim
    assert (offered.state, offered.due_at) == (S.PROPOSED, NOW + timedelta(days=16))


def test_the_same_act_again_changes_nothing_and_other_words_are_refused() -> None:
    """A retried message or proposal is one; its name says nothing else later."""
    claim = proposed()
    assert propose(claim, CREATOR, PART, AT) == Moved(claim)
    with pytest.raises(Refused, match="something else"):
        propose(claim, CREATOR, NEW_ONE, AT)
    written = write(claim, BACKER, AT).claim
    assert write(written, BACKER, AT) == Moved(written)
    with pytest.raises(Refused, match="something else"):
        write(written, said("one", Side.BACKER, "Other words."), AT)


@pytest.mark.parametrize("kept", [PART, NEW_ONE, NO], ids=lambda one: str(one.outcome))
def test_an_accepted_proposal_begins_what_it_says(kept: Settlement) -> None:
    """Money is asked for as its proposer's word, a replacement is awaited, a refusal ends it."""
    moved = accept(proposed(kept), 2, "backer-1", AT)
    state, facts = {
        Outcome.REFUND: (S.MONEY_REQUESTED, ["ClaimAnswered", "ClaimMoneyRequested"]),
        Outcome.REPLACEMENT: (S.ACCEPTED, ["ClaimAnswered"]),
        Outcome.REFUSED: (S.REFUSED, ["ClaimAnswered", "ClaimResolved"]),
    }[kept.outcome]
    assert (moved.claim.state, facts_of(moved)) == (state, facts)
    assert accept(moved.claim, 2, "backer-1", AT) == Moved(moved.claim)
    for fact in moved.facts:
        if isinstance(fact, ClaimMoneyRequested):
            assert (fact.money.request_id, fact.money.decided_by) == ("c1", "creator-1")
            assert fact.money.pledges_sequence == 7


def test_only_what_lies_on_the_table_is_accepted() -> None:
    """A proposal that was replaced, or came off the table, cannot be agreed to any more."""
    replaced = propose(proposed(), said("two", Side.CREATOR, "Less."), NEW_ONE, AT).claim
    declined = escalate(replaced, BACKER, AT).claim
    for claim, number in ((replaced, 2), (declined, 3), (opened(), 1)):
        with pytest.raises(Refused, match="can be accepted no more"):
            accept(claim, number, "backer-1", AT)


def test_a_silent_creator_hands_the_claim_to_staff() -> None:
    """Not before the seventh day is over; once; and a replacement that is not sent likewise."""
    claim = opened()
    assert run_out(claim, later(days=7, seconds=-1)) == Moved(claim)
    (fact,) = run_out(claim, later(days=7)).facts
    assert isinstance(fact, ClaimEscalated) and fact.because is Because.CREATOR_SILENT
    assert (fact.claim.state, fact.claim.due_at) == (S.WITH_STAFF, NOW + timedelta(days=7 + 3))
    assert run_out(fact.claim, later(days=99)) == Moved(fact.claim)
    awaited = accept(proposed(NEW_ONE), 2, "backer-1", AT).claim
    assert run_out(awaited, later(days=30, seconds=-1)) == Moved(awaited)
    (fact,) = run_out(awaited, later(days=30)).facts
    assert isinstance(fact, ClaimEscalated) and fact.because is Because.REPLACEMENT_NOT_SENT


def test_an_escalated_claim_is_the_creators_for_three_days_more() -> None:
    """Then staff's; a declined proposal is staff's at once."""
    called = escalate(opened(), BACKER, AT)
    assert (called.claim.state, called.claim.due_at) == (S.ESCALATED, NOW + timedelta(days=3))
    assert propose(called.claim, CREATOR, PART, AT).claim.state is S.PROPOSED
    assert run_out(called.claim, later(days=3)).claim.state is S.WITH_STAFF
    (fact,) = escalate(proposed(), BACKER, AT).facts
    assert isinstance(fact, ClaimEscalated) and fact.because is Because.DECISION_ASKED
    assert fact.claim.state is S.WITH_STAFF


def test_staff_propose_and_decide_only_what_is_theirs() -> None:
    """While the creator has the turn staff may write, and nothing more."""
    for act, reason in ((propose, "creators-turn"), (decide, "not-with-staff")):
        with pytest.raises(Refused) as refusal:
            act(opened(), STAFF, PART, AT)
        assert refusal.value.reason == reason
    assert write(opened(), STAFF, AT).claim.state is S.OPENED
    offered = propose(with_staff(), STAFF, GIFT, AT).claim
    better = propose(offered, said("two", Side.STAFF), PART, AT).claim
    assert better.proposal is not None and better.proposal.settlement == PART
    decided = decide(with_staff(), STAFF, GIFT, AT)
    assert facts_of(decided) == ["ClaimMoneyRequested"]
    assert decide(decided.claim, STAFF, GIFT, AT) == Moved(decided.claim)


@pytest.mark.parametrize(
    ("who", "settlement", "reason"),
    [
        (CREATOR, Settlement(Outcome.REFUND), "invalid-settlement"),
        (CREATOR, Settlement(Outcome.REPLACEMENT, 5), "invalid-settlement"),
        (CREATOR, Settlement(Outcome.REFUND, 2_001), "invalid-settlement"),
        (CREATOR, Settlement(Outcome.COMPENSATION, 900_000_001), "invalid-settlement"),
        (CREATOR, GIFT, "payer-impossible"),
        (STAFF, Settlement(Outcome.REFUND, 5, Payer.PLATFORM), "payer-impossible"),
        (said("one", Side.CREATOR), NO, "reason-missing"),
        (Said("one", "fulfiller-1", Side.CREATOR, "x"), PART, "owner-decides"),
        (Said("one", "creator-1", Side.STAFF, "x"), PART, "same-person"),
        (Said("one", "backer-1", Side.STAFF, "x"), PART, "same-person"),
        (Said("one", "fulfiller-1", Side.STAFF, "x"), NEW_ONE, "same-person"),
    ],
    ids=str,
)
def test_what_may_not_be_proposed(who: Said, settlement: Settlement, reason: str) -> None:
    """Amounts, payers and people that the rules do not allow; the same act of others passes."""
    with pytest.raises(Refused) as refusal:
        propose(with_staff(), who, settlement, AT)
    assert refusal.value.reason == reason
    for amount in (1, 2_000):
        assert propose(with_staff(), CREATOR, Settlement(Outcome.REFUND, amount), AT).facts
    largest = Settlement(Outcome.COMPENSATION, 900_000_000, Payer.PLATFORM)
    assert propose(with_staff(), STAFF, largest, AT).facts


def test_money_given_ends_the_claim_and_money_refused_brings_it_back() -> None:
    """One terminal answer; the refusal keeps payouts' reason, the next request another id."""
    claim = asked_for_money()
    (ended,) = money_given(claim, PART, "creator-1", AT).facts
    assert isinstance(ended, ClaimResolved) and ended.claim.state is S.RESOLVED
    assert money_given(ended.claim, PART, "creator-1", AT) == Moved(ended.claim)

    (back,) = money_refused(claim, "c1", "above-campaign-funds", AT).facts
    assert isinstance(back, ClaimEscalated) and back.because is Because.MONEY_REFUSED
    assert back.claim.last.text == "above-campaign-funds"
    assert (back.claim.state, back.claim.due_at) == (S.WITH_STAFF, NOW + timedelta(days=3))
    assert money_refused(back.claim, "c1", "again", AT) == Moved(back.claim)
    (asked,) = decide(back.claim, STAFF, GIFT, AT).facts
    assert isinstance(asked, ClaimMoneyRequested) and asked.money.request_id == "c1~2"
    assert money_refused(asked.claim, "c1", "late word", AT) == Moved(asked.claim)


def test_money_that_waits_to_be_claimed_is_nobodys_delay() -> None:
    """The alarm's date goes; told twice it is noted once; what is asked for is not withdrawn."""
    claim = asked_for_money()
    assert claim.due_at == NOW + timedelta(days=14)
    waiting = money_waits(claim, "c1", "card_declined", AT).claim
    assert (waiting.state, waiting.due_at) == (S.MONEY_REQUESTED, None)
    assert money_waits(waiting, "c1", "card_declined", AT) == Moved(waiting)
    for other in (with_staff(), asked_for_money()):
        assert money_waits(other, "c2", "card_declined", AT) == Moved(other)
    with pytest.raises(Refused, match="withdrawn next"):
        withdraw(waiting, BACKER, AT)


def test_a_replacement_that_was_sent_ends_the_claim() -> None:
    """Also one that staff decided; without an agreement nothing is sent."""
    for claim in (
        accept(proposed(NEW_ONE), 2, "backer-1", AT).claim,
        decide(with_staff(), STAFF, NEW_ONE, AT).claim,
    ):
        sent = send_replacement(claim, CREATOR, AT)
        assert (sent.claim.state, facts_of(sent)) == (S.RESOLVED, ["ClaimResolved"])
        assert send_replacement(sent.claim, CREATOR, AT) == Moved(sent.claim)
    with pytest.raises(Refused, match="no replacement"):
        send_replacement(opened(), CREATOR, AT)


def test_an_ended_claim_takes_no_word_and_a_full_thread_no_more() -> None:
    """Withdrawn is withdrawn; the three hundredth entry is the last, but not the end."""
    ended = withdraw(opened(), BACKER, AT).claim
    assert ended.state in ENDED and withdraw(ended, BACKER, AT) == Moved(ended)
    with pytest.raises(Refused, match="is withdrawn"):
        write(ended, BACKER, AT)
    claim = opened()
    for number in range(ENTRIES_MAX - 1):
        claim = write(claim, said(str(number), Side.BACKER, "And?"), AT).claim
    with pytest.raises(Refused, match="settled or escalated"):
        write(claim, CREATOR, AT)
    assert escalate(claim, BACKER, AT).claim.state is S.ESCALATED


def test_what_is_swept_and_what_is_alarmed_ends_nothing() -> None:
    """Time hands on and never ends a claim against its backer."""
    for state in SWEPT:
        assert S.WITH_STAFF in TRANSITIONS[state]
        claim = move(move_to(state), S.WITH_STAFF, None)
        assert claim.open


SHIPPED = Delivery(DeliveryStage.SHIPPED, promised_at=NOW)
RECEIVED = Delivery(DeliveryStage.RECEIVED, NOW, NOW)
WAITING = Delivery(DeliveryStage.NOT_SHIPPED, promised_at=NOW)
NOTHING_KNOWN = Delivery()


@pytest.mark.parametrize(
    ("reason", "delivery", "days", "answer"),
    [
        (Reason.OTHER, WAITING, 0, None),
        (Reason.OTHER, RECEIVED, 999, None),
        (Reason.QUALITY, NOTHING_KNOWN, 0, None),
        (Reason.QUALITY, WAITING, 0, "not-shipped"),
        (Reason.MISSING, SHIPPED, 999, None),
        (Reason.WRONG, RECEIVED, 60, None),
        (Reason.WRONG, RECEIVED, 60.1, "window-closed"),
        (Reason.LATE, NOTHING_KNOWN, 0, "no-promised-date"),
        (Reason.LATE, WAITING, -0.1, "not-late-yet"),
        (Reason.LATE, WAITING, 0, None),
        (Reason.LATE, SHIPPED, 1, None),
        (Reason.LATE, RECEIVED, 1, "received"),
    ],
)
def test_when_a_reason_may_be_claimed(
    reason: Reason, delivery: Delivery, days: float, answer: str | None
) -> None:
    """From shipped to sixty days after receipt; late from the promised date; other always."""
    found = None
    try:
        check_reason(reason, delivery, NOW + timedelta(days=days), PATIENCE.window)
    except Refused as refusal:
        found = refusal.reason
    assert found == answer


def test_words_beside_an_act_are_bounded_as_those_of_a_message_are() -> None:
    """An escalation or a withdrawal has words or none, and never more than a message."""
    for act in (escalate, withdraw):
        with pytest.raises(Refused) as refused:
            act(opened(), said("e1", Side.BACKER, "x" * 5_001), AT)
        assert refused.value.reason == "invalid-text"
        assert act(opened(), said("e1", Side.BACKER), AT).facts
