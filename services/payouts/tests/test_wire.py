"""From events to this service's words and back."""

from datetime import timedelta

import pytest

from payouts import wire
from payouts.domain.acts import OtherMeans, PaymentMethod
from payouts.domain.book import Outcome, collect
from payouts.domain.dispute import DisputeFact, DisputeLost, DisputeOpened, DisputeWon
from payouts.domain.payout_attempt import PayoutAttempt
from payouts.domain.refund import (
    ClaimableReminderDue,
    RefundBlocked,
    RefundClaimable,
    RefundCreated,
    RefundFact,
    RefundFailed,
    RefundPaidOtherwise,
    RefundRefused,
    RefundState,
    RefundSucceeded,
    request,
)
from payouts.domain.refund_run_end import RefundRunFinished, RunOutcome
from payouts.domain.refund_window import RefundWindows
from payouts.domain.reward_standing import ClaimStandingHeard, DeliveryHeard
from payouts.domain.stage import (
    PlanScheduled,
    StageApproved,
    StageDue,
    StageFact,
    StageFailed,
    StagePaid,
    StageSubmitted,
    make_due,
    supplement,
)
from payouts.handlers.verdict import VerdictHeard
from services.payouts.tests.builders import (
    NOW,
    a_book,
    a_dispute,
    a_pledge,
    an_approved_stage,
    the_stages,
)
from sosst_contracts import funding, updates
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample

ENDED = (RunOutcome(RefundState.SUCCEEDED, 1, 5_000),)
WINDOWS = RefundWindows({"sepa_debit": 180})
REFUND = request(collect(a_book(), a_pledge()).money, "verdict-reached/campaign-1", NOW).refund
MEANS = OtherMeans(PaymentMethod.CHEQUE, "a" * 64, "posted", "staff-1", NOW)
STAGE = an_approved_stage()
ATTEMPT = PayoutAttempt(1, "acct_1", 1)
assert STAGE.approval is not None


def read_back(draft: Draft) -> Event:
    read = decode(draft.seal(1))
    assert isinstance(read, Decoded)
    return read.event


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (RefundCreated(REFUND), "refund-created"),
        (RefundSucceeded(REFUND, True, NOW), "refund-succeeded"),
        (RefundFailed(REFUND, "declined", NOW), "refund-failed"),
        (RefundClaimable(REFUND, "declined", NOW), "refund-claimable"),
        (RefundBlocked(REFUND, "dispute", NOW), "refund-blocked"),
        (RefundRefused(REFUND, "satisfied_by_chargeback", NOW), "refund-refused"),
        (DisputeOpened(a_dispute(), NOW), "dispute-opened"),
        (DisputeWon(a_dispute(), NOW), "dispute-won"),
        (DisputeLost(a_dispute(), NOW), "dispute-lost"),
        (StageDue(make_due(supplement("campaign-1", 4, "EUR"), 100, NOW).stage), "stage-due"),
        (RefundPaidOtherwise(REFUND, True, MEANS, NOW), "refund-paid-otherwise"),
        (ClaimableReminderDue(REFUND, 7, NOW, NOW), "claimable-reminder-due"),
        (RefundRefused(REFUND, "not-returnable", NOW), "refund-refused"),
        (
            RefundRunFinished("campaign-1", "EUR", "verdict-reached/campaign-1", ENDED, NOW),
            "refund-run-finished",
        ),
        (PlanScheduled("campaign-1", "EUR", 18333, the_stages(), NOW), "plan-scheduled"),
        (StageDue(make_due(the_stages()[0], 3666, NOW).stage), "stage-due"),
        (StageApproved(STAGE, STAGE.approval), "stage-approved"),
        (StageSubmitted(STAGE, ATTEMPT, NOW), "stage-submitted"),
        (StagePaid(STAGE, ATTEMPT, NOW), "stage-paid"),
        (StageFailed(STAGE, ATTEMPT, "account_closed", NOW), "stage-failed"),
    ],
)
def test_every_fact_becomes_its_event(
    fact: RefundFact | StageFact | DisputeFact, name: str
) -> None:
    """What happened can be said on the wire, keyed by its campaign."""
    event = read_back(wire.draft(fact))
    assert (event.name, event.key) == (name, "campaign-1")


@pytest.mark.parametrize(
    ("event_type", "moves_money"),
    [
        (event_type, event_type is funding.PledgeCollected)
        for event_type in REGISTRY.on_topic(wire.PLEDGES_TOPIC)
    ],
)
def test_every_pledge_fact_moves_n_and_a_collected_one_money(
    event_type: type[Event], moves_money: bool
) -> None:
    """N counts all facts of the topic, also those that move nothing."""
    read = decode(Draft(sample(event_type), NOW).seal(9))
    assert isinstance(read, Decoded)
    heard = wire.pledge_from(read, WINDOWS)
    assert heard is not None and heard.sequence == 9
    assert (heard.collected is not None) is moves_money
    assert (heard.withdrawn is not None) is (event_type is funding.PledgeWithdrawn)


@pytest.mark.parametrize(("method", "days"), [("sepa_debit", 180), ("card", None), (None, None)])
def test_a_payment_brings_the_end_of_its_window(method: str | None, days: int | None) -> None:
    """Counted from when the provider captured it."""
    event = sample(funding.PledgeCollected).model_copy(update={"method": method})
    read = decode(Draft(event, NOW).seal(9))
    assert isinstance(read, Decoded)
    heard = wire.pledge_from(read, WINDOWS)
    assert heard is not None and heard.collected is not None
    until = event.captured_at + timedelta(days=days) if days else None
    assert heard.collected.refundable_until == until


@pytest.mark.parametrize(
    ("standing", "before_verdict", "uncounted"),
    [("counted", True, True), ("counted", False, False), ("late", True, False)],
)
def test_a_withdrawal_leaves_our_count_exactly_where_it_left_funding_s(
    standing: str, before_verdict: bool, uncounted: bool
) -> None:
    """What a verdict counted stays counted, and what was late never was."""
    event = sample(funding.PledgeWithdrawn, standing=standing, before_verdict=before_verdict)
    read = decode(Draft(event, NOW).seal(9))
    assert isinstance(read, Decoded)
    heard = wire.pledge_from(read, WINDOWS)
    assert heard is not None and heard.withdrawn is not None
    assert heard.withdrawn.uncounted is uncounted and heard.withdrawn.returned_in is None


@pytest.mark.parametrize(
    ("word", "outcome"), [("goal_met", Outcome.GOAL_MET), ("surprise", Outcome.UNKNOWN)]
)
def test_a_verdict_word_that_is_new_is_unknown(word: str, outcome: Outcome) -> None:
    """It is read, and it moves no money."""
    record = Draft(sample(funding.VerdictReached), NOW).seal(2)
    value = (record.value or b"").replace(b"goal_met", word.encode())
    read = decode(type(record)(record.topic, record.key, value, record.headers))
    assert isinstance(read, Decoded)
    heard = wire.verdict_from(read)
    assert heard is not None and heard.verdict.outcome is outcome


def test_the_reserve_comes_with_the_verdicts_terms() -> None:
    """A campaign whose terms do not say it has none of its own."""
    told = sample(funding.VerdictReached)
    for reserve in (None, 150):
        terms = told.terms.model_copy(update={"dispute_reserve_basis_points": reserve})
        read = decode(Draft(told.model_copy(update={"terms": terms}), NOW).seal(2))
        assert isinstance(read, Decoded)
        heard = wire.verdict_from(read)
        assert isinstance(heard, VerdictHeard)
        assert heard.verdict.reserve_basis_points == reserve


def test_other_facts_of_the_topics_are_none_of_ours() -> None:
    """A launch moves no money."""
    read = decode(Draft(sample(funding.CampaignLaunched), NOW).seal(1))
    assert isinstance(read, Decoded)
    assert wire.verdict_from(read) is None and wire.pledge_from(read, WINDOWS) is None


@pytest.mark.parametrize(("word", "with_backer"), [("received", True), ("teleported", False)])
def test_a_state_of_delivery_that_is_new_is_not_there_yet(word: str, with_backer: bool) -> None:
    """It is read, and takes nobody's share; which facts say it, and who of many, is told apart."""
    moved = [{"backer_id": f"backer-{n}", "old": "shipped", "new": "received"} for n in (1, 2)]
    told = sample(updates.DeliveryChanged, state="received", changes=moved)
    record = Draft(told, NOW).seal(7)
    value = (record.value or b"").replace(b'"new":"received"', f'"new":"{word}"'.encode())
    read = decode(type(record)(record.topic, record.key, value, record.headers))
    assert isinstance(read, Decoded)
    places = [(told.campaign_id, told.reward_id, f"backer-{n}") for n in (1, 2)]
    assert wire.deliveries_from(read) == [DeliveryHeard(one, 7, with_backer) for one in places]
    other = decode(Draft(sample(updates.ReceiptAsked), NOW).seal(8))
    assert isinstance(other, Decoded) and wire.deliveries_from(other) == []


def test_a_request_for_money_is_no_claim() -> None:
    """It is named by its number, and nothing would ever end it."""
    for kind, ended in ((updates.ClaimOpened, False), (updates.ClaimResolved, True)):
        fact = sample(kind)
        read = decode(Draft(fact, NOW).seal(3))
        assert isinstance(read, Decoded)
        about = (fact.campaign_id, fact.claim_id, fact.pledge_id)
        assert wire.claim_standing_from(read) == ClaimStandingHeard(*about, 3, ended)
    asked = decode(Draft(sample(updates.ClaimMoneyRequested), NOW).seal(4))
    assert isinstance(asked, Decoded) and wire.claim_standing_from(asked) is None


def test_launch_and_verdict_say_whose_campaign_it_is() -> None:
    """Either is enough, and of two in one batch the first holds; other facts say nothing of it."""
    events = (
        sample(funding.CampaignLaunched, campaign_id="c1", creator_id="anna"),
        sample(funding.VerdictReached, campaign_id="c1", creator_id="mallory"),
        sample(funding.VerdictReached, campaign_id="c2", creator_id="ben"),
        sample(funding.PledgeCollected, campaign_id="c3"),
    )
    facts = [decode(Draft(event, NOW).seal(1)) for event in events]
    read = [fact for fact in facts if isinstance(fact, Decoded)]
    assert wire.creators_from(read) == {"c1": "anna", "c2": "ben"}
