"""Whether books are right: each that changed, from where it was proven; all of them once a day.

What costs much waits: documents beside a book are added up again after a while, not with every
block. A book in which something is wrong is read from its beginning until it is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from payouts.domain.book import Agreement, Book, agreement
from payouts.domain.chain import Finding, Mark, mark_of, no_longer_there
from payouts.domain.integrity import Invariant, Violation, of_book, of_kept
from payouts.handlers.verify_ledger import check_book, check_book_since
from payouts.ports.integrity import BookChecks, Round
from payouts.ports.queries import Queries
from sosst_contracts.chain import Chain

COMPARED_AGAIN = timedelta(minutes=10)
ROUND = timedelta(days=1)


async def check_changed(
    queries: Queries, checks: BookChecks, book: Book, now: datetime
) -> list[Violation]:
    """Check a book that was saved since it was last right; what is right is marked."""
    mark = await checks.mark(book.campaign_id)
    if mark is None or mark.suspect:
        return await check_whole(queries, checks, book, now)
    chain, found = await check_book_since(queries, book, mark)
    compare = now - mark.compared_at >= COMPARED_AGAIN
    violations = [*of_book(book), *_broken_chain(found)]
    if compare:
        violations += await _compared(checks, book)
    compared_at = now if compare else mark.compared_at
    return await _note(checks, book, chain, violations, compared_at, settled=compare)


async def check_whole(
    queries: Queries, checks: BookChecks, book: Book, now: datetime
) -> list[Violation]:
    """Check a book from its beginning, and with everything beside it."""
    mark = await checks.mark(book.campaign_id)
    chain, found = await check_book(queries, book)
    violations = [*of_book(book), *_broken_chain([*found, *_forgotten(chain, mark)])]
    violations += await _compared(checks, book)
    return await _note(checks, book, chain, violations, now, settled=True)


async def check_round(
    queries: Queries, checks: BookChecks, limit: int, now: datetime
) -> tuple[list[Violation], Round]:
    """Check the next books of the day's round; the round afterwards says whether more is due."""
    known = await checks.round()
    round_ = known or Round(now)
    if round_.finished:
        if now - round_.begun_at < ROUND:
            return [], round_
        round_ = Round(now)
    books = await queries.books(round_.after, limit)
    violations = [one for b in books for one in await check_whole(queries, checks, b, now)]
    after = books[-1].campaign_id if books else round_.after
    moved = replace(round_, after=after, finished=len(books) < limit)
    await checks.keep_round(moved)
    return violations, moved


async def _compared(checks: BookChecks, book: Book) -> list[Violation]:
    kept = await checks.kept(book.campaign_id)
    return of_kept(kept) if kept else []


async def _note(
    checks: BookChecks,
    book: Book,
    chain: Chain,
    violations: Sequence[Violation],
    compared_at: datetime,
    *,
    settled: bool,
) -> list[Violation]:
    """Keep what was learnt; a book that waits for something is looked at again."""
    if violations:
        await checks.found_wrong(book.campaign_id)
        return list(violations)
    await checks.keep_mark(mark_of(chain, compared_at))
    waiting = book.verdict is not None and agreement(book) is Agreement.WAITING
    if settled and not waiting:
        await checks.found_right(book)
    return []


def _broken_chain(findings: Sequence[Finding]) -> Iterator[Violation]:
    for one in findings:
        detail = f"block {one.block}: {one.fault}: {one.detail}"
        yield Violation(Invariant.CHAIN, one.campaign_id, detail)


def _forgotten(chain: Chain, mark: Mark | None) -> Iterator[Finding]:
    if mark is not None and mark.number and chain.hashes.get(mark.number) != mark.hash:
        yield no_longer_there(mark)
