"""Pledges and claims over fakes and MongoDB: one suite, the same promises."""

from dataclasses import replace
from datetime import timedelta

import pytest

from infra.servicekit.tests.costs import cost_of
from servicekit.errors import Conflict, DuplicateKey
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.test_claims import AT, BACKER, PART, asked_for_money, opened
from updates.adapters.claim_documents import claim_document
from updates.domain.claim import ALARMED, SWEPT, Claim, ClaimState
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import withdraw
from updates.domain.pledge import Pledge, Promise, emptied
from updates.ports.claims import Cluster

pytestmark = pytest.mark.port


async def save(service: UpdatesService, *claims: Claim) -> None:
    for claim in claims:
        await service.units.run(lambda unit, claim=claim: unit.claims.save(claim))


def named(claim: Claim, claim_id: str, **changes: object) -> Claim:
    subject = replace(claim.subject, pledge_id=f"of-{claim_id}", **changes)
    return replace(claim, claim_id=claim_id, subject=subject)


async def test_a_claim_comes_back_as_it_was_and_is_guarded_by_its_version(
    service: UpdatesService,
) -> None:
    """Thread, proposal and request are kept whole; a save over somebody's later one fails."""
    claim = asked_for_money()
    assert claim.money is not None and claim.money.settlement == PART
    await save(service, claim)
    found = await service.claims.claim("campaign-1", "c1")
    assert found == replace(claim, version=1)
    await save(service, found)
    with pytest.raises(Conflict):
        await save(service, found)


async def test_one_problem_of_a_pledge_is_open_once(service: UpdatesService) -> None:
    """A second open claim of the same pledge and reason is refused, until the first has ended."""
    first, second = opened(), replace(opened(), claim_id="c2")
    await save(service, first, replace(second, claim_id="c3", reason=Reason.LATE))
    with pytest.raises(DuplicateKey):
        await save(service, second)
    about = ("campaign-1", "pledge-1", Reason.QUALITY)
    found = await service.units.run(lambda unit: unit.claims.open_about(*about))
    assert found is not None and found.claim_id == "c1"
    await save(service, withdraw(found, BACKER, AT).claim)
    assert await service.units.run(lambda unit: unit.claims.open_about(*about)) is None
    await save(service, second)


async def test_a_campaigns_claims_are_paged_and_a_backer_sees_own_ones(
    service: UpdatesService,
) -> None:
    """Each stands on exactly one page; another campaign's on none."""
    for number in range(5):
        backer = f"backer-{number % 2}"
        await save(service, named(opened(), f"c{number}", backer_id=backer))
    await save(service, replace(opened(), campaign_id="other"))
    names: list[str] = []
    while page := await service.claims.claims("campaign-1", None, names[-1] if names else "", 2):
        names += [claim.claim_id for claim in page]
    assert names == ["c0", "c1", "c2", "c3", "c4"]
    own = await service.claims.claims("campaign-1", "backer-1", "", 10)
    assert [claim.claim_id for claim in own] == ["c1", "c3"]


async def test_open_claims_cluster_by_reward_reason_and_batch(service: UpdatesService) -> None:
    """The largest first; what ended is in no cluster, what has no reward in one of its own."""
    due = NOW + timedelta(days=7)
    for name, waits in (("c1", None), ("c2", due), ("c3", due - timedelta(days=1))):
        await save(service, replace(named(opened(), name), due_at=waits))
    await save(service, named(opened(), "c4", batch="second"))
    await save(service, replace(named(opened(), "c5", reward_id=None), reason=Reason.OTHER))
    await save(service, named(withdraw(opened(), BACKER, AT).claim, "c6"))
    first = due - timedelta(days=1)
    for named_most, names in ((2, ("c3", "c2")), (9, ("c3", "c2", "c1"))):
        clusters = await service.claims.clusters("campaign-1", named_most)
        assert clusters[0] == Cluster("reward-1", Reason.QUALITY, None, 3, first, names)
    assert sorted((one.count, one.batch or "", one.reward_id or "") for one in clusters[1:]) == [
        (1, "", ""),
        (1, "second", "reward-1"),
    ]


async def test_what_is_due_is_found_by_state_and_time(service: UpdatesService) -> None:
    """The sweep finds what waits too long, the alarm what staff and payouts leave lying."""
    await save(service, named(opened(), "c1"), named(asked_for_money(), "c2"))
    day = NOW + timedelta(days=7)
    assert await service.claims.claims_waiting(SWEPT, day - timedelta(seconds=1), 10) == []
    (due,) = await service.claims.claims_waiting(SWEPT, day, 10)
    assert due.claim_id == "c1"
    assert await service.claims.claims_waiting(SWEPT, day, 10, 1) == []
    late = NOW + timedelta(days=14)
    for now, count in ((late, 0), (late + timedelta(seconds=1), 1)):
        assert await service.claims.claims_overdue(ALARMED, now) == count
    counts = await service.claims.claims_by_state()
    assert counts == {ClaimState.OPENED: 1, ClaimState.MONEY_REQUESTED: 1}


async def test_a_pledge_comes_back_and_is_guarded_by_its_version(service: UpdatesService) -> None:
    """Also one of which only its refund is known yet."""
    whole = Pledge("campaign-1", "p1", Promise("backer-1", "reward-1", 500, "EUR"))
    bare = emptied(Pledge("campaign-1", "p2"), "rf_1")
    await service.units.run(lambda unit: unit.pledges.save([whole, bare]))
    places = [("campaign-1", "p1"), ("campaign-1", "p2"), ("campaign-2", "p1")]
    found = await service.units.run(lambda unit: unit.pledges.load(places))
    assert found == {
        places[0]: replace(whole, version=1),
        places[1]: replace(bare, version=1),
    }
    with pytest.raises((Conflict, DuplicateKey)):
        await service.units.run(lambda unit: unit.pledges.save([whole]))


async def test_the_queue_stands_on_its_index(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """What is due is found without reading what is not, however many claims there are."""
    claims = [
        replace(named(opened(), f"{state}-{number}"), state=state, due_at=due)
        for number, due in enumerate([NOW, NOW + timedelta(days=1)] * 100)
        for state in ClaimState
    ]
    await database.collection("claims").insert_many([claim_document(one) for one in claims])
    queries = mongodb_service.claims
    for reads, until in ((10, NOW), (1, None)):
        cost = await cost_of(
            database,
            lambda reads=reads, until=until: queries.claims_waiting(SWEPT, until, reads),
        )
        # The orders of its states are merged, of each of which one key is looked at in advance.
        assert cost.returned == cost.documents == reads and not cost.sorted, cost
        assert cost.keys <= reads + len(SWEPT), cost
    late = await cost_of(
        database, lambda: queries.claims_overdue(ALARMED, NOW + timedelta(seconds=1))
    )
    assert late.documents == 0 and not late.scanned, late
