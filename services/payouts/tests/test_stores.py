"""One suite for the stores: the fakes and the real ones keep the same promises."""

from dataclasses import replace
from functools import partial

import pytest
from pymongo import ReplaceOne, UpdateOne

from payouts.adapters.mongo_stores import BOOKS, PLEDGES, REFUNDS, STAGES, change
from payouts.domain.book import collect, seal_into
from payouts.domain.destination import give
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.refund import request
from payouts.domain.refund_sending import send
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.posting import post
from payouts.ports.unit import PayoutsUnit
from servicekit import metrics
from servicekit.errors import Conflict, DuplicateKey, Unsaveable
from servicekit.mongo import Database
from services.payouts.tests.builders import (
    NOW,
    a_book,
    a_destination,
    a_dispute,
    a_pledge,
    a_receivable,
    an_approved_stage,
    some_money,
    the_stages,
)
from services.payouts.tests.conftest import Payouts, mongo_payouts

pytestmark = pytest.mark.port


@pytest.mark.trap(13)
async def test_a_book_is_saved_from_its_version_and_comes_back(payouts: Payouts) -> None:
    """Balances, head and all: what is loaded is what was saved; a stale save is refused."""
    collected = collect(a_book(), a_pledge())
    book, blocks = seal_into(collected.book, [collected.posting], NOW)

    async def save(unit: object) -> None:
        await unit.books.append(blocks)  # type: ignore[attr-defined]
        await unit.books.save([book])  # type: ignore[attr-defined]

    await payouts.units.run(save)
    assert await payouts.queries.book("campaign-1") == replace(book, version=1)
    assert await payouts.queries.blocks("campaign-1", 0, 10) == list(blocks)
    assert await payouts.queries.block_with(collected.posting.cause) == blocks[0]
    assert await payouts.queries.block_with("nothing") is None
    with pytest.raises(DuplicateKey):
        await payouts.units.run(lambda unit: unit.books.save([book]))
    await payouts.units.run(lambda unit: unit.books.save([replace(book, version=1)]))
    with pytest.raises(Conflict):
        await payouts.units.run(lambda unit: unit.books.save([replace(book, version=1)]))


@pytest.mark.trap(13)
async def test_a_cause_is_posted_once_over_all_books(payouts: Payouts) -> None:
    """The same balance transaction in another campaign's book is refused (R1)."""
    for campaign_id in ("campaign-1", "campaign-2"):
        book = replace(a_book(), campaign_id=campaign_id)
        _, blocks = seal_into(book, [collect(book, a_pledge()).posting], NOW)

        async def append(unit: object, blocks: object = blocks) -> None:
            await unit.books.append(blocks)  # type: ignore[attr-defined]

        if campaign_id == "campaign-1":
            await payouts.units.run(append)
        else:
            with pytest.raises(DuplicateKey):
                await payouts.units.run(append)


@pytest.mark.trap(13)
async def test_a_cause_is_posted_once_within_a_group(payouts: Payouts) -> None:
    """The same balance transaction twice in one group is refused, and nothing is kept (R1).

    The unique index would let it in: it does not compare a block with itself.
    """
    collected = collect(a_book(), a_pledge())

    async def post_twice(unit: PayoutsUnit) -> None:
        book = await post(unit, collected.book, [collected.posting, collected.posting], NOW)
        await unit.books.save([book])

    with pytest.raises(Refused, match="txn_1"):
        await payouts.units.run(post_twice)
    assert await payouts.queries.book("campaign-1") is None
    assert await payouts.queries.blocks("campaign-1", 0, 10) == []


@pytest.mark.trap(13)
async def test_a_block_number_is_taken_once(payouts: Payouts) -> None:
    """Two blocks with different causes cannot both follow the same block of one book."""
    first, second = (
        seal_into(a_book(), [collect(a_book(), a_pledge(number)).posting], NOW)[1]
        for number in (1, 2)
    )
    await payouts.units.run(lambda unit: unit.books.append(first))
    with pytest.raises(DuplicateKey):
        await payouts.units.run(lambda unit: unit.books.append(second))
    assert await payouts.queries.blocks("campaign-1", 0, 10) == list(first)


@pytest.mark.trap(13)
async def test_a_refund_is_inserted_once(payouts: Payouts) -> None:
    """The same pledge and cause have the same id, and the second insert is refused."""
    refund = request(collect(a_book(), a_pledge()).money, "cause", NOW).refund
    await payouts.units.run(lambda unit: unit.refunds.save([refund]))
    with pytest.raises(DuplicateKey):
        await payouts.units.run(lambda unit: unit.refunds.save([refund]))
    assert await payouts.queries.refund("campaign-1", refund.refund_id) == replace(
        refund, version=1
    )
    assert await payouts.queries.refund("campaign-2", refund.refund_id) is None


async def test_refunds_are_read_by_their_ids_at_once(payouts: Payouts) -> None:
    """Those that exist; nobody's name is no error, and no names are no question."""
    refunds = [
        request(collect(a_book(), a_pledge(number)).money, "cause", NOW).refund
        for number in (1, 2, 3)
    ]
    await payouts.units.run(lambda unit: unit.refunds.save(refunds))
    names = [one.refund_id for one in refunds[:2]]
    assert await payouts.queries.refunds_named([*names, "rf_nobody"]) == {
        one.refund_id: replace(one, version=1) for one in refunds[:2]
    }
    assert await payouts.queries.refunds_named([]) == {}


async def test_pledges_page_in_order_behind_the_cursor(payouts: Payouts) -> None:
    """The refund run's pages leave nothing out and repeat nothing."""
    money = [collect(a_book(), a_pledge(number)).money for number in (3, 1, 2)]
    await payouts.units.run(lambda unit: unit.pledges.save(money))
    names: list[str] = []
    cursor = None
    while page := await payouts.units.run(
        lambda unit, cursor=cursor: unit.pledges.page("campaign-1", cursor, 2)
    ):
        names += [one.pledge_id for one in page]
        cursor = page[-1].pledge_id
    assert names == ["pledge-1", "pledge-2", "pledge-3"]


async def test_an_earlier_destination_does_not_replace_a_later_one(payouts: Payouts) -> None:
    """A verification that comes late cannot bring an old account back."""
    first = a_destination()
    second = give(first, "campaign-1", "sandbox", "acct_2", NOW)
    await payouts.units.run(lambda unit: unit.destinations.save(first))
    await payouts.units.run(lambda unit: unit.destinations.save(second))
    with pytest.raises((Conflict, DuplicateKey)):
        await payouts.units.run(lambda unit: unit.destinations.save(first))
    assert await payouts.queries.destination("campaign-1") == second


async def test_stages_come_back_in_order(payouts: Payouts) -> None:
    """All three, as planned."""
    stages = the_stages()
    await payouts.units.run(lambda unit: unit.stages.save(stages[::-1]))
    found = await payouts.queries.stages("campaign-1")
    assert found == [replace(stage, version=1) for stage in stages]


async def test_the_database_refuses_a_buggy_write(database: Database) -> None:
    """Parts that are not the amount, and a balance on the wrong side, never get in."""
    from servicekit.mongo import sorted_errors

    good = PLEDGES.document("pledge-1", collect(a_book(), a_pledge()).money)
    book = BOOKS.document("campaign-1", a_book())
    for collection, document in (
        ("pledge_money", good | {"returnable": 1}),
        ("pledge_money", good | {"returnable": -1, "over": 0}),
        ("pledge_money", good | {"amount": 50.5}),
        ("books", book | {"balances": book["balances"] | {Account.BACKER_FUNDS.value: -1}}),
    ):
        with pytest.raises(Unsaveable), sorted_errors():
            await database.collection(collection).insert_one(document)
    with sorted_errors():
        await database.collection("pledge_money").insert_one(good)


@pytest.mark.trap(13)
async def test_disputes_debts_and_whose_they_are(payouts: Payouts) -> None:
    """What is loaded is what was saved; a second new one and a stale save are refused."""
    dispute, debt, money = a_dispute(), a_receivable(), some_money()

    async def save(unit: PayoutsUnit) -> None:
        await unit.disputes.save(dispute)
        await unit.receivables.save([debt])
        await unit.pledges.save([money])
        await unit.refunds.save([request(money, "a-cause", NOW).refund])

    await payouts.units.run(save)
    assert await payouts.queries.dispute("dp_1") == replace(dispute, version=1)
    assert await payouts.queries.disputes("campaign-1", "", 10) == [replace(dispute, version=1)]
    assert await payouts.queries.undecided_disputes("dp_1", 10) == []
    assert [one.state for one in await payouts.queries.undecided_disputes("", 10)] == ["inquiry"]
    assert (await payouts.queries.dispute_queues())[dispute.state].count == 1
    assert await payouts.queries.receivables("campaign-1") == [replace(debt, version=1)]
    assert await payouts.queries.open_receivables() == 1
    assert await payouts.units.run(lambda unit: unit.pledges.of_payment("ch_1")) == money
    assert await payouts.units.run(lambda unit: unit.pledges.of_payment("ch_2")) is None
    [refund] = await payouts.units.run(lambda unit: unit.refunds.of_pledge("pledge-1"))
    assert refund.cause == "a-cause"
    for stale, error in ((0, DuplicateKey), (7, Conflict)):
        late = replace(dispute, version=stale)
        with pytest.raises(error):
            await payouts.units.run(lambda unit, late=late: unit.disputes.save(late))
        owed = replace(debt, version=stale)
        with pytest.raises(error):
            await payouts.units.run(lambda unit, owed=owed: unit.receivables.save([owed]))


async def test_the_creator_of_a_campaign_is_who_was_told_first(payouts: Payouts) -> None:
    """The same fact again, or a later one, changes nothing; an unknown campaign is nobody's."""
    for creators in ({"campaign-1": "anna", "campaign-2": "ben"}, {"campaign-1": "mallory"}, {}):
        await payouts.units.run(lambda unit, told=creators: unit.creators.add(told))
    assert await payouts.queries.creator("campaign-1") == "anna"
    assert await payouts.queries.creator("campaign-2") == "ben"
    assert await payouts.queries.creator("campaign-3") is None


async def test_many_campaigns_cost_as_many_calls_as_one(database: Database) -> None:
    """A batch is saved as a whole: its calls to MongoDB do not grow with its campaigns."""
    service, calls = mongo_payouts(database), []
    for count in (1, 20):
        pledges = [a_pledge(100 * count + number) for number in range(count)]
        heard = [PledgeHeard(f"of-{one.pledge_id}", "EUR", 1, one) for one in pledges]
        before = calls_to_mongodb()
        assert await service.units.run(partial(take_pledges, heard=heard, now=NOW)) == {}
        calls.append(calls_to_mongodb() - before)
        books = [await service.queries.book(one.campaign_id) for one in heard]
        assert [book.counted for book in books if book is not None] == [5000] * count
    assert calls[0] == calls[1]


def calls_to_mongodb() -> float:
    """Return how many commands this process has sent so far."""
    [measured] = metrics.MONGODB_OPERATION_DURATION.collect()
    return sum(each.value for each in measured.samples if each.name.endswith("_count"))


def test_what_the_release_before_saved_is_read() -> None:
    """A book, a stage and an approval without the fields that came later, as they were."""
    book, stage = BOOKS.document("campaign-1", a_book()), STAGES.document("s", an_approved_stage())
    for name in ("fees", "fee_base", "processing", "last_approved", "holds"):
        del book[name]
    for name in ("milestone", "divided", "set_off"):
        del stage[name]
    sent = send(request(some_money(), "a-cause", NOW).refund, NOW)
    refund = REFUNDS.document("r", sent)
    del refund["blocks"], refund["attempts"][0]["acquirer_reference"]
    assert REFUNDS.value(refund) == sent
    for name in ("second_by", "second_at", "signed"):
        del stage["approval"][name]
    assert BOOKS.value(book) == a_book()
    assert STAGES.value(stage) == an_approved_stage()


def test_of_a_known_document_only_what_changed_is_written() -> None:
    """What is new in this release is written too; a document nobody read is replaced as a whole."""
    wanted = {"_id": "p1", "amount": 5, "reserved": 5, "withdrawn": False}
    known = {"_id": "p1", "amount": 5, "reserved": 0}
    assert change(known, wanted) == UpdateOne(
        {"_id": "p1"}, {"$set": {"reserved": 5, "withdrawn": False}}
    )
    assert change(None, wanted) == change(wanted, wanted) == ReplaceOne({"_id": "p1"}, wanted)
