"""Codes of digital rewards: each to one backer, the same ever after, never to another one."""

import asyncio

import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer, creator
from servicekit.mongo import Database
from services.updates.tests import files
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.fakes_media import LINKS, memory_desk
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_media import take
from services.updates.tests.test_recover import recover
from services.updates.tests.test_tracking_handlers import (
    CAMPAIGN,
    REWARD,
    TERMS,
    changes,
    met,
    moved,
)
from sosst_contracts import funding, payouts
from sosst_contracts.testing import sample
from updates.domain.errors import Refused
from updates.domain.media import Media, MediaWithdrawal
from updates.domain.tracking import TrackingState
from updates.domain.tracking_list import Wanted
from updates.handlers.digital import Opened, Opening, add_codes, lay_in_file, opening_lanes
from updates.handlers.media import withdraw_media
from updates.http.media import MediaShelf
from updates.ports.codes import CodeStock

PATH = f"/campaigns/{CAMPAIGN}/digital-rewards/{REWARD}"


async def lays_in(service: UpdatesService, *codes: str, reward: str = REWARD) -> int:
    added, _ = await service.units.run(lambda unit: add_codes(unit, CAMPAIGN, reward, codes, NOW))
    return added


async def lays_in_file(service: UpdatesService, media_id: str, reward: str = REWARD) -> Media:
    return await service.units.run(lambda unit: lay_in_file(unit, CAMPAIGN, reward, media_id, NOW))


async def opens(service: UpdatesService, who: str) -> Opened:
    lanes = opening_lanes(service.units, service.clock.now, TERMS)
    return await lanes.submit(CAMPAIGN, Opening(REWARD, who))


async def stock(service: UpdatesService) -> CodeStock:
    return await service.units.run(lambda unit: unit.codes.stock(CAMPAIGN, REWARD))


async def refusal(service: UpdatesService, who: str) -> str | None:
    try:
        await opens(service, who)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.row("S11")
async def test_each_backer_is_given_a_code_of_their_own(service: UpdatesService) -> None:
    """The same whenever it is opened; opening it delivers it, and who was refunded gets none."""
    await met(service)
    assert await refusal(service, "b1") == "no-code-left"
    assert await lays_in(service, "A", "B") == 2
    assert await lays_in(service, "B", "A") == 0
    first, second = await opens(service, "b1"), await opens(service, "b2")
    assert {first.code, second.code} == {"A", "B"}
    assert (await opens(service, "b1")).code == first.code
    assert first.tracking.state is TrackingState.DELIVERED
    assert await refusal(service, "b3") == "no-code-left"
    assert await refusal(service, "b9") == "delivery-unknown"
    assert await changes(service) == [("delivered", ["b1"]), ("delivered", ["b2"])]
    assert await stock(service) == CodeStock(free=0, given=2, withheld=0)
    await lays_in(service, "C")
    whole = {"pledge_id": "pledge-4", "fully_refunded": True}
    await service.hear((sample(payouts.RefundSucceeded, **whole), 1))
    assert await refusal(service, "b3") == "delivery-unknown"
    with pytest.raises(Refused, match="no such reward"):
        await lays_in(service, "D", reward="other")


@pytest.mark.trap(13)
async def test_no_code_is_there_twice_and_no_backer_has_two(database: Database) -> None:
    """The indexes say so: each is inserted twice."""
    about = {"campaign_id": "c", "reward_id": "r", "withheld": False}
    codes = database.collection("codes")
    await codes.insert_one({"_id": "c|1", **about, "backer_id": "anna"})
    for again in ({"_id": "c|1", "backer_id": None}, {"_id": "c|2", "backer_id": "anna"}):
        with pytest.raises(Exception, match="E11000"):
            await codes.insert_one(about | again)
    await codes.insert_many([{"_id": f"c|{n}", **about, "backer_id": None} for n in (3, 4)])


@pytest.mark.row("S11")
async def test_tabs_that_open_at_once_show_one_code(mongodb_service: UpdatesService) -> None:
    """Of one backer and of several: a code each, and nobody is told twice."""
    service = await met(mongodb_service)
    async with client_of(api_of(service)) as client:
        owner = bearer(creator("creator-1"))
        body = {"codes": [f"code-{number}" for number in range(5)] + ["code-0"]}
        laid = (await client.post(f"{PATH}/codes", json=body, headers=owner)).json()
        assert (laid["added"], laid["known"], laid["stock"]["free"]) == (5, 0, 5)
        who = [f"b{1 + number % 3}" for number in range(9)]
        answers = await asyncio.gather(
            *[client.post(f"{PATH}/opening", headers=bearer(backer(one))) for one in who]
        )
        assert [one.status_code for one in answers] == [200] * 9
        assert answers[0].headers["Cache-Control"] == "no-store"
        shown = {(one, answer.json()["code"]) for one, answer in zip(who, answers, strict=True)}
        assert len(shown) == len({code for _, code in shown}) == 3
        counted = (await client.get(PATH, headers=owner)).json()
        assert counted == {"free": 2, "given": 3, "withheld": 0, "file": None}
    told = await changes(service)
    assert sorted(told) == [("delivered", [f"b{n}"]) for n in (1, 2, 3)]
    assert "code-" not in str(await service.published())


@pytest.mark.row("S11")
async def test_all_backers_open_at_once_in_two_processes(mongodb_service: UpdatesService) -> None:
    """On the day that codes are announced: one each, no code twice, and nobody is sent away."""
    backers = 200
    service = await met(mongodb_service, backers=0)
    await service.hear_together(
        [
            sample(
                funding.PledgeCollected,
                pledge_id=f"pledge-{n + 1}",
                backer_id=f"b{n}",
                reward_id=REWARD,
            )
            for n in range(1, backers + 1)
        ],
        first=2,
    )
    await lays_in(service, *[f"code-{number}" for number in range(backers)])
    # What a process holds of those who open is its own; both know the same database.
    processes = [opening_lanes(service.units, service.clock.now, TERMS) for _ in range(2)]
    answers = await asyncio.gather(
        *[processes[n % 2].submit(CAMPAIGN, Opening(REWARD, f"b{n + 1}")) for n in range(backers)]
    )
    assert len({one.code for one in answers}) == backers
    assert {one.tracking.state for one in answers} == {TrackingState.DELIVERED}
    assert await stock(service) == CodeStock(free=0, given=backers, withheld=0)
    told = [who for _, names in await changes(service) for who in names]
    assert len(told) == len(set(told)) == backers


@pytest.mark.row("S11")
async def test_a_reward_that_is_a_file_is_delivered_on_its_first_opening(
    service: UpdatesService,
) -> None:
    """To each backer once, also after it was moved since; who is owed nothing opens nothing."""
    await met(service)
    desk = memory_desk(service)
    for name, data in (("m1", files.PDF), ("m2", files.ZIP)):
        await take(desk, data, f"{name}.file", name)
    for name in ("m1", "m1", "m2"):
        await lays_in_file(service, name)
    # The one before is shown nowhere any more, and goes.
    known = await service.media.media(CAMPAIGN, ["m1", "m2"])
    assert known["m1"].attached_to is None and known["m1"].next_due is not None
    assert known["m2"].attached_to == f"digital-rewards/{REWARD}"
    for _ in range(2):
        opened = await opens(service, "b1")
        assert opened.code is None and opened.file is not None and opened.file.media_id == "m2"
        assert opened.tracking.state is TrackingState.DELIVERED
    await moved(service, Wanted(REWARD, "b1", TrackingState.RETURNED))
    assert (await opens(service, "b1")).tracking.state is TrackingState.RETURNED
    assert await refusal(service, "b9") == "delivery-unknown"
    assert await changes(service) == [("delivered", ["b1"]), ("returned", ["b1"])]
    # A code beside it is given to whoever opens next; the file is for whoever is owed the reward.
    await lays_in(service, "A")
    both = await opens(service, "b2")
    assert both.code == "A" and both.file is not None
    assert (await opens(service, "b3")).code is None
    withdrawal = MediaWithdrawal("creator-1", NOW, "a wrong edition")
    await service.units.run(lambda unit: withdraw_media(unit, CAMPAIGN, "m2", withdrawal))
    assert await refusal(service, "b3") == "media-withdrawn"
    assert (await opens(service, "b2")).file is None
    with pytest.raises(Refused, match="no such reward"):
        await lays_in_file(service, "m1", reward="other")


@pytest.mark.row("S11")
async def test_the_file_of_a_reward_is_for_its_backers_by_a_link_alone() -> None:
    """Opening gives the link; no token alone reads it, so that nobody skips the opening."""
    service = await met(memory_service())
    await service.hear((sample(funding.PledgeCollected, backer_id="other", reward_id=None), 5))
    shelf = MediaShelf(memory_desk(service), service.media, LINKS)
    file = f"/campaigns/{CAMPAIGN}/media/m1"
    async with client_of(api_of(service, media=shelf)) as client:
        owner, anna, other = (
            bearer(one) for one in (creator("creator-1"), backer("b1"), backer("other"))
        )
        await client.put(f"{file}?name=livre.pdf", content=files.PDF, headers=owner)
        body = {"media_id": "m1"}
        assert (await client.put(f"{PATH}/file", json=body, headers=anna)).status_code == 404
        assert (await client.put(f"{PATH}/file", json=body, headers=owner)).status_code == 200
        assert (await client.get(file, headers=anna)).status_code == 404
        opened = await client.post(f"{PATH}/opening", headers=anna)
        assert opened.json()["code"] is None and opened.json()["delivery"]["state"] == "delivered"
        assert (await client.get(opened.json()["file"]["url"])).content == files.PDF
        for headers, status in ((anna, 404), (other, 404), (owner, 200)):
            assert (await client.get(file, headers=headers)).status_code == status
        assert (await client.post(f"{PATH}/opening", headers=other)).status_code == 404
        shown = (await client.get(PATH, headers=owner)).json()
        assert shown["file"]["media_id"] == "m1" and shown["free"] == 0


@pytest.mark.trap(23)
async def test_a_code_that_may_have_been_given_before_a_restore_is_given_to_nobody() -> None:
    """Which one it was is not known any more: the team lays in others."""
    lived, restored = await met(memory_service()), await met(memory_service())
    for service in (lived, restored):
        await lays_in(service, "A", "B")
    await opens(lived, "b1")
    (line,) = [one for one in await recover(restored, lived) if one.startswith("reward")]
    assert "2 codes are withheld" in line
    assert await refusal(restored, "b2") == "no-code-left"
    await lays_in(restored, "C")
    assert (await opens(restored, "b2")).code == "C"
    assert await stock(restored) == CodeStock(free=0, given=1, withheld=2)
