"""When a book is over, and what keeps it open (`money.md` 3 row 23, 7, I7).

A book over which nothing can be said any more is `closing`; if nothing moves it through a time of
rest, dust, incomes and costs go to the platform and it is `closed`, with every account at zero.
What is booked later opens it again, until that is over too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from payouts.domain import postings
from payouts.domain.book import Agreement, Book, Outcome, agreement
from payouts.domain.book_state import BookLife, BookState, move
from payouts.domain.dispute import OVER as DECIDED
from payouts.domain.integrity import REFUND_ACCOUNTS, Kept
from payouts.domain.ledger import Account, Posting, fold
from payouts.domain.refund import RefundState
from payouts.domain.stage import OVER

# What is left on these when all is over is the platform's result, and row 23 settles it.
RESULT = frozenset((*postings.INCOME, *postings.COSTS, Account.PLATFORM_CURRENT))
# Where dust lies.
DUSTY = frozenset((Account.BACKER_FUNDS, Account.PROVIDER_BALANCE))
# Without an account, and still to be decided by a person or a bank.
UNDECIDED = frozenset((RefundState.AWAITING_APPROVAL, RefundState.BLOCKED))


@dataclass(frozen=True, slots=True)
class Closing:
    """The book after a look at it, and what to post with it."""

    book: Book
    postings: tuple[Posting, ...] = ()


def look(kept: Kept, rest: timedelta, now: datetime) -> Closing:
    """Take the book as far as it goes now; an equal book means: nothing new."""
    book, over = kept.book, not outstanding(kept)
    match book.life.state:
        case BookState.OPEN if over:
            return Closing(_moved(book, BookState.CLOSING, now))
        case BookState.CLOSING if not over:
            return Closing(_moved(book, BookState.OPEN, None))
        case BookState.CLOSING if book.life.since is None or now - book.life.since >= rest:
            return _close(book, now)
    return Closing(book)


def _close(book: Book, now: datetime) -> Closing:
    made, balances, block = [], book.balances, book.head.block + 1
    dust = dust_in(book)
    if dust:
        made.append(postings.dust_kept(book.campaign_id, block, dust))
        balances = fold(balances, made[0].entries)
    life = replace(_moved(book, BookState.CLOSED, now).life, dust_kept=book.life.dust_kept + dust)
    if closing := postings.close(book.campaign_id, block, balances):
        made.append(closing)
        life = settle(life, [closing], block)
    return Closing(replace(book, life=life), tuple(made))


def settle(life: BookLife, closings: Iterable[Posting], block: int) -> BookLife:
    """Note what closings up to the one in `block` took of incomes and costs."""
    taken = Counter(life.settled)
    taken.update(postings.settled_in(closings))
    return replace(life, settled={a: n for a, n in taken.items() if n}, closed_in=block)


def dust_in(book: Book) -> int:
    """Return what lies there because the provider does not pay out so little, in minor units.

    Of a cancelled campaign that is what no claim reaches once all shares are given (decision 0047).
    """
    left = book.balances[Account.BACKER_FUNDS]
    if book.cancellation is None:
        given = book.last_approved
    else:
        given = book.run is not None and book.run.finished
    return left if given and left < book.quantum else 0


def _moved(book: Book, state: BookState, since: datetime | None) -> Book:
    return replace(book, life=replace(move(book.life, state), since=since))


def outstanding(kept: Kept, but: Collection[Account] = ()) -> list[str]:
    """Say what keeps the book open, a line each; nothing for one that is over.

    What lies on the accounts in `but` is not said.
    """
    return [*_of_book(kept.book, but), *_beside(kept)]


def _of_book(book: Book, but: Collection[Account]) -> Iterator[str]:
    verdict = book.verdict
    if verdict is None:
        yield "there is no verdict"
    elif verdict.outcome is Outcome.UNKNOWN:
        yield "nobody knows what the verdict means"
    elif agreement(book) is not Agreement.AGREES:
        yield "our count is not the verdict's"
    elif verdict.outcome is Outcome.GOAL_MET and not book.planned:
        yield "the stages are not planned"
    if book.run is not None and not book.run.finished:
        yield "the run of refunds is not finished"
    if book.unclaimed:
        yield f"{book.unclaimed} postings of the ledger wait to be made again"
    dust = dust_in(book)
    settled = dict.fromkeys(DUSTY, dust)
    for account, balance in sorted(book.balances.items()):
        if account in RESULT or account in but:
            continue
        if balance != settled.get(account, 0):
            yield f"{balance} on {account}"


def _beside(kept: Kept) -> Iterator[str]:
    for stage in kept.stages:
        if stage.state not in OVER:
            yield f"stage {stage.number} is {stage.state}"
    for state, amount in sorted(kept.refunds.items()):
        if amount and (REFUND_ACCOUNTS[state] is not None or state in UNDECIDED):
            yield f"refunds of {amount} are {state}"
    for dispute in kept.disputes:
        if dispute.state not in DECIDED:
            yield f"dispute {dispute.dispute_id} is {dispute.state}"
    if kept.debts:
        yield f"the creator owes {kept.debts}"
