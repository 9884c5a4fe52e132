"""Why a pledge whose money is there again must go back, whatever kept it until now."""

from collections.abc import Collection

from payouts.domain.book import Book, late_cause, refunds_are_owed
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.withdrawal import withdrawal_cause


def owed_cause(book: Book, money: PledgeMoney, asked: Collection[str]) -> str | None:
    """Return the cause for which all of the pledge is owed to its backer, None if it stays.

    `asked` are the causes of its refunds so far: a late pledge goes back once it was asked for.
    """
    if money.withdrawn:
        return withdrawal_cause(money.pledge_id)
    if refunds_are_owed(book) and book.run is not None:
        return book.run.cause
    late = late_cause(money.pledge_id)
    return late if late in asked else None
