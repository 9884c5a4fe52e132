"""The provider's balance transactions against the books, both ways (`money.md` 1 R1, 3 I3).

What one side shows and the other does not is a break. A break ends by itself when the other side
follows; what nobody follows waits in suspense until two people say what it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.approval import Concerned, check_person
from payouts.domain.block import Block
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account, Entry

PLATFORM = ""
# The platform's own money, in and out, and the far end of a transfer whose near end is booked.
OWN_TYPES = frozenset({"topup", "topup_reversal"})
OWN_TYPES_OF_PLATFORM = OWN_TYPES | {"payout", "payout_failure", "payout_cancel", "stripe_fee"}
OWN_TYPES_OF_CREATORS = OWN_TYPES | {"payment", "payment_refund"}
# Between a creator's account and a bank.
PAYOUT_TYPES = frozenset({"payout", "payout_failure", "payout_cancel"})


class BreakKind(StrEnum):
    """`unbooked` is cash that no entry has, `not_at_provider` an entry that no cash has."""

    UNBOOKED = "unbooked"
    OTHER_AMOUNT = "other_amount"
    NOT_AT_PROVIDER = "not_at_provider"


class Verdict(StrEnum):
    """What two people can say of a break that does not end by itself."""

    ASSIGN = "assign"
    LET_BE = "let_be"


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction as the provider lists it; minor units, what comes in is positive.

    `account` is the connected account that it is of, empty for the platform's own.
    """

    id: str
    account: str
    type: str
    source: str
    amount: int
    fee: int
    currency: str
    created_at: datetime

    @property
    def is_own(self) -> bool:
        """Whether it is no campaign's money."""
        own = OWN_TYPES_OF_CREATORS if self.account else OWN_TYPES_OF_PLATFORM
        return self.type in own

    @property
    def is_payout(self) -> bool:
        """Whether it is between a creator's account and a bank, as the second leg of a stage is."""
        return bool(self.account) and self.type in PAYOUT_TYPES


@dataclass(frozen=True, slots=True)
class BookedCash:
    """What the books have under one balance transaction, by place; minor units."""

    balance_transaction: str
    campaign_id: str
    currency: str
    at_platform: int
    at_creator: int
    fee: int

    def at(self, account: str) -> int:
        return self.at_creator if account else self.at_platform


@dataclass(frozen=True, slots=True)
class Saying:
    """What somebody says of a break, and why; `campaign_id` where it is assigned to one."""

    verdict: Verdict
    reason: str
    by: str
    at: datetime
    campaign_id: str | None = None

    def agrees_with(self, other: "Saying") -> bool:
        return (self.verdict, self.campaign_id) == (other.verdict, other.campaign_id)


@dataclass(frozen=True, slots=True)
class Break:
    """A difference between provider and books; `amount` is the provider's less ours.

    `proposed` is what one person says, `confirmed` the second. A break is never deleted: `gone_at`
    and `gone_because` say when and why it ended. `version` guards every save.
    """

    kind: BreakKind
    account: str
    balance_transaction: str
    type: str
    currency: str
    amount: int
    detail: str
    first_seen_at: datetime
    campaign_id: str | None = None
    gone_at: datetime | None = None
    gone_because: str | None = None
    proposed: Saying | None = None
    confirmed: Saying | None = None
    version: int = 0

    @property
    def break_id(self) -> str:
        return f"{self.kind}:{self.balance_transaction}"

    @property
    def is_let_be(self) -> bool:
        """Whether two people said that it is nobody's but the platform's, and stays as it is."""
        return self.confirmed is not None and self.confirmed.verdict is Verdict.LET_BE


def unbooked_id(balance_transaction: str) -> str:
    """Return the id of the break of cash that no entry has."""
    return f"{BreakKind.UNBOOKED}:{balance_transaction}"


def compare(movement: Movement, booked: BookedCash | None, now: datetime) -> Break | None:
    """Return what is wrong between a balance transaction and its entries, None if nothing is."""
    if booked is None:
        if movement.is_own:
            return None
        detail = f"{movement.type} of {movement.source} is in no book"
        return _break(BreakKind.UNBOOKED, movement, movement.amount, detail, now)
    ours = booked.at(movement.account)
    # A creator's account bears no fee of ours.
    our_fee = 0 if movement.account else booked.fee
    if (ours, our_fee, booked.currency) == (movement.amount, movement.fee, movement.currency):
        return None
    detail = (
        f"the provider says {movement.amount} {movement.currency} and a fee of {movement.fee}, "
        f"the book {ours} {booked.currency} and {our_fee}"
    )
    difference = movement.amount - movement.fee - (ours - our_fee)
    found = _break(BreakKind.OTHER_AMOUNT, movement, difference, detail, now)
    return replace(found, campaign_id=booked.campaign_id)


def not_at_provider(booked: BookedCash, now: datetime) -> Break:
    """An entry names a balance transaction that the provider does not list."""
    return Break(
        kind=BreakKind.NOT_AT_PROVIDER,
        account=PLATFORM,
        balance_transaction=booked.balance_transaction,
        type="entry",
        currency=booked.currency,
        amount=-(booked.at_platform - booked.fee if booked.at_platform else booked.at_creator),
        detail="the book has cash that the provider does not list",
        first_seen_at=now,
        campaign_id=booked.campaign_id,
    )


def cash_of(
    balance_transaction: str, campaign_id: str, currency: str, entries: list[Entry]
) -> BookedCash:
    """Add up what the entries of one balance transaction move, at each place."""
    return BookedCash(
        balance_transaction,
        campaign_id,
        currency,
        at_platform=_moved(entries, Account.PROVIDER_BALANCE),
        at_creator=_moved(entries, Account.CREATOR_ACCOUNT),
        fee=_moved(entries, Account.PROVIDER_COSTS),
    )


def cash_in(block: Block) -> list[BookedCash]:
    """Return the cash that a block books, by balance transaction."""
    entries: dict[str, list[Entry]] = {}
    for sealed in block.entries:
        if sealed.balance_transaction is not None:
            entries.setdefault(sealed.balance_transaction, []).append(sealed.entry)
    return [
        cash_of(name, block.campaign_id, block.currency, found) for name, found in entries.items()
    ]


def _moved(entries: list[Entry], account: Account) -> int:
    total = 0
    for entry in entries:
        # Between a campaign and the platform's current account money only changes its owner.
        if account is Account.PROVIDER_BALANCE and Account.PLATFORM_CURRENT in (
            entry.debit,
            entry.credit,
        ):
            continue
        total += entry.amount * ((entry.debit is account) - (entry.credit is account))
    return total


def end(found: Break, because: str, now: datetime) -> Break:
    """The other side followed; what is over stays as it is."""
    return found if found.gone_at else replace(found, gone_at=now, gone_because=because)


def say(found: Break, saying: Saying, concerns: Iterable[Concerned] = ()) -> Break:
    """Take what a person says of an open break; the second who says the same ends it.

    Another verdict takes the place of the first one's. The same person's same word changes nothing.
    `concerns` are the person's in the campaigns whose cash it is. Raises `Refused` for who has an
    interest in one, and of a break that is over.
    """
    if found.gone_at is not None:
        if (
            found.confirmed
            and found.confirmed.by == saying.by
            and found.confirmed.agrees_with(saying)
        ):
            return found
        raise Refused("break-over", f"{found.break_id} is over: {found.gone_because}")
    for concerned in concerns:
        check_person(saying.by, concerned)
    if (saying.verdict is Verdict.ASSIGN) != (saying.campaign_id is not None):
        raise Refused("campaign-missing", "assign names a campaign, let_be names none")
    first = found.proposed
    if first is None or not first.agrees_with(saying):
        return replace(found, proposed=saying)
    if first.by == saying.by:
        return found
    ended = end(found, saying.verdict.value, saying.at)
    return replace(ended, confirmed=saying, campaign_id=saying.campaign_id or found.campaign_id)


def suspense(breaks: Iterable[Break]) -> Mapping[tuple[str, str], int]:
    """Return the suspense account: what is open of unbooked cash, by account and currency."""
    balances: dict[tuple[str, str], int] = {}
    for one in breaks:
        if one.gone_at is None and one.kind is not BreakKind.NOT_AT_PROVIDER:
            place = one.account, one.currency
            balances[place] = balances.get(place, 0) + one.amount
    return balances


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How much less the provider shows than a campaign's book holds there, and since when."""

    amount: int
    since: datetime


def shortfall(breaks: Iterable[Break]) -> Shortfall | None:
    """Add up what open breaks of one campaign say is in its book and not at the provider.

    What left the provider and is in no book yet is nobody's shortfall before it is booked.
    """
    short = [one for one in breaks if one.gone_at is None and one.amount < 0]
    if not short:
        return None
    return Shortfall(-sum(one.amount for one in short), min(one.first_seen_at for one in short))


def _break(kind: BreakKind, movement: Movement, amount: int, detail: str, now: datetime) -> Break:
    return Break(
        kind=kind,
        account=movement.account,
        balance_transaction=movement.id,
        type=movement.type,
        currency=movement.currency,
        amount=amount,
        detail=detail,
        first_seen_at=now,
    )
