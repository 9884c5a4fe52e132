"""One suite for the stores: the fakes and the real ones keep the same promises."""

from dataclasses import replace
from datetime import timedelta

import pytest

from funding.adapters.documents import campaign_document
from funding.domain.campaign import Campaign, launch_campaign
from funding.domain.pledge import PaymentMethod, PaymentStatus, Pledge, PledgeState
from infra.servicekit.tests.costs import Cost, cost_of
from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Database
from services.funding.tests.conftest import (
    LAUNCH,
    NOW,
    Funding,
    mongo_funding,
    other_launch,
    payment,
)

pytestmark = pytest.mark.port

CAMPAIGN = launch_campaign(LAUNCH, NOW)


async def add(funding: Funding, campaign: Campaign) -> None:
    await funding.units.run(lambda unit: unit.campaigns.add(campaign))


async def save(funding: Funding, *pledges: Pledge) -> None:
    await funding.units.run(lambda unit: unit.pledges.save(pledges))


def pledge(number: int, state: PledgeState = PledgeState.COLLECTED, minutes: int = 0) -> Pledge:
    status = PaymentStatus.PENDING if state is PledgeState.PENDING else PaymentStatus.CAPTURED
    return Pledge(payment(number, status), state, NOW + timedelta(minutes=minutes))


@pytest.mark.trap(13)
async def test_a_campaign_is_inserted_once_and_saved_from_its_version(funding: Funding) -> None:
    """The guards bite: a second insert and a save over a later one are refused."""
    await add(funding, CAMPAIGN)
    with pytest.raises(DuplicateKey):
        await add(funding, CAMPAIGN)
    settled = replace(CAMPAIGN, intake_ends={0: 5, 11: 2}, blocked_at=NOW)
    await funding.units.run(lambda unit: unit.campaigns.save([settled]))
    with pytest.raises(Conflict):
        await funding.units.run(lambda unit: unit.campaigns.save([settled]))
    assert await funding.queries.campaign("c1") == replace(settled, version=1)


@pytest.mark.trap(13)
async def test_a_payment_belongs_to_one_pledge(funding: Funding) -> None:
    """The unique guard on provider and payment reference refuses a second pledge."""
    await save(funding, pledge(1))
    stolen = Pledge(replace(payment(1), pledge_id="p2"), PledgeState.COLLECTED, NOW)
    with pytest.raises(DuplicateKey):
        await save(funding, stolen)
    found = await funding.units.run(lambda u: u.pledges.by_reference({("sandbox", "ch1")}))
    assert found[("sandbox", "ch1")].pledge_id == "p1"
    assert await funding.queries.pledge("c1", "p1") == pledge(1)
    assert await funding.queries.pledge("c2", "p1") is None


async def test_the_youngest_pending_pledge_of_each_method_is_found(funding: Funding) -> None:
    """Collected ones do not count, nor other campaigns'."""
    transfer = pledge(4, PledgeState.PENDING, 3)
    by_transfer = replace(transfer.payment, method=PaymentMethod.BANK_TRANSFER)
    await save(
        funding,
        pledge(1),
        pledge(2, PledgeState.PENDING, 5),
        pledge(3, PledgeState.PENDING),
        replace(transfer, payment=by_transfer),
    )
    assert await funding.units.run(lambda unit: unit.pledges.last_pending("c1")) == {
        None: NOW + timedelta(minutes=5),
        PaymentMethod.BANK_TRANSFER: NOW + timedelta(minutes=3),
    }
    assert await funding.units.run(lambda unit: unit.pledges.last_pending("c2")) == {}
    assert await funding.queries.pledge("c1", "p4") == replace(transfer, payment=by_transfer)


async def test_due_pledges_come_in_order(funding: Funding) -> None:
    """The longest overdue first; what has nothing due is never found."""
    for number, hours in ((1, 3), (2, 1), (3, 2)):
        due = NOW + timedelta(hours=hours)
        await save(funding, replace(pledge(number), next_due=due, steps_taken=1, raised=False))
    await save(funding, pledge(4))
    assert await funding.queries.due_pledges(NOW + timedelta(hours=2), 10) == ["p2", "p3"]
    assert await funding.queries.due_pledges(NOW + timedelta(hours=2), 1) == ["p2"]
    assert await funding.queries.due_pledges(NOW + timedelta(hours=2), 9, 1) == ["p3"]
    assert await funding.queries.oldest_due_pledge() == NOW + timedelta(hours=1)
    assert await funding.queries.errored_pledges() == 3


async def test_due_campaigns_and_pages_come_in_order(funding: Funding) -> None:
    """The longest overdue first; pages behind a cursor leave nothing out."""
    for number, hours in ((1, 3), (2, 1), (3, 2)):
        deadline = NOW + timedelta(hours=hours)
        await add(
            funding, launch_campaign(other_launch(campaign_id=f"c{number}", deadline=deadline), NOW)
        )
    assert await funding.queries.due(NOW + timedelta(hours=2), 10) == ["c2", "c3"]
    assert await funding.queries.due(NOW + timedelta(hours=2), 9, 1) == ["c3"]
    oldest = await funding.queries.oldest_due()
    assert oldest is not None and oldest <= NOW + timedelta(hours=2)
    page = await funding.queries.campaigns("c1", 1)
    assert [one.campaign_id for one in page] == ["c2"]
    await save(funding, *(pledge(number) for number in range(5)))
    names = [one.pledge_id for one in await funding.queries.pledges("c1", "p1", 2)]
    assert names == ["p2", "p3"]


async def test_what_is_due_is_found_by_its_index(database: Database) -> None:
    """A sweep asks every second: it reads what it asks for alone; a scan is told apart."""
    often = [None, NOW + timedelta(days=1), NOW]
    dues = [at and at - timedelta(seconds=number) for number in range(300) for at in often]
    campaign = campaign_document(CAMPAIGN)
    campaigns = [campaign | {"_id": f"c{n}", "next_due": due} for n, due in enumerate(dues)]
    await database.collection("campaigns").insert_many(campaigns)
    funding = mongo_funding(database)
    await save(funding, *(replace(pledge(n), next_due=due) for n, due in enumerate(dues)))
    queries = funding.queries
    for reads, read in (
        (10, lambda: queries.due(NOW, 10)),
        (1, queries.oldest_due),
        (10, lambda: queries.due_pledges(NOW, 10)),
        (1, queries.oldest_due_pledge),
    ):
        assert await cost_of(database, read) == Cost(documents=reads, keys=reads, returned=reads)
    # How many there are is counted in the index, and at most those are read.
    waiting = sum(due is not None for due in dues)
    counted = await cost_of(database, queries.errored_pledges)
    assert counted.keys <= waiting + 1 and counted.documents <= waiting and not counted.scanned
    without_type = database.collection("pledges").find({"next_due": {"$lte": NOW}})
    assert (await cost_of(database, lambda: without_type.to_list(None))).scanned
