"""Everybody told once, whoever dies: two processes, killed (-9) at random while they tell people.

News go out by inbox, mail and webhook. A kill falls into a fan-out or into the delivery of its
mails; at every sample everybody of every cause has an outcome or is pending. In the end the ids
on the topic are those of the audience, and what was sent twice was in hand at a kill.

`SOSST_NOTICES` (in `crowd.py`), `SOSST_NOTIFIER_KILLS` and `SOSST_SEED` make it another one.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from random import Random

import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.sandbox.issuer.tokens import STAFF
from infra.sandbox.mail.client import MailClient
from infra.suite import ServiceProcess, Suite
from infra.suite.readings import Readings, eventually
from infra.suite.suite import QUICK_SETTINGS
from notifier.adapters.queries import MongoQueries
from notifier.domain.notification import notification_id
from notifier.handlers.send_webhooks import NOTED_TOGETHER
from servicekit.mongo import Database
from services.notifier.tests.crowd import (
    BACKERS,
    PEOPLE,
    Look,
    Watch,
    all_known,
    all_told,
    cause_of,
    news,
    people,
    pledges,
    publish,
    surrounded,
)
from services.notifier.tests.receiver import Receiver, receiver
from sosst_contracts import funding, notifier

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLS = int(os.environ.get("SOSST_NOTIFIER_KILLS", "10"))
SEED = int(os.environ.get("SOSST_SEED", "7"))
# So slow may a machine be that does much else.
PATIENCE_SECONDS = 120 + BACKERS * 0.1
SLOW = {"MAILS_PER_SECOND": "500", "CHUNKS_AT_ONCE": "1"}
SETTINGS = QUICK_SETTINGS | {"notifier": QUICK_SETTINGS["notifier"] | SLOW}
FEED = (notifier.NoticePlanned, notifier.NoticeCompleted, funding.PledgeCollected)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    folder = tmp_path_factory.mktemp("kills")
    async with surrounded(folder, native_stack, SETTINGS) as suite:
        yield suite


@pytest_asyncio.fixture(loop_scope="module")
async def watch(suite: Suite) -> AsyncIterator[Watch]:
    database = Database.connect(suite.mongodb_uri, suite.database("notifier"), "tests")
    yield Watch(database, MongoQueries(database, partitions=24))
    database.close()


async def register(suite: Suite, url: str) -> None:
    look = Readings(suite)
    body = {"url": url, "types": [one.type_name() for one in FEED], "begin": "beginning"}
    answer = await look.ask("PUT", "notifier", "/webhook-endpoints/crm", caller=STAFF, body=body)
    assert answer.status_code == 201, answer.text
    await look.close()


def told_chunks(watch: Watch, number: int, at_least: int) -> Look:
    """Wait until so many chunks of the news are told, or all of them."""
    chunks = watch.database.collection("chunks")

    async def reached() -> bool:
        mine = {"cause": cause_of(number), "partition": {"$gte": 0}}
        return await chunks.count_documents(mine | {"state": "done"}) >= at_least

    return reached


def mails_came(mailbox: MailClient, at_least: int) -> Look:
    async def reached() -> bool:
        return (await mailbox.count())["mails"] >= at_least

    return reached


async def tell_and_kill(suite: Suite, watch: Watch, mailbox: MailClient) -> list[datetime]:
    """Publish news and kill a process at a random place of telling them; return when they came."""
    instances = [suite.services["notifier"], suite.instance("notifier", 2)]
    draw, published = Random(SEED), list[datetime]()
    await asyncio.to_thread(instances[1].start)
    for kill in range(KILLS):
        if kill % 2 == 0:
            published.append(datetime.now(UTC).replace(microsecond=0))
            await publish(suite, news(len(published), published[-1]))
            reached = told_chunks(watch, len(published), draw.randint(0, 20))
        else:
            # Of the news that are being mailed now, and never more than there are.
            more = draw.randint(1, BACKERS // 3)
            reached = mails_came(mailbox, (len(published) - 1) * BACKERS + more)
        await eventually("there is something to interrupt", reached, PATIENCE_SECONDS)
        await kill_one(draw.choice(instances), watch)
    return published


async def kill_one(dead: ServiceProcess, watch: Watch) -> None:
    await asyncio.to_thread(dead.kill)
    await watch.note_what_is_sent()
    await asyncio.to_thread(dead.start)


@pytest.mark.long
# Ten processes begin anew in it, beside all that a busy machine does.
@pytest.mark.timeout(900)
@pytest.mark.row("S4")
@pytest.mark.trap(9)
async def test_everybody_is_told_once_though_processes_are_killed(
    suite: Suite, watch: Watch
) -> None:
    """Ids, inboxes, mails, webhooks are those of the audience; repeats were in hand at a kill."""
    assert suite.mail is not None
    mailbox = MailClient(suite.mail.url)
    stopping = asyncio.Event()
    async with receiver() as taken:
        await asyncio.to_thread(suite.services["notifier"].start)
        await publish(suite, *people(), *pledges())
        await eventually("all are known", all_known(watch), PATIENCE_SECONDS)
        await register(suite, taken.url)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch.run(stopping))
            try:
                published = await tell_and_kill(suite, watch, mailbox)
                await eventually("all are told", all_told(watch, published), PATIENCE_SECONDS)
                await eventually("webhooks", everything_taken(suite, taken), PATIENCE_SECONDS)
            finally:
                stopping.set()
    await assert_told_once(suite, watch, published)
    await assert_mailed_once(watch, mailbox, published)
    await assert_taken_in_order(suite, taken)
    print(f"{BACKERS} backers, {KILLS} kills, seed {SEED}, {watch.samples} samples")


async def wanted_facts(suite: Suite) -> dict[str, list[str]]:
    """Return the ids of the facts that the endpoint asked for, by topic, in their order."""
    look = Readings(suite)
    wanted: dict[str, list[str]] = {}
    for topic in sorted({one.topic for one in FEED}):
        facts = [one for one in await look.events(topic) if isinstance(one.event, FEED)]
        wanted[topic] = list(dict.fromkeys(one.envelope.id for one in facts))
    await look.close()
    return wanted


def everything_taken(suite: Suite, taken: Receiver) -> Look:
    async def reached() -> bool:
        wanted = await wanted_facts(suite)
        return {one for ids in wanted.values() for one in ids} <= set(taken.ids)

    return reached


async def assert_told_once(suite: Suite, watch: Watch, published: Sequence[datetime]) -> None:
    """On the topic and in the inboxes: the very people, each under one id."""
    look = Readings(suite)
    facts = [one.event for one in await look.events("notifier.notifications")]
    told = [one for one in facts if isinstance(one, notifier.BackerNotified)]
    await look.close()
    chunks = watch.database.collection("chunks")
    for number, at in enumerate(published, 1):
        mine = [one for one in told if one.cause == cause_of(number)]
        assert {one.recipient_id for one in mine} == set(PEOPLE)
        ids = {notification_id(cause_of(number), at, who) for who in PEOPLE}
        assert {one.notification_id for one in mine} == ids
        rows = await chunks.find({"cause": cause_of(number)}).to_list(None)
        assert sorted(who for row in rows for who in row["recipients"]) == PEOPLE
    repeats = len(told) - len({one.notification_id for one in told})
    largest = max(len(row["recipients"]) for row in await chunks.find({}).to_list(None))
    # One chunk is sent at once, of two groups in hand, in each process that was killed.
    assert repeats <= KILLS * 2 * largest
    print(f"{len(told)} events, {repeats} of them again: of chunks that were in flight at a kill")


async def assert_mailed_once(
    watch: Watch, mailbox: MailClient, published: Sequence[datetime]
) -> None:
    came: Counter[tuple[str, str]] = Counter()
    for mail in await mailbox.mails():
        who, _, domain = mail["recipient"].partition("@")
        assert domain == "told.example"
        came[who, mail["message_id"].strip("<>").partition("@")[0]] += 1
    wanted = {
        (who, notification_id(cause_of(number), at, who))
        for number, at in enumerate(published, 1)
        for who in PEOPLE
    }
    assert set(came) == wanted
    again = {told_id for (_, told_id), times in came.items() if times > 1}
    assert again <= watch.in_hand, "a mail was repeated that was not in hand at a kill"
    print(f"{came.total()} mails, {len(again)} again, of {len(watch.in_hand)} in hand at a kill")


async def assert_taken_in_order(suite: Suite, taken: Receiver) -> None:
    """Every fact of each topic, in its order where it came first; few again."""
    first = list(dict.fromkeys(taken.ids))
    for ids in (await wanted_facts(suite)).values():
        mine = set(ids)
        assert [one for one in first if one in mine] == ids
    again = len(taken.ids) - len(first)
    assert again <= KILLS * NOTED_TOGETHER
    print(f"{len(taken.ids)} webhooks, {again} again")
