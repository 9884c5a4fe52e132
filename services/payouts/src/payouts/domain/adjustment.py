"""What the platform takes back of a cancelled campaign, as two people say (`money.md` 8).

A compensation that the platform paid by a pledge's own payment left the campaign's money where it
was. Once the campaign is cancelled and every backer has everything back, no claim reaches it: the
campaign bears the compensation after all, and the platform has its own again (decision 0051).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain import postings
from payouts.domain.approval import Concerned, check_person
from payouts.domain.book import Adjustment, Book
from payouts.domain.closing import DUSTY, outstanding
from payouts.domain.errors import Refused
from payouts.domain.integrity import Kept
from payouts.domain.ledger import Account, Posting
from payouts.domain.refund import Refund
from payouts.domain.two_people import Turn, turn_of


@dataclass(frozen=True, slots=True)
class Residue:
    """What a book holds for backers once all is over; amounts in minor units.

    `reachable` of what is `held` can still be refunded to somebody's payment. `paid` is what the
    platform gave by payments and has not back. `hindrances` say, a line each, why nothing may be
    taken now; `block` is the book's head.
    """

    campaign_id: str
    currency: str
    block: int
    held: int
    reachable: int
    paid: int
    hindrances: tuple[str, ...]

    @property
    def recoverable(self) -> int:
        """What no claim reaches, as far as the platform paid it."""
        return max(0, min(self.held - self.reachable, self.paid))


@dataclass(frozen=True, slots=True)
class AdjustmentDecision:
    """The book with what was said.

    With the second person's word a posting, and the compensations that the campaign bears now.
    """

    book: Book
    adjustment: Adjustment
    posting: Posting | None = None
    compensations: tuple[Refund, ...] = ()


def residue_of(
    kept: Kept, claims_open: int = 0, facts_set_aside: int = 0, breaks_open: int = 0
) -> Residue:
    """Return what is left of a book, and what could still change it.

    `claims_open` are claims about its rewards that have no end, `facts_set_aside` those of its
    facts that could not be taken in, `breaks_open` differences of its cash and the provider's.
    """
    book, pledges = kept.book, kept.pledges
    costs = book.balances.get(Account.COMPENSATION_COSTS, 0)
    gone = pledges.reserved + pledges.returned + pledges.disputed
    hindrances = outstanding(kept, but=DUSTY)
    if book.cancellation is None:
        hindrances.insert(0, "the campaign was not cancelled after a met goal")
    if claims_open:
        hindrances.append(f"{claims_open} claims about rewards are open")
    if facts_set_aside:
        hindrances.append(f"{facts_set_aside} facts of the campaign are set aside")
    if breaks_open:
        hindrances.append(f"{breaks_open} differences with the provider are open")
    return Residue(
        campaign_id=book.campaign_id,
        currency=book.currency,
        block=book.head.block,
        held=book.balances[Account.BACKER_FUNDS],
        reachable=pledges.amount + pledges.over - gone,
        paid=min(kept.compensated.by_platform, costs),
        hindrances=tuple(hindrances),
    )


def say(
    book: Book,
    residue: Residue,
    compensations: Iterable[Refund],
    said: Adjustment,
    concerned: Concerned,
    now: datetime,
) -> AdjustmentDecision:
    """Take the first person's word, or book it with the second's; the same again changes nothing.

    `compensations` are those that the platform paid by payments. Raises `Refused` for who has an
    interest, while anything could still reach the money, for more than is recoverable, and for who
    saw another book than there is.
    """
    known = _named(book.adjustments, said.adjustment_id)
    if known is not None and known.second_by is None and known.block != book.head.block:
        # Something was booked since: nobody has said anything about what is there now.
        known = None
    if known is not None and (known.amount, known.reason) != (said.amount, said.reason):
        detail = f"adjustment {said.adjustment_id} is of {known.amount}: {known.reason}"
        raise Refused("adjustment-known", detail)
    turn = turn_of(known, said.by, now)
    if known is not None and turn is Turn.AGAIN:
        return AdjustmentDecision(book, known)
    check_person(said.by, concerned)
    if residue.hindrances:
        raise Refused("not-over", f"the money may still be claimed: {residue.hindrances[0]}")
    if said.block != book.head.block:
        raise Refused("book-changed", f"block {book.head.block} of the book is its last now")
    if not 0 < said.amount <= residue.recoverable:
        most = residue.recoverable
        raise Refused("above-recoverable", f"{most} can be taken back, not {said.amount}")
    if known is None or turn is Turn.FIRST:
        return AdjustmentDecision(_with(book, said), said)
    given = replace(known, second_by=said.by, second_at=now)
    return _given(book, given, compensations)


def give_again(
    book: Book, compensations: Iterable[Refund], posting: Posting, now: datetime
) -> AdjustmentDecision:
    """Return an adjustment of which only the ledger knows, after a restored backup.

    Who said it is not known any more; under its name nothing else can be said. Raises `Refused`
    where the compensations do not come to as much: what came before it is missing.
    """
    name = posting.cause.removeprefix(f"{postings.RECOUPED}{book.campaign_id}/")
    given = Adjustment(name, posting.entries[0].amount, 0, "", "", now, second_by="", second_at=now)
    return _given(book, given, compensations)


def _given(book: Book, given: Adjustment, compensations: Iterable[Refund]) -> AdjustmentDecision:
    """Let the campaign bear as much of the compensations, in the order in which they come."""
    left, borne = given.amount, []
    for one in compensations:
        part = min(left, one.from_platform)
        if part:
            borne.append(replace(one, recouped=one.recouped + part))
            left -= part
    if left:
        detail = f"the compensations come to {given.amount - left}, not {given.amount}"
        raise Refused("above-recoverable", detail)
    name = f"{book.campaign_id}/{given.adjustment_id}"
    posting = postings.compensation_recouped(name, given.amount)
    return AdjustmentDecision(_with(book, given), given, posting, tuple(borne))


def _named(adjustments: Sequence[Adjustment], adjustment_id: str) -> Adjustment | None:
    return next((one for one in adjustments if one.adjustment_id == adjustment_id), None)


def _with(book: Book, adjustment: Adjustment) -> Book:
    others = [one for one in book.adjustments if one.adjustment_id != adjustment.adjustment_id]
    return replace(book, adjustments=(*others, adjustment))
