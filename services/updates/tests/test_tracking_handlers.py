"""Rewards on their way, from the first that is packed to its backer's word, over both stores."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from infra.servicekit.tests.costs import Cost, cost_of
from servicekit.errors import Conflict
from servicekit.mongo import Database
from services.updates.tests.conftest import NOW, UpdatesService
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from updates.adapters.document_ids import joined_id
from updates.domain.errors import Refused
from updates.domain.pledge import Pledge, Promise
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Tracking, TrackingState, TrackingTerms
from updates.domain.tracking_list import Wanted
from updates.handlers import tracking as handlers
from updates.handlers.tracking import (
    Report,
    Result,
    load_trackings,
    move_reward,
    move_trackings,
    receive_reward,
    trackings_of_backer,
    undo_receipt,
)
from updates.sweeps.tracking import AskForReceipts

CAMPAIGN, REWARD, TEAM = "campaign-1", "reward-1", "fulfilment-1"
TERMS = TrackingTerms()
S = TrackingState


async def met(
    service: UpdatesService, backers: int = 3, behind: Sequence[str] = ()
) -> UpdatesService:
    """A campaign that met its goal; each backer has a pledge with the reward, the first one two.

    Readers that are `behind` hear nothing of it yet.
    """
    ends = (sample(funding.CampaignLaunched), 1), (sample(funding.VerdictReached), 2)
    await service.hear(*ends, behind=behind)
    owed = ["b1", *(f"b{number}" for number in range(1, backers + 1))]
    for number, backer in enumerate(owed, start=1):
        pledge = {"pledge_id": f"pledge-{number}", "backer_id": backer, "reward_id": REWARD}
        fact = (sample(funding.PledgeCollected, **pledge), number)
        await service.hear(fact, behind=behind)
    return service


async def moved(service: UpdatesService, *wanted: Wanted, write: bool = True) -> list[Result]:
    now = service.clock.now()
    return await service.units.run(
        lambda unit: move_trackings(unit, CAMPAIGN, wanted, TEAM, now, TERMS, write=write)
    )


async def all_moved(
    service: UpdatesService, state: TrackingState, batch: int | None = None
) -> Report:
    now = service.clock.now()
    return await move_reward(service.units, CAMPAIGN, REWARD, state, TEAM, now, TERMS, batch=batch)


async def states(service: UpdatesService) -> list[str]:
    found = await service.units.run(lambda unit: load_trackings(unit, CAMPAIGN, REWARD, "", 50))
    return [one.state.value for one in found]


async def told(service: UpdatesService) -> list[Event]:
    return [event for event in await service.published() if event.topic == "updates.deliveries"]


async def changes(service: UpdatesService) -> list[tuple[str, list[str]]]:
    return [
        (event.state, [one.backer_id for one in event.changes])
        for event in await told(service)
        if isinstance(event, events.DeliveryChanged)
    ]


@pytest.mark.row("S11")
@pytest.mark.trap(17)
async def test_a_whole_reward_moves_and_tells_those_who_moved(
    service: UpdatesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, each backer once however many pledges; moved again nobody is told."""
    monkeypatch.setattr(handlers, "PAGE", 2)
    await met(service)
    await moved(service, Wanted(REWARD, "b2", S.SHIPPED))
    report = await all_moved(service, S.SHIPPED)
    assert (report.changed, report.unchanged, report.refused) == (2, 1, 0)
    again = await all_moved(service, S.SHIPPED)
    assert (again.changed, again.unchanged, again.refused) == (0, 3, 0)
    assert await changes(service) == [
        ("shipped", ["b2"]),
        ("shipped", ["b1"]),
        ("shipped", ["b3"]),
    ]
    (asked,) = [e for e in await told(service) if isinstance(e, events.DeliveryNoticeAsked)]
    assert asked.platform_sends_at == NOW + TERMS.notice


async def test_a_batch_moves_alone(service: UpdatesService) -> None:
    """Those whom the team put into it; the others stay where they are."""
    await met(service)
    await moved(service, Wanted(REWARD, "b1", batch=1), Wanted(REWARD, "b3", batch=2))
    report = await all_moved(service, S.PREPARING, batch=2)
    assert report.changed == 1
    assert await states(service) == ["not_started", "not_started", "preparing"]


@pytest.mark.trap(12)
async def test_one_that_is_shipped_says_nothing_of_the_others(service: UpdatesService) -> None:
    """Each backer's reward is where it is."""
    await met(service)
    await moved(service, Wanted(REWARD, "b2", S.SHIPPED))
    assert await states(service) == ["not_started", "shipped", "not_started"]


@pytest.mark.trap(18)
async def test_one_refusal_stops_no_other_and_a_dry_run_keeps_nothing(
    service: UpdatesService,
) -> None:
    """The same is said of both; parcels are added to what is there."""
    await met(service)
    wanted = [
        Wanted(REWARD, "b1", S.SHIPPED, ("Poste", "1")),
        Wanted(REWARD, "b9", S.SHIPPED),
        Wanted("other", "b1", S.SHIPPED),
        Wanted(REWARD, "b1", parcel=("Poste", "2")),
        Wanted(REWARD, "b1", S.SHIPPED, ("Poste", "1")),
    ]
    dry = await moved(service, *wanted, write=False)
    assert await states(service) == ["not_started"] * 3 and await told(service) == []
    for results in (dry, await moved(service, *wanted)):
        assert [one.changed for one in results] == [True, False, False, True, False]
        assert [one.refused.reason for one in results if one.refused] == ["nothing-owed"] * 2
    (mine,) = await service.units.run(lambda unit: trackings_of_backer(unit, CAMPAIGN, "b1"))
    assert [one.number for one in mine.parcels] == ["1", "2"]
    assert "Poste" not in str(await told(service))


async def test_nothing_is_sent_where_nothing_is_owed(service: UpdatesService) -> None:
    """Not before a met goal, nor once all money went back; what was sent before may come back."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    with pytest.raises(Refused, match="met their goal"):
        await moved(service, Wanted(REWARD, "b1", S.SHIPPED))
    await service.hear((sample(funding.VerdictReached), 2))
    pledge = {"pledge_id": "pledge-1", "backer_id": "b1", "reward_id": REWARD}
    await service.hear((sample(funding.PledgeCollected, **pledge), 1))
    await moved(service, Wanted(REWARD, "b1", S.SHIPPED))
    whole = {"pledge_id": "pledge-1", "fully_refunded": True}
    await service.hear((sample(payouts.RefundSucceeded, **whole), 1))
    results = await moved(
        service, Wanted(REWARD, "b1", S.DELIVERED), Wanted(REWARD, "b1", S.RETURNED)
    )
    assert [one.changed for one in results] == [False, True]
    (kept,) = await service.units.run(lambda unit: trackings_of_backer(unit, CAMPAIGN, "b1"))
    assert kept.state is S.RETURNED


@pytest.mark.row("S11")
async def test_its_backer_says_that_it_came_and_takes_it_back(service: UpdatesService) -> None:
    """Each once, however often it is said; a stranger has nothing to say."""
    await met(service)
    place = (CAMPAIGN, REWARD, "b1")

    async def says(came: bool) -> Tracking:
        act, now = receive_reward if came else undo_receipt, service.clock.now()
        return await service.units.run(lambda unit: act(unit, place, now, TERMS))

    await all_moved(service, S.SHIPPED)
    for came, state in ((True, S.RECEIVED), (True, S.RECEIVED), (False, S.SHIPPED)):
        assert (await says(came)).state is state
    stranger = (CAMPAIGN, REWARD, "b9")
    with pytest.raises(Refused) as refused:
        await service.units.run(lambda unit: receive_reward(unit, stranger, NOW, TERMS))
    assert refused.value.reason == "delivery-unknown"
    assert (await changes(service))[1:] == [("received", ["b1"]), ("shipped", ["b1"])]


@pytest.mark.row("S11")
async def test_backers_are_asked_whether_it_came_once_whoever_sweeps(
    service: UpdatesService,
) -> None:
    """Two instances, and a sweep that comes late; who has said so is not asked (trap 11)."""
    await met(service)
    await all_moved(service, S.SHIPPED)
    await service.units.run(lambda unit: receive_reward(unit, (CAMPAIGN, REWARD, "b2"), NOW, TERMS))
    ask = AskForReceipts(service.units, service.tracking)
    due = await ask.oldest_due()
    assert due == NOW + TERMS.question
    assert await ask(due - timedelta(seconds=1)) == 0
    assert [await ask(due + timedelta(days=3)) for _ in range(2)] == [2, 0]
    (asked,) = [one for one in await told(service) if isinstance(one, events.ReceiptAsked)]
    assert asked.backers == ["b1", "b3"] and await ask.oldest_due() is None


async def test_two_who_move_at_once_lose_nothing(service: UpdatesService) -> None:
    """Who saved second has to look again; who is owed a reward is read in whole pages."""
    await met(service)
    place = (CAMPAIGN, REWARD, "b1")
    await moved(service, Wanted(REWARD, "b1", S.PREPARING))
    stale = (await service.units.run(lambda unit: unit.trackings.load([place])))[place]
    await moved(service, Wanted(REWARD, "b1", S.SHIPPED))
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.trackings.save([stale]))
    for after, page in (("", ["b1", "b2"]), ("b2", ["b3"]), ("b3", [])):
        owed = await service.units.run(
            lambda unit, after=after: unit.owed.page(CAMPAIGN, REWARD, after, 2)
        )
        assert owed == page
    assert await service.tracking.due_notices(NOW + TERMS.notice, 9) == [(CAMPAIGN, REWARD)]
    assert await service.tracking.due_notices(NOW + TERMS.notice, 9, 1) == []
    assert await service.tracking.oldest_due_notice() == NOW + TERMS.notice


async def test_what_is_due_and_who_is_owed_stand_on_their_index(
    mongodb_service: UpdatesService, database: Database
) -> None:
    """Beside hundreds that are due later or never, or owed another reward, it reads a page."""
    often = [None, NOW + timedelta(days=1), NOW]
    dues = [at and at - timedelta(seconds=number) for number in range(300) for at in often]
    many = list(enumerate(dues))
    trackings = [Tracking(CAMPAIGN, REWARD, f"b{n}", next_due=due) for n, due in many]
    rewards = [RewardTracking(CAMPAIGN, f"r{n}", NOW, next_due=due) for n, due in many]
    owed = [Promise(f"b{n // 3:03}", f"reward-{n % 3}", 500, "EUR") for n, _ in many]
    pledges = [Pledge(CAMPAIGN, f"p{n}", one) for n, one in enumerate(owed)]
    service = mongodb_service
    await service.units.run(lambda unit: unit.trackings.save(trackings))
    await service.units.run(lambda unit: unit.rewards.save(rewards))
    await service.units.run(lambda unit: unit.pledges.save(pledges))
    for reads, read in (
        (10, lambda: service.tracking.due_questions(NOW, 10)),
        (1, service.tracking.oldest_due_question),
        (10, lambda: service.tracking.due_notices(NOW, 10)),
        (1, service.tracking.oldest_due_notice),
        (10, lambda: service.units.run(lambda unit: unit.owed.page(CAMPAIGN, REWARD, "b150", 10))),
    ):
        assert await cost_of(database, read) == Cost(documents=reads, keys=reads, returned=reads)


def test_a_place_holds_whatever_ids_there_are() -> None:
    """Ids with the sign that joins them give no two rewards the same document."""
    assert joined_id("a|b", "c") != joined_id("a", "b|c")
    assert joined_id("a%7Cb", "c") != joined_id("a|b", "c")
