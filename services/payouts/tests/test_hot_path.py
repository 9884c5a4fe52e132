"""On the way of every unit balances are known: nothing is added up anew (`money.md` 1, R4)."""

from functools import partial

from infra.servicekit.tests.costs import Cost, cost_of
from servicekit.mongo import Database
from services.payouts.tests.conftest import mongo_payouts


async def test_a_pledge_costs_the_same_however_long_the_book_is(database: Database) -> None:
    """Book, guards and causes are found by their ids; no block of before is looked at."""
    payouts = mongo_payouts(database)
    costs: list[Cost] = []
    for number in range(1, 41):
        if number in (3, 40):
            costs.append(await cost_of(database, partial(payouts.collect, number)))
        else:
            await payouts.collect(number)
    young, old = costs
    book = await payouts.queries.book("campaign-1")
    assert book is not None and book.head.block == 40
    assert old == young and not old.scanned and old.documents < 10, costs
