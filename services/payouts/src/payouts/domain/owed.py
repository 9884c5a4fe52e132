"""Why a pledge whose money is there again must go back, whatever kept it until now."""

from collections.abc import Collection, Iterable

from payouts.domain.book import Book, came_after_the_end, late_cause, refunds_are_owed
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.refund import Refund, refund_id_of
from payouts.domain.refund_run_end import AFTER
from payouts.domain.withdrawal import withdrawal_cause


def owed_cause(book: Book, money: PledgeMoney, asked: Collection[str]) -> str | None:
    """Return the cause for which all of the pledge is owed to its backer, None if it stays.

    `asked` are the causes of its refunds so far: a late pledge goes back once it was asked for, or
    where it is behind the end (decision 0021).
    """
    if money.withdrawn:
        return withdrawal_cause(money.pledge_id)
    if refunds_are_owed(book) and book.run is not None:
        return book.run.cause
    late = late_cause(money.pledge_id)
    return late if late in asked or came_after_the_end(book, money.sequence) else None


def rest_cause(book: Book, money: PledgeMoney, refunds: Iterable[Refund], after: str) -> str | None:
    """Return the cause under which the rest of a pledge is asked for, None if it stays.

    `refunds` are the pledge's so far: where one has the cause already, the rest is named by what it
    comes `after`, a dispute or a refund.
    """
    known = {refund.refund_id: refund.cause for refund in refunds}
    cause = owed_cause(book, money, known.values())
    if cause is None or refund_id_of(money.pledge_id, cause) not in known:
        return cause
    return f"{cause}{AFTER}{after}"
