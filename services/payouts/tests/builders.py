"""Values that the tests of the rules begin with; every one is valid as it stands."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from payouts.domain.book import Book, CollectedPledge, Outcome, Verdict, collect
from payouts.domain.claim_money import Ceilings
from payouts.domain.destination import Destination, give, verify
from payouts.domain.dispute import (
    Dispute,
    DisputeSeen,
    ProviderDisputeStatus,
    attribute,
    hear,
)
from payouts.domain.fees import Fees
from payouts.domain.funds import ProviderFunds
from payouts.domain.gate import GateView
from payouts.domain.invoice import Charge, DocumentKind, Seller
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.provider_keys import KeyRules
from payouts.domain.receivable import Receivable
from payouts.domain.shares import Entitlement, Share, freeze, share_of
from payouts.domain.stage import Stage, make_due, schedule
from payouts.domain.stage_approval import approve_by_verdict
from payouts.domain.stage_sending import send, submit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHARES = (2000, 3000, 5000)
LIMIT = 1_000_000
REWARD = "reward-1"
CEILINGS = Ceilings(pledge_basis_points=10_000, person_amount=20_000)
SELLER = Seller("Plateforme & Cie", "1 rue de l'Exemple, Paris", "123456782", "FR32123456782")
RULES = KeyRules(lease_seconds=60, client_timeout_seconds=30, consistency_seconds=10)


def a_pledge(number: int = 1, amount: int = 5000, counted: bool = True) -> CollectedPledge:
    return CollectedPledge(
        pledge_id=f"pledge-{number}",
        backer_id=f"backer-{number}",
        amount=amount,
        currency="EUR",
        provider="sandbox",
        payment_reference=f"ch_{number}",
        provider_fee=min(amount, 30),
        balance_transaction=f"txn_{number}",
        counted=counted,
        reward_id=REWARD,
    )


def a_book() -> Book:
    return Book(campaign_id="campaign-1", currency="EUR")


def some_money(amount: int = 5000) -> PledgeMoney:
    return collect(a_book(), a_pledge(amount=amount)).money


def a_verdict(
    outcome: Outcome = Outcome.GOAL_MET, collected: int = 18333, count: int = 3, sequence: int = 3
) -> Verdict:
    return Verdict(outcome, collected, count, sequence, SHARES, NOW)


def a_destination() -> Destination:
    return verify(give(None, "campaign-1", "sandbox", "acct_1", NOW), NOW)


def the_stages(base: int = 18333) -> tuple[Stage, ...]:
    return schedule("campaign-1", "EUR", base, SHARES, NOW).stages


def an_approved_stage(amount: int = 3666) -> Stage:
    due = make_due(the_stages()[0], amount, NOW).stage
    return approve_by_verdict(due, amount, a_destination(), LIMIT, NOW).stage


def a_sent_stage() -> Stage:
    submitted = submit(an_approved_stage(), (), a_destination(), NOW).stage
    return send(submitted, NOW)


def seen_dispute(**changes: object) -> DisputeSeen:
    """A chargeback of a whole pledge with a fee, as the provider shows it."""
    seen: dict[str, object] = {
        "dispute_id": "dp_1",
        "payment_reference": "ch_1",
        "status": ProviderDisputeStatus.OPEN,
        "amount": 5_000,
        "currency": "EUR",
        "fee": 2_000,
        "withdrawn_in": "txn_dp_1",
        "reason": "fraudulent",
    }
    return DisputeSeen(**(seen | changes))  # type: ignore[arg-type]


def a_dispute() -> Dispute:
    return attribute(hear(seen_dispute(), NOW), some_money())


def a_charge(number: int = 1) -> Charge:
    """Fees of 0.08 and a tax of 0.02, withheld from the campaign's money."""
    cause = f"stage-approved/campaign-1/{number}"
    return Charge(DocumentKind.INVOICE, "campaign-1", cause, "EUR", Fees(5, 3, 2), 10)


def a_receivable(amount: int = 5_000) -> Receivable:
    return Receivable("rc_1", "campaign-1", "dispute-lost/dp_1", amount, "EUR", NOW)


def a_view(stage: Stage, book: Book, **changes: object) -> GateView:
    view: dict[str, object] = {
        "book": book,
        "stage": stage,
        "previous": (),
        "destination": a_destination(),
        "funds": ProviderFunds(available=20_000, total=20_000, booked=18_333),
        "fresh_since": NOW,
        "cooling_off_seconds": 0,
        "approval_limit": LIMIT,
        "stopped": None,
        "now": NOW,
        "dispute_reserve": 200,
    }
    return GateView(**(view | changes))  # type: ignore[arg-type]


def divide(distributable: int, entitled: Sequence[Entitlement]) -> tuple[Share, ...]:
    """Divide everything at once; the order of the answer is that of the question."""
    division = freeze(distributable, entitled)
    return tuple(share_of(division, one) for one in entitled)
