"""notifier's database is restored from a backup: who was told and mailed since is neither again.

After the backup news are told and mailed to everybody; what the database knew of it is lost, and
only the topics tell. `recover` reads back who has a mail.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from infra.native import Addresses
from infra.sandbox.mail.client import MailClient
from infra.suite import Suite
from infra.suite.readings import eventually
from notifier.adapters.queries import MongoQueries
from notifier.domain.notification import notification_id
from servicekit.mongo import Database
from services.notifier.tests.crowd import (
    PEOPLE,
    Watch,
    all_known,
    all_told,
    cause_of,
    news,
    people,
    pledges,
    publish,
)
from sosst_contracts.notifier import BackerNotified
from tests.world import World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_SECONDS = 120


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """notifier alone, with a mail server."""
    suite = Suite(tmp_path_factory.mktemp("restored"), native_stack, mail=True)
    async with opened(suite, "notifier") as world:
        yield world


async def mails(world: World) -> Counter[tuple[str, str]]:
    """Count the mails that the server took, by recipient and the id that each carries."""
    assert world.suite.mail is not None
    return Counter(
        (mail["recipient"].partition("@")[0], mail["message_id"].strip("<>").partition("@")[0])
        for mail in await MailClient(world.suite.mail.url).mails()
    )


async def told(world: World) -> set[str]:
    """Return the ids of the notifications on the topic."""
    events = [one.event for one in await world.look.events("notifier.notifications")]
    return {one.notification_id for one in events if isinstance(one, BackerNotified)}


async def outcomes_told(world: World) -> bool:
    """Whether each mail's end stands on its topic: what has not been told goes out once more."""
    facts = await world.look.events("notifier.deliveries")
    return len({one.envelope.id for one in facts}) == 2 * len(PEOPLE)


@pytest.mark.long
@pytest.mark.trap(23)
@pytest.mark.trap(10)
async def test_who_was_mailed_after_the_backup_is_not_mailed_again(world: World) -> None:
    """It refuses to run, then everybody is told of both news, once, with one mail of each."""
    notifier = world.suite.services["notifier"]
    database = Database.connect(world.suite.mongodb_uri, world.suite.database("notifier"), "tests")
    watch = Watch(database, MongoQueries(database, partitions=24))
    published = [datetime.now(UTC).replace(microsecond=0)]
    await publish(world.suite, *people(), *pledges())
    await eventually("all are known", all_known(watch), PATIENCE_SECONDS)
    await publish(world.suite, news(1, published[0]))
    await eventually("all are told", all_told(watch, published), PATIENCE_SECONDS)
    await asyncio.to_thread(notifier.stop)
    backup = world.back_up("notifier")
    await asyncio.to_thread(notifier.start)
    published.append(datetime.now(UTC).replace(microsecond=0))
    await publish(world.suite, news(2, published[1]))
    await eventually("all are told of both", all_told(watch, published), PATIENCE_SECONDS)
    await eventually("ends are told", lambda: outcomes_told(world), PATIENCE_SECONDS)
    before, ids = await mails(world), await told(world)

    await asyncio.to_thread(notifier.kill)
    world.restore("notifier", backup)
    waiting = world.suite.instance("notifier", 1, wait=False)
    world.suite.services["notifier"] = waiting
    await asyncio.to_thread(waiting.start)
    await eventually("it refuses to run", lambda: refuses(world), PATIENCE_SECONDS)
    assert await mails(world) == before

    done = await asyncio.to_thread(world.recover, "notifier")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * len(PEOPLE)} mails that a server had taken are not sent again" in done.stdout
    await eventually("all are told of both again", all_told(watch, published), PATIENCE_SECONDS)
    database.close()

    assert await mails(world) == before
    assert await told(world) == ids
    wanted = {
        (who, notification_id(cause_of(number), at, who))
        for number, at in enumerate(published, 1)
        for who in PEOPLE
    }
    assert before == Counter(wanted)


async def refuses(world: World) -> bool:
    """Whether it is alive and says that `recover` is to be run."""
    notifier = world.suite.services["notifier"]
    ready: httpx.Response = await world.look.http.get(f"{notifier.health_url}/readyz")
    return ready.status_code == 503 and "recover" in str(ready.json()["failing"].get("recovery"))
