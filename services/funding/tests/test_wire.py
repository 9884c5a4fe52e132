"""From events to this service's words and back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from funding import wire
from funding.domain.campaign import CampaignState, Cancellation, Verdict, launch_campaign
from funding.domain.facts import (
    CampaignCancelled,
    CampaignLaunched,
    Fact,
    PledgeCollected,
    PledgeDropped,
    PledgeErrored,
    PledgeLastTryDue,
    PledgePlaced,
    PledgeReminderDue,
    PledgeWithdrawn,
    VerdictReached,
)
from funding.domain.pledge import (
    DropReason,
    PaymentMethod,
    PaymentStatus,
    Standing,
    Withdrawal,
    WithdrawnBy,
)
from services.funding.tests.conftest import LAUNCH, NOW, TERMS, payment
from sosst_contracts import platform
from sosst_contracts.codec import Decoded, decode
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

CAMPAIGN = launch_campaign(LAUNCH, NOW)
CANCELLATION = Cancellation("staff-1", "It is over.", 1_200, 2, 4, NOW)
VERDICT = Verdict(CampaignState.GOAL_MET, 1_200, 2, 4, 1, NOW)


def said(fact: Fact) -> Event:
    read = decode(wire.draft(fact).seal(1))
    assert isinstance(read, Decoded)
    return read.event


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (CampaignLaunched(CAMPAIGN), "campaign-launched"),
        (VerdictReached(replace(CAMPAIGN, verdict=VERDICT)), "verdict-reached"),
        (CampaignCancelled(replace(CAMPAIGN, cancellation=CANCELLATION)), "campaign-cancelled"),
        (PledgePlaced(payment(1), NOW), "pledge-placed"),
        (PledgeCollected(payment(1), Standing.LATE), "pledge-collected"),
        (PledgeErrored(payment(1, PaymentStatus.FAILED)), "pledge-errored"),
        (PledgeReminderDue(payment(1), 1, NOW, NOW), "pledge-reminder-due"),
        (PledgeLastTryDue(payment(1), NOW, NOW), "pledge-last-try-due"),
        (PledgeDropped(payment(1), DropReason.NEVER_PAID, True, NOW), "pledge-dropped"),
        (
            PledgeWithdrawn(
                payment(1), Withdrawal(WithdrawnBy.BACKER, NOW), Standing.COUNTED, True
            ),
            "pledge-withdrawn",
        ),
    ],
)
def test_every_fact_becomes_its_event(fact: Fact, name: str) -> None:
    """What happened can be said on the wire, keyed by its campaign."""
    event = said(fact)
    assert event.name == name and event.key == "c1"


def test_the_verdict_says_everything_that_others_act_on() -> None:
    """Goal, collected, count, N and terms are in the event."""
    event = said(VerdictReached(replace(CAMPAIGN, verdict=VERDICT))).model_dump()
    wanted = {"verdict": "goal_met", "goal": 1_000, "collected": 1_200, "count": 2}
    assert wanted.items() <= event.items() and event["pledges_sequence"] == 4
    assert event["terms"]["stage_shares_basis_points"] == [2000, 3000, 5000]


def test_terms_that_are_left_out_are_the_standard_ones() -> None:
    """A launch by topic may name some terms and not others."""
    given = platform.GivenTerms(tax_basis_points=2_000, stage_shares_basis_points=[1, 2, 9_997])
    launch = wire.launch_from(sample(platform.CampaignApproved, terms=given.model_dump()), TERMS)
    wanted = replace(TERMS, tax_basis_points=2_000, stage_shares_basis_points=(1, 2, 9_997))
    assert launch.terms == wanted
    assert wire.launch_from(sample(platform.CampaignApproved), TERMS).terms == TERMS


def test_instants_are_cut_to_what_the_database_keeps() -> None:
    """Otherwise the same launch told again would compare as another one."""
    odd = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
    launch = wire.launch_from(sample(platform.CampaignApproved, deadline=odd), TERMS)
    assert launch.deadline.microsecond == 123_000


@pytest.mark.parametrize(
    ("event_type", "status"),
    [
        (platform.PaymentPending, PaymentStatus.PENDING),
        (platform.PaymentCaptured, PaymentStatus.CAPTURED),
        (platform.PaymentFailed, PaymentStatus.FAILED),
        (platform.PaymentWithdrawn, PaymentStatus.WITHDRAWN),
    ],
)
def test_payments_are_read(event_type: type[wire.PaymentEvent], status: PaymentStatus) -> None:
    """A capture carries fee and balance transaction, a failure its reason, a return its cash."""
    read = wire.payment_from(sample(event_type))
    assert read.status is status
    assert (read.capture is not None) == (status is PaymentStatus.CAPTURED)
    assert (read.reason is not None) == (status is PaymentStatus.FAILED)
    assert (read.returned is not None) == (status is PaymentStatus.WITHDRAWN)


@pytest.mark.parametrize(
    ("told", "method"),
    [
        (None, None),
        ("card", PaymentMethod.CARD),
        ("bank_transfer", PaymentMethod.BANK_TRANSFER),
        ("unknown", PaymentMethod.OTHER),
    ],
)
@pytest.mark.parametrize("event_type", [platform.PaymentPending, platform.PaymentCaptured])
def test_the_method_of_a_payment_is_read(
    event_type: type[wire.PaymentEvent], told: str | None, method: PaymentMethod | None
) -> None:
    """A word that a newer platform uses is a method like any that takes days."""
    event = sample(event_type).model_copy(update={"method": told})
    assert wire.payment_from(event).method is method


def test_terms_of_errored_pledges_are_read_and_said() -> None:
    """A list on the wire is a tuple in the domain, there and back."""
    given = platform.GivenTerms(errored_reminders_seconds=[], errored_last_try_seconds=60)
    launch = wire.launch_from(sample(platform.CampaignApproved, terms=given.model_dump()), TERMS)
    assert launch.terms.errored_reminders_seconds == ()
    assert launch.terms.errored_last_try_seconds == 60
    event = said(CampaignLaunched(CAMPAIGN)).model_dump()
    assert event["terms"]["errored_reminders_seconds"] == [86_400, 259_200, 432_000]


@pytest.mark.parametrize(
    ("counted", "behind"), [(4, "funding.pledges:c1:4"), (0, "funding.campaigns:c1:1")]
)
def test_a_verdict_is_caused_by_the_last_pledge_it_counted(counted: int, behind: str) -> None:
    """It falls by the clock; the fact behind it is the N-th pledge, without any the launch."""
    verdict = replace(VERDICT, pledges_sequence=counted)
    draft = wire.draft(VerdictReached(replace(CAMPAIGN, verdict=verdict)))
    assert draft.causation_id == behind


def test_any_other_fact_leaves_its_cause_to_the_outbox() -> None:
    """Only what falls by the clock must name it itself."""
    facts = [CampaignLaunched(CAMPAIGN), PledgePlaced(payment(1), NOW)]
    assert [wire.draft(fact).causation_id for fact in facts] == [None, None]
