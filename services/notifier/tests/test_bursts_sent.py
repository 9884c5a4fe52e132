"""Bursts over a real mail server, and a process that is killed (-9) when the sets are fixed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.sandbox.mail.client import MailClient
from infra.suite import Suite
from infra.suite.readings import Readings, eventually
from infra.suite.suite import QUICK_SETTINGS
from notifier.adapters.queries import MongoQueries
from notifier.domain.delivery import Channel
from servicekit.mongo import Database
from services.notifier.tests.crowd import publish, surrounded
from sosst_contracts import funding, updates
from sosst_contracts.codec import Draft, Record
from sosst_contracts.notifier import DeliverySucceeded
from sosst_contracts.platform import PersonDescribed
from sosst_contracts.testing import sample

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAMPAIGN = "in-bursts"
PEOPLE = [f"reader-{number}" for number in range(1, 9)]
BURST = {"MAIL_WINDOW_SECONDS": "4", "MAIL_RETRY_SECONDS": "1"}
SETTINGS = QUICK_SETTINGS | {"notifier": QUICK_SETTINGS["notifier"] | BURST}
PATIENCE_SECONDS = 180


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    folder = tmp_path_factory.mktemp("bursts")
    async with surrounded(folder, native_stack, SETTINGS) as suite:
        yield suite


@pytest_asyncio.fixture(loop_scope="module")
async def database(suite: Suite) -> AsyncIterator[Database]:
    database = Database.connect(suite.mongodb_uri, suite.database("notifier"), "tests")
    yield database
    database.close()


def readers() -> list[Record]:
    """They back the project, and have an address each."""
    now = datetime.now(UTC)
    people = [
        sample(
            PersonDescribed,
            person_id=who,
            address=f"{who}@bursts.example",
            language="en",
            zone="UTC",
            roles=[],
            described_at=now,
        )
        for who in PEOPLE
    ]
    values = {"campaign_id": CAMPAIGN, "captured_at": now}
    pledges = [
        sample(funding.PledgeCollected, backer_id=who, pledge_id=f"pledge-{who}", **values)
        for who in PEOPLE
    ]
    described = [Draft(one, now, one.person_id).seal() for one in people]
    return [*described, *(Draft(one, now).seal(number) for number, one in enumerate(pledges, 1))]


def news(number: int, begun: datetime) -> Record:
    event = sample(
        updates.UpdatePublished,
        campaign_id=CAMPAIGN,
        update_id=f"update-{number}",
        pledges_sequence=len(PEOPLE),
        audience_count=len(PEOPLE),
        texts=[{"language": "en", "title": f"Chapter {number}"}],
        published_at=begun + timedelta(milliseconds=number),
    )
    return Draft(event, begun).seal(number)


def cause_of(number: int) -> str:
    return f"update-published/{CAMPAIGN}:update-{number}"


async def sets(database: Database) -> dict[str, list[frozenset[int]]]:
    """Return which chapters are fixed to go in one mail, by reader."""
    chunks = {row["_id"]: row for row in await database.collection("chunks").find({}).to_list(None)}
    numbers = {cause_of(number): number for number in (1, 2, 3, 4)}
    found: dict[str, list[frozenset[int]]] = {}
    for row in await database.collection("deliveries").find({}).to_list(None):
        for place, standing in row["standings"].items():
            if carries := [chunk_id for chunk_id, _ in standing.get("carries", ())]:
                who = chunks[row["chunk_id"]]["recipients"][int(place)]
                said = [chunks[one]["cause"] for one in (row["chunk_id"], *carries)]
                found.setdefault(who, []).append(frozenset(numbers[one] for one in said))
    return found


async def titles_of(mailbox: MailClient, number: int) -> frozenset[int]:
    """Return which chapters stand in a mail."""
    part = (await mailbox.mail(number)).get_body(("plain",))
    assert part is not None
    lines = str(part.get_content()).splitlines()
    return frozenset(one for one in (1, 2, 3, 4) if f"> Chapter {one}" in lines)


@pytest.mark.row("S4")
@pytest.mark.trap(9)
async def test_sets_that_were_fixed_outlive_their_process(suite: Suite, database: Database) -> None:
    """Killed before anything was sent: the sets go as they were, without what came since.

    Every notice of everybody is in one mail, told once as delivered, and counts are whole.
    """
    assert suite.mail is not None
    mailbox, process = MailClient(suite.mail.url), suite.services["notifier"]
    await mailbox.plant("slow", seconds=60.0)
    await asyncio.to_thread(process.start)
    await publish(suite, *readers())

    async def known() -> bool:
        names = ("people", "memberships")
        return all([await database.collection(n).count_documents({}) == len(PEOPLE) for n in names])

    await eventually("all are known", known, PATIENCE_SECONDS)
    begun = datetime.now(UTC).replace(microsecond=0)
    await publish(suite, *(news(number, begun) for number in (1, 2, 3)))

    async def fixed() -> bool:
        return bool(await sets(database))

    await eventually("a set is fixed", fixed, PATIENCE_SECONDS)
    await asyncio.to_thread(process.kill)
    before = await sets(database)
    assert (await mailbox.count())["mails"] == 0
    await mailbox.forget_faults()
    await publish(suite, news(4, begun))
    await asyncio.to_thread(process.start)
    queries = MongoQueries(database, partitions=24)

    async def all_told() -> bool:
        found = [await queries.channel_totals(Channel.EMAIL, cause_of(n)) for n in (1, 2, 3, 4)]
        return [one.delivered if one else 0 for one in found] == [len(PEOPLE)] * 4

    await eventually("all are written to", all_told, PATIENCE_SECONDS)
    after = await sets(database)
    # What was on its way at the kill may come twice, as the same mail.
    mails = {
        (mail["recipient"], mail["message_id"], await titles_of(mailbox, mail["number"]))
        for mail in await mailbox.mails()
    }
    said: dict[str, list[frozenset[int]]] = {who: [] for who in PEOPLE}
    for recipient, _, chapters_said in mails:
        said[recipient.partition("@")[0]].append(chapters_said)
    for who, fixed_before in before.items():
        assert all(one in after[who] and one in said[who] for one in fixed_before), who
    chapters = {who: Counter(n for one in held for n in one) for who, held in said.items()}
    assert chapters == {who: Counter((1, 2, 3, 4)) for who in PEOPLE}, mails
    assert sum(map(len, said.values())) < 4 * len(PEOPLE)
    taken = await deliveries_told(suite)
    assert Counter(one.cause for one in taken) == {cause_of(n): len(PEOPLE) for n in (1, 2, 3, 4)}
    own = {one.notification_id for one in taken if one.merged_into is None}
    ids = {mail["message_id"].strip("<>").partition("@")[0] for mail in await mailbox.mails()}
    assert own == ids and {one.merged_into for one in taken if one.merged_into} <= own


async def deliveries_told(suite: Suite) -> list[DeliverySucceeded]:
    """Return the mails' ends once one of everybody's notices stands on their topic."""
    look = Readings(suite)

    async def all_told() -> list[DeliverySucceeded] | None:
        facts = [one.event for one in await look.events("notifier.deliveries")]
        taken = [one for one in facts if isinstance(one, DeliverySucceeded)]
        return taken if len(taken) >= 4 * len(PEOPLE) else None

    try:
        return await eventually("the ends are told", all_told, PATIENCE_SECONDS)
    finally:
        await look.close()
