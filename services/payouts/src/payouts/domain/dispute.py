"""A dispute: a backer's bank asks, takes the money back, and decides who keeps it.

States as in `money.md` 7. It is read again and again at the provider; in any order and any number
of times the result is the same, and cash is posted on its balance transaction only (R1). A
chargeback takes only what its own pledge has: what is beyond it is the platform's risk, never
another backer's money (decision 0023).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import postings
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Entry, Posting
from payouts.domain.pledge_money import (
    PledgeMoney,
    charged_back_of_own,
    lose_to_bank,
    win_back,
)


class DisputeState(StrEnum):
    """Unattributed: no pledge of ours was paid with its payment, as far as we know."""

    UNATTRIBUTED = "unattributed"
    INQUIRY = "inquiry"
    OPENED = "opened"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"
    PREVENTED = "prevented"


TRANSITIONS: dict[DisputeState, frozenset[DisputeState]] = {
    DisputeState.UNATTRIBUTED: frozenset({DisputeState.INQUIRY}),
    DisputeState.INQUIRY: frozenset(
        {DisputeState.CLOSED, DisputeState.OPENED, DisputeState.PREVENTED}
    ),
    DisputeState.OPENED: frozenset({DisputeState.WON, DisputeState.LOST}),
    DisputeState.WON: frozenset(),
    DisputeState.LOST: frozenset(),
    DisputeState.CLOSED: frozenset(),
    DisputeState.PREVENTED: frozenset(),
}

OVER = frozenset({state for state, following in TRANSITIONS.items() if not following})


class ProviderDisputeStatus(StrEnum):
    INQUIRY = "inquiry"
    CLOSED = "closed"
    OPEN = "open"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute as the provider shows it now; amounts in minor units.

    `withdrawn_in` and `reinstated_in` are balance transactions, None where no cash moved. The
    amount may differ from what was paid; the fee is the platform's.
    """

    dispute_id: str
    payment_reference: str
    status: ProviderDisputeStatus
    amount: int
    currency: str
    fee: int = 0
    withdrawn_in: str | None = None
    reinstated_in: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute about one payment; `campaign_id` and `pledge_id` are empty until attributed.

    `reserved` is what the campaign's money covers while it is open, the platform advances the rest.
    Once it is lost, `owed` of it is the creator's debt and `lost` the platform's loss.
    """

    dispute_id: str
    payment_reference: str
    amount: int
    currency: str
    seen_at: datetime
    state: DisputeState = DisputeState.UNATTRIBUTED
    campaign_id: str = ""
    pledge_id: str = ""
    fee: int = 0
    reserved: int = 0
    owed: int = 0
    lost: int = 0
    withdrawn_in: str | None = None
    reinstated_in: str | None = None
    reason: str | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    version: int = 0

    @property
    def over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    dispute: Dispute
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeWon:
    dispute: Dispute
    won_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeLost:
    dispute: Dispute
    lost_at: datetime


DisputeFact = DisputeOpened | DisputeWon | DisputeLost


@dataclass(frozen=True, slots=True)
class Bearing:
    """What a step looks at: the book's `backer_funds` now, and whether the creator bears a loss.

    `sealed` are the postings of a restored book that are known from its topic: what they say of
    this dispute holds.
    """

    available: int
    creator_bears: bool
    sealed: Mapping[str, Posting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DisputeDecision:
    """What to save together; no postings, no facts and an equal dispute mean: nothing new."""

    dispute: Dispute
    money: PledgeMoney
    postings: tuple[Posting, ...] = ()
    facts: tuple[DisputeFact, ...] = ()


def hear(seen: DisputeSeen, now: datetime) -> Dispute:
    """Begin to follow a dispute of which nobody knows yet whose pledge it is about."""
    return Dispute(seen.dispute_id, seen.payment_reference, seen.amount, seen.currency, now)


def move(dispute: Dispute, state: DisputeState) -> Dispute:
    """Return the dispute in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[dispute.state]:
        raise Refused("impossible-transition", f"{dispute.state} does not become {state}")
    return replace(dispute, state=state)


def attribute(dispute: Dispute, money: PledgeMoney) -> Dispute:
    """Say whose pledge it is about; raises `Refused` where the currencies differ."""
    if dispute.currency != money.currency:
        detail = f"{dispute.dispute_id} is in {dispute.currency}, its pledge in {money.currency}"
        raise Refused("wrong-currency", detail)
    known = replace(dispute, campaign_id=money.campaign_id, pledge_id=money.pledge_id)
    return move(known, DisputeState.INQUIRY)


def opens(dispute: Dispute, seen: DisputeSeen) -> bool:
    """Whether what was seen withdraws money that this dispute does not know of."""
    return dispute.state is DisputeState.INQUIRY and seen.withdrawn_in is not None


def open_chargeback(
    dispute: Dispute, money: PledgeMoney, seen: DisputeSeen, bearing: Bearing, now: datetime
) -> DisputeDecision:
    """The bank withdrew the money (row 10); nobody was asked, so nothing can refuse it.

    `money` is after `charge_back`, and after the pledge's unsent refunds were taken back.
    """
    assert seen.withdrawn_in is not None
    own = charged_back_of_own(money, seen.amount)
    reserved = min(own, max(0, bearing.available))
    made = postings.dispute_opened(seen.amount, reserved, seen.fee, seen.withdrawn_in)
    made = bearing.sealed.get(made.cause, made)
    opened = replace(
        move(dispute, DisputeState.OPENED),
        amount=seen.amount,
        fee=seen.fee,
        reserved=_moved(made, Account.BACKER_FUNDS, Account.DISPUTES_RESERVED),
        withdrawn_in=seen.withdrawn_in,
        reason=seen.reason,
        opened_at=now,
    )
    return DisputeDecision(opened, money, (made,), (DisputeOpened(opened, now),))


def end(
    dispute: Dispute, money: PledgeMoney, seen: DisputeSeen, bearing: Bearing, now: datetime
) -> DisputeDecision:
    """Follow the bank's decision; without one, or before its cash is there, nothing follows."""
    match dispute.state, seen.status:
        case DisputeState.INQUIRY, ProviderDisputeStatus.CLOSED:
            return _ended(dispute, money, DisputeState.CLOSED, now)
        case DisputeState.INQUIRY, ProviderDisputeStatus.PREVENTED:
            return _ended(dispute, money, DisputeState.PREVENTED, now)
        case DisputeState.OPENED, ProviderDisputeStatus.WON if seen.reinstated_in is not None:
            return _win(dispute, money, seen.reinstated_in, now)
        case DisputeState.OPENED, ProviderDisputeStatus.LOST:
            return _lose(dispute, money, bearing, now)
    return DisputeDecision(dispute, money)


def _ended(
    dispute: Dispute, money: PledgeMoney, state: DisputeState, now: datetime
) -> DisputeDecision:
    return DisputeDecision(replace(move(dispute, state), ended_at=now), money)


def _win(
    dispute: Dispute, money: PledgeMoney, reinstated_in: str, now: datetime
) -> DisputeDecision:
    """Row 11."""
    won = replace(move(dispute, DisputeState.WON), reinstated_in=reinstated_in, ended_at=now)
    posting = postings.dispute_won(dispute.amount, dispute.reserved, reinstated_in)
    again = win_back(money, dispute.amount)
    return DisputeDecision(won, again, (posting,), (DisputeWon(won, now),))


def _lose(dispute: Dispute, money: PledgeMoney, bearing: Bearing, now: datetime) -> DisputeDecision:
    """Row 12: what is over is the platform's loss, the pledge's own part first the campaign's."""
    own = charged_back_of_own(money, dispute.amount)
    missing = max(0, own - dispute.reserved)
    newly = min(missing, max(0, bearing.available))
    owed = missing - newly if bearing.creator_bears else 0
    made = postings.dispute_lost(dispute.dispute_id, dispute.amount, dispute.reserved, newly, owed)
    made = bearing.sealed.get(made.cause, made)
    lost = replace(
        move(dispute, DisputeState.LOST),
        owed=_moved(made, Account.CREATOR_RECEIVABLE, Account.DISPUTED_AT_SCHEME),
        lost=_moved(made, Account.LOSS_COSTS, Account.DISPUTED_AT_SCHEME),
        ended_at=now,
    )
    gone = lose_to_bank(money, dispute.amount, lost.lost)
    return DisputeDecision(lost, gone, (made,), (DisputeLost(lost, now),))


def _moved(posting: Posting, debit: Account, credit: Account) -> int:
    def between(entry: Entry) -> bool:
        return (entry.debit, entry.credit) == (debit, credit)

    return sum(entry.amount for entry in posting.entries if between(entry))
