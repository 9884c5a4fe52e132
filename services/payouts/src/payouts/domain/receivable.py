"""What a creator owes the platform, one item per cause (`money.md` 3, rows 14, 15, 21; 7).

Items follow the postings of the book, so that their open parts are always the balance of
`creator_receivable`: a debit begins an item under the posting's cause, a credit settles the oldest
ones first, but row 21, which names its item.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import postings
from payouts.domain.approval import Concerned, check_person
from payouts.domain.errors import InvariantBroken, Refused
from payouts.domain.ledger import Account, Posting, Row
from payouts.domain.two_people import standing


class ReceivableState(StrEnum):
    ARISEN = "arisen"
    PART_SETTLED = "part_settled"
    SETTLED = "settled"
    WRITTEN_OFF = "written_off"


TRANSITIONS: dict[ReceivableState, frozenset[ReceivableState]] = {
    ReceivableState.ARISEN: frozenset(
        {ReceivableState.PART_SETTLED, ReceivableState.SETTLED, ReceivableState.WRITTEN_OFF}
    ),
    ReceivableState.PART_SETTLED: frozenset({ReceivableState.SETTLED, ReceivableState.WRITTEN_OFF}),
    ReceivableState.SETTLED: frozenset(),
    ReceivableState.WRITTEN_OFF: frozenset(),
}


class EndKind(StrEnum):
    """How people end a debt: the creator has paid it, or nobody will (row 21)."""

    SETTLED = "settled"
    WRITTEN_OFF = "written_off"


@dataclass(frozen=True, slots=True)
class Proposed:
    """One person's word, until a second one says the same; it falls after seven days."""

    kind: EndKind
    amount: int
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Receivable:
    """One debt; amounts in minor units. `endings` counts the steps of people that were booked."""

    receivable_id: str
    campaign_id: str
    cause: str
    amount: int
    currency: str
    arisen_at: datetime
    settled: int = 0
    written_off: int = 0
    state: ReceivableState = ReceivableState.ARISEN
    proposed: Proposed | None = None
    endings: tuple[Proposed, ...] = ()
    ended_by: tuple[str, ...] = ()
    version: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.settled - self.written_off


@dataclass(frozen=True, slots=True)
class ReceivableDecision:
    """The item as proposed, and what to post; the posting itself moves the item on."""

    receivable: Receivable
    postings: tuple[Posting, ...] = ()


def receivable_id_of(campaign_id: str, cause: str) -> str:
    """Return f(campaign, cause): one cause is one debt."""
    text = json.dumps([campaign_id, cause], ensure_ascii=True, separators=(",", ":"))
    return "rc_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def move(receivable: Receivable, state: ReceivableState) -> Receivable:
    """Return it in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[receivable.state]:
        raise Refused("impossible-transition", f"{receivable.state} does not become {state}")
    return replace(receivable, state=state)


def touches(posting: Posting) -> bool:
    """Whether a posting moves what creators owe."""
    return any(Account.CREATOR_RECEIVABLE in (e.debit, e.credit) for e in posting.entries)


def follow(
    known: Mapping[str, Receivable],
    made: Iterable[Posting],
    campaign_id: str,
    currency: str,
    now: datetime,
) -> dict[str, Receivable]:
    """Return all items after the postings, by id; raises `InvariantBroken` where none is left."""
    items = dict(known)
    for posting in made:
        arisen = sum(e.amount for e in posting.entries if e.debit is Account.CREATOR_RECEIVABLE)
        paid = sum(e.amount for e in posting.entries if e.credit is Account.CREATOR_RECEIVABLE)
        if arisen:
            one = receivable_id_of(campaign_id, posting.cause)
            items[one] = Receivable(one, campaign_id, posting.cause, arisen, currency, now)
        if paid and posting.row is Row.DEBT:
            one, written_off = _named(posting)
            items[one] = _less(items[one], paid, written_off=written_off)
        elif paid:
            items |= _oldest_first(list(items.values()), paid, posting.cause)
    return items


def propose(receivable: Receivable, proposed: Proposed, concerned: Concerned) -> ReceivableDecision:
    """Take one person's word, or book it where a second one says the same (two people, row 21).

    The same person's same word again changes nothing. Raises `Refused` otherwise.
    """
    first = standing(receivable.proposed, proposed.at)
    same = first is not None and _content(first) == _content(proposed)
    if first is not None and same and first.by == proposed.by:
        return ReceivableDecision(receivable)
    if _done(receivable, proposed):
        return ReceivableDecision(receivable)
    if not 0 < proposed.amount <= receivable.open:
        raise Refused("not-owed", f"{receivable.open} is open, not {proposed.amount}")
    check_person(proposed.by, concerned)
    if first is None:
        return ReceivableDecision(replace(receivable, proposed=proposed))
    if not same:
        raise Refused("other-proposal", f"{first.by} proposed {first.kind} of {first.amount}")
    number = len(receivable.endings) + 1
    ended = replace(
        receivable,
        proposed=None,
        endings=(*receivable.endings, first),
        ended_by=(*receivable.ended_by, proposed.by),
    )
    settled = proposed.kind is EndKind.SETTLED
    book = postings.debt_settled if settled else postings.debt_written_off
    made = book(f"{receivable.receivable_id}/{number}", proposed.amount)
    return ReceivableDecision(ended, (made,))


def withdraw(receivable: Receivable) -> Receivable:
    """Drop what was proposed and not yet confirmed."""
    return replace(receivable, proposed=None)


def open_sum(items: Iterable[Receivable]) -> int:
    return sum(item.open for item in items)


def _content(proposed: Proposed) -> tuple[EndKind, int, str]:
    return proposed.kind, proposed.amount, proposed.reason


def _done(receivable: Receivable, proposed: Proposed) -> bool:
    """Whether it is the confirmation that was booked last, said again by the same person."""
    if not receivable.endings or receivable.ended_by[-1] != proposed.by:
        return False
    return receivable.proposed is None and _content(receivable.endings[-1]) == _content(proposed)


def _named(posting: Posting) -> tuple[str, bool]:
    kind, _, name = posting.cause.partition("/")
    return name.rpartition("/")[0], kind == "debt-written-off"


def _oldest_first(items: Sequence[Receivable], paid: int, cause: str) -> dict[str, Receivable]:
    changed: dict[str, Receivable] = {}
    for item in sorted(items, key=lambda one: (one.arisen_at, one.receivable_id)):
        part = min(paid, item.open)
        if part:
            changed[item.receivable_id] = _less(item, part, written_off=False)
            paid -= part
    if paid:
        raise InvariantBroken(f"I5: {cause} settles {paid} that no item owes")
    return changed


def _less(item: Receivable, part: int, *, written_off: bool) -> Receivable:
    if part > item.open:
        raise InvariantBroken(f"I5: {item.receivable_id} owes {item.open}, not {part}")
    left = replace(
        item,
        settled=item.settled + (0 if written_off else part),
        written_off=item.written_off + (part if written_off else 0),
    )
    if left.open:
        partly = ReceivableState.PART_SETTLED
        return left if left.state is partly else move(left, partly)
    ended = ReceivableState.WRITTEN_OFF if left.written_off else ReceivableState.SETTLED
    return move(left, ended)
