"""A pledge and the payment facts that move it (`domain.md` 4, `money.md` 7)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from funding.domain.campaign import Campaign, Totals
from funding.domain.errors import Refused
from funding.domain.facts import (
    Fact,
    PledgeCollected,
    PledgeErrored,
    PledgePlaced,
    PledgeWithdrawn,
)
from funding.domain.patience import steps_of
from sosst_contracts.money import Money


class PledgeState(StrEnum):
    PENDING = "pending"
    COLLECTED = "collected"
    WITHDRAWN = "withdrawn"
    ERRORED = "errored"
    DROPPED = "dropped"


# A dropped pledge whose money the provider took after all is collected (decision 0019).
TRANSITIONS: dict[PledgeState, frozenset[PledgeState]] = {
    PledgeState.PENDING: frozenset({PledgeState.COLLECTED, PledgeState.ERRORED}),
    PledgeState.ERRORED: frozenset({PledgeState.COLLECTED, PledgeState.DROPPED}),
    PledgeState.DROPPED: frozenset({PledgeState.COLLECTED}),
    PledgeState.COLLECTED: frozenset({PledgeState.WITHDRAWN}),
    PledgeState.WITHDRAWN: frozenset(),
}


class PaymentStatus(StrEnum):
    PENDING = "pending"
    CAPTURED = "captured"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class PaymentMethod(StrEnum):
    """An open vocabulary on the wire; what is not a card takes days."""

    CARD = "card"
    WALLET = "wallet"
    SEPA_DEBIT = "sepa_debit"
    BANK_TRANSFER = "bank_transfer"
    OTHER = "other"


class DropReason(StrEnum):
    NEVER_PAID = "never_paid"
    CAMPAIGN_OVER = "campaign_over"


@dataclass(frozen=True, slots=True)
class Capture:
    """What the provider took: its fee in minor units and its balance transaction."""

    provider_fee: int
    balance_transaction: str


@dataclass(frozen=True, slots=True)
class Payment:
    """One fact about one payment; provider and payment reference are its natural key.

    `capture` is there exactly when the status is captured, `reason` when it is failed, `returned`,
    the provider's id of the cash that went back, when it is withdrawn. `method` is None where
    nobody told it, which counts as a card.
    """

    campaign_id: str
    provider: str
    payment_reference: str
    pledge_id: str
    backer_id: str
    reward_id: str | None
    money: Money
    status: PaymentStatus
    occurred_at: datetime
    capture: Capture | None = None
    reason: str | None = None
    method: PaymentMethod | None = None
    returned: str | None = None


class WithdrawnBy(StrEnum):
    BACKER = "backer"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """How a pledge was taken back.

    `balance_transaction` is the provider's id of the return, there exactly where the provider has
    made it already; otherwise payouts makes it.
    """

    by: WithdrawnBy
    at: datetime
    balance_transaction: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawPledge:
    """What a backer asks for: the pledge taken back, all of it."""

    campaign_id: str
    pledge_id: str
    at: datetime


class Standing(StrEnum):
    """Whether the verdict is about this pledge."""

    COUNTED = "counted"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Pledge:
    """One backer's money for one campaign, with the payment fact that says the most about it.

    While it is errored, `next_due` is when its next step falls due and `steps_taken` how many have
    (`errored.py`). `raised` says whether the public total holds it.
    """

    payment: Payment
    state: PledgeState
    placed_at: datetime
    standing: Standing | None = None
    steps_taken: int = 0
    next_due: datetime | None = None
    raised: bool = True
    withdrawal: Withdrawal | None = None

    @property
    def pledge_id(self) -> str:
        return self.payment.pledge_id


@dataclass(frozen=True, slots=True)
class Taken:
    """What a payment fact changes; an empty `facts` means that it said nothing new."""

    pledge: Pledge
    totals: Totals
    facts: tuple[Fact, ...]


def move(pledge: Pledge, state: PledgeState) -> Pledge:
    """Return the pledge in its new state, for what no payment fact says."""
    if state not in TRANSITIONS[pledge.state]:
        raise Refused("impossible-transition", f"{pledge.state} does not become {state}")
    return replace(pledge, state=state)


_STATE_OF = {
    PaymentStatus.PENDING: PledgeState.PENDING,
    PaymentStatus.CAPTURED: PledgeState.COLLECTED,
    PaymentStatus.FAILED: PledgeState.ERRORED,
}


def is_news(known: Pledge | None, payment: Payment) -> bool:
    """Whether the fact could move the pledge on; what it knows already, or is past, cannot."""
    target = _STATE_OF.get(payment.status, PledgeState.WITHDRAWN)
    return known is None or target in TRANSITIONS[known.state]


def take_payment(campaign: Campaign, known: Pledge | None, payment: Payment) -> Taken:
    """Fold one payment fact into the campaign.

    Facts come doubled and in any order: what the pledge already knows, or is past, changes
    nothing. Raises `Refused` for a currency that is not the campaign's, an unknown reward, and
    for the same payment told with other content.
    """
    _check(campaign, payment)
    if known is not None:
        _check_same(known.payment, payment)
    if payment.status is PaymentStatus.WITHDRAWN:
        by_provider = Withdrawal(WithdrawnBy.PROVIDER, payment.occurred_at, payment.returned)
        return withdraw(campaign, known, by_provider)
    if known is not None and not is_news(known, payment):
        return Taken(known, campaign.totals, ())
    target = _STATE_OF[payment.status]
    placed_at = known.placed_at if known else payment.occurred_at
    if known is not None and payment.method is None:
        # Only the first fact about a payment may say it; how long it can be returned depends on it.
        payment = replace(payment, method=known.payment.method)
    pledge = Pledge(payment, target, placed_at)
    # A pledge that the public total lost when it was dropped is placed again.
    placed = known is None or not known.raised
    facts: list[Fact] = [PledgePlaced(payment, placed_at)] if placed else []
    amount = payment.money.amount
    totals = campaign.totals.with_raised(amount) if placed else campaign.totals
    if target is PledgeState.COLLECTED:
        pledge, totals, collected = _collect(campaign, pledge, totals)
        facts.append(collected)
    elif target is PledgeState.ERRORED:
        first = steps_of(campaign.launch.terms)[0]
        pledge = replace(pledge, next_due=payment.occurred_at + first.gap)
        facts.append(PledgeErrored(payment))
    return Taken(pledge, totals, tuple(facts))


def withdraw_by_backer(campaign: Campaign, known: Pledge | None, command: WithdrawPledge) -> Taken:
    """Take a pledge back as its backer asks: a right up to the deadline, as the verdict's count.

    Asked again it is the same withdrawal, whenever that is.
    """
    taken_back = known is not None and known.state is PledgeState.WITHDRAWN
    over = campaign.is_over or command.at > campaign.launch.deadline
    if over and not taken_back:
        detail = f"a pledge may be taken back until {campaign.launch.deadline.isoformat()}"
        raise Refused("withdrawal-too-late", detail)
    return withdraw(campaign, known, Withdrawal(WithdrawnBy.BACKER, command.at))


def withdraw(campaign: Campaign, known: Pledge | None, withdrawal: Withdrawal) -> Taken:
    """Take a collected pledge out of what no verdict has counted yet; after one, out of nothing.

    Withdrawn already is the same withdrawal, whoever tells it: our own refund, told by the
    provider's side, is no second one. Raises `Refused` for a pledge that is not collected.
    """
    if known is not None and known.state is PledgeState.WITHDRAWN:
        return Taken(known, campaign.totals, ())
    if known is None or known.state is not PledgeState.COLLECTED or known.standing is None:
        raise Refused("pledge-not-collected", "there is no collected money to take back")
    before_verdict = not campaign.is_over
    totals = _uncounted(campaign.totals, known, before_verdict)
    raised = known.raised and not before_verdict
    moved = move(known, PledgeState.WITHDRAWN)
    pledge = replace(moved, withdrawal=withdrawal, raised=raised)
    fact = PledgeWithdrawn(known.payment, withdrawal, known.standing, before_verdict)
    return Taken(pledge, totals, (fact,))


def _uncounted(totals: Totals, pledge: Pledge, before_verdict: bool) -> Totals:
    """A verdict is never recomputed: what it counted stays counted."""
    amount = pledge.payment.money.amount
    if pledge.standing is Standing.LATE:
        totals = replace(totals, late=totals.late - amount)
    elif before_verdict:
        totals = replace(totals, counted=totals.counted - amount, count=totals.count - 1)
    return replace(totals, raised=totals.raised - amount) if before_verdict else totals


def _check(campaign: Campaign, payment: Payment) -> None:
    if payment.money.currency != campaign.launch.currency:
        raise Refused(
            "other-currency",
            f"{payment.money.currency} in a campaign of {campaign.launch.currency}",
        )
    if payment.money.amount <= 0:
        raise Refused("invalid-amount", "a pledge must be above zero")
    rewards = {reward.reward_id for reward in campaign.launch.rewards}
    if payment.reward_id is not None and payment.reward_id not in rewards:
        raise Refused("unknown-reward", f"{payment.reward_id!r} is not offered here")


def _check_same(known: Payment, told: Payment) -> None:
    """Refuse a payment that is told again with other content (`architecture.md` 5.5)."""
    if _identity(known) != _identity(told):
        raise Refused("payment-conflict", "this payment is known with other content")
    if known.capture and told.capture and known.capture != told.capture:
        raise Refused("payment-conflict", "this payment was captured with other figures")


def _identity(payment: Payment) -> tuple[object, ...]:
    return (
        payment.campaign_id,
        payment.provider,
        payment.payment_reference,
        payment.pledge_id,
        payment.backer_id,
        payment.reward_id,
        payment.money,
    )


def _collect(
    campaign: Campaign, pledge: Pledge, totals: Totals
) -> tuple[Pledge, Totals, PledgeCollected]:
    """Count the pledge if it was captured in time and no verdict has fallen; else it is late."""
    payment, amount = pledge.payment, pledge.payment.money.amount
    in_time = payment.occurred_at <= campaign.launch.deadline and not campaign.is_over
    standing = Standing.COUNTED if in_time else Standing.LATE
    totals = totals.with_counted(amount) if in_time else totals.with_late(amount)
    collected = Pledge(payment, pledge.state, pledge.placed_at, standing)
    return collected, totals, PledgeCollected(payment, standing)
