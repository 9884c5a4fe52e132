"""A pledge and the payment facts that move it (`domain.md` 4, `money.md` 7)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from funding.domain.campaign import Campaign, Totals
from funding.domain.errors import Refused
from funding.domain.facts import Fact, PledgeCollected, PledgeErrored, PledgePlaced
from funding.domain.patience import steps_of
from sosst_contracts.money import Money


class PledgeState(StrEnum):
    PENDING = "pending"
    COLLECTED = "collected"
    ERRORED = "errored"
    DROPPED = "dropped"


# A dropped pledge whose money the provider took after all is collected (decision 0019).
TRANSITIONS: dict[PledgeState, frozenset[PledgeState]] = {
    PledgeState.PENDING: frozenset({PledgeState.COLLECTED, PledgeState.ERRORED}),
    PledgeState.ERRORED: frozenset({PledgeState.COLLECTED, PledgeState.DROPPED}),
    PledgeState.DROPPED: frozenset({PledgeState.COLLECTED}),
    PledgeState.COLLECTED: frozenset(),
}


class PaymentStatus(StrEnum):
    PENDING = "pending"
    CAPTURED = "captured"
    FAILED = "failed"


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

    `capture` is there exactly when the status is captured, `reason` when it is failed. `method`
    is None where nobody told it, which counts as a card.
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


def take_payment(campaign: Campaign, known: Pledge | None, payment: Payment) -> Taken:
    """Fold one payment fact into the campaign.

    Facts come doubled and in any order: what the pledge already knows, or is past, changes
    nothing. Raises `Refused` for a currency that is not the campaign's, an unknown reward, and
    for the same payment told with other content.
    """
    _check(campaign, payment)
    if known is not None:
        _check_same(known.payment, payment)
    target = _STATE_OF[payment.status]
    if known is not None and target not in TRANSITIONS[known.state]:
        return Taken(known, campaign.totals, ())
    placed_at = known.placed_at if known else payment.occurred_at
    pledge = Pledge(payment, target, placed_at)
    # A pledge that the public total lost when it was dropped is placed again.
    placed = known is None or not known.raised
    facts: list[Fact] = [PledgePlaced(payment, placed_at)] if placed else []
    totals = _raise(campaign.totals, payment.money.amount) if placed else campaign.totals
    if target is PledgeState.COLLECTED:
        pledge, totals, collected = _collect(campaign, pledge, totals)
        facts.append(collected)
    elif target is PledgeState.ERRORED:
        first = steps_of(campaign.launch.terms)[0]
        pledge = replace(pledge, next_due=payment.occurred_at + first.gap)
        facts.append(PledgeErrored(payment))
    return Taken(pledge, totals, tuple(facts))


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


def _raise(totals: Totals, amount: int) -> Totals:
    return replace(totals, raised=totals.raised + amount)


def _collect(
    campaign: Campaign, pledge: Pledge, totals: Totals
) -> tuple[Pledge, Totals, PledgeCollected]:
    """Count the pledge if it was captured in time and no verdict has fallen; else it is late."""
    payment = pledge.payment
    in_time = payment.occurred_at <= campaign.launch.deadline and campaign.verdict is None
    standing = Standing.COUNTED if in_time else Standing.LATE
    amount = payment.money.amount
    if in_time:
        totals = replace(totals, counted=totals.counted + amount, count=totals.count + 1)
    else:
        totals = replace(totals, late=totals.late + amount)
    return replace(pledge, standing=standing), totals, PledgeCollected(payment, standing)
