"""What overtakes a running fan-out: a process of the service, real Kafka and MongoDB.

Told is what stands on the topic, so it is counted how many of the huge update's readers stand there
before those of what was published behind it. The process is held while that is published: what lies
between is the service's own doing. It tells as many at once as it does by itself.

`SOSST_OVERTAKEN` makes it larger than the 100 000 it is.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka import read_topics
from infra.native import Addresses
from infra.suite import Suite
from infra.suite.readings import eventually
from notifier.adapters.queries import MongoQueries
from notifier.domain.cause import CauseState
from notifier.domain.chunk import RECIPIENTS_MAX
from notifier.settings import NotifierSettings
from notifier.workers import GROUPS_IN_HAND
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from services.notifier.tests.kafka_topic import read_partitions
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgeCollected
from sosst_contracts.testing import sample
from sosst_contracts.updates import UpdatePublished

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACKERS = int(os.environ.get("SOSST_OVERTAKEN", "100000"))
AT_ONCE = int(NotifierSettings.model_fields["chunks_at_once"].default)
# What is told together: a crash repeats it, and nothing that is urgent overtakes it.
BATCH = GROUPS_IN_HAND * AT_ONCE * RECIPIENTS_MAX
# Some for each partition.
FEW = 240
HUGE, FIRE, SMALL = "overtaken", "overtaking-fire", "overtaking-small"
NOTIFICATIONS = "notifier.notifications"
[PARTITIONS] = [topic.partitions for topic in read_topics() if topic.name == NOTIFICATIONS]
FEED_PAGE = 10_000
PATIENCE_SECONDS = 120 + BACKERS * 0.004
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(
    native_stack: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Suite]:
    """One process of notifier, in a suite of its own."""
    folder = tmp_path_factory.mktemp("overtaking")
    suite = Suite(folder, native_stack)
    await suite.start_surroundings("notifier")
    await asyncio.to_thread(suite.services["notifier"].start)
    yield suite
    await suite.stop()
    await suite.provider.http.aclose()


@dataclass(slots=True)
class Stage:
    """Who feeds the process, and where one looks at what it does."""

    suite: Suite
    publisher: KafkaPublisher
    database: Database
    queries: MongoQueries
    looker: AIOKafkaConsumer

    async def feed(self, records: Sequence[Record]) -> None:
        """Publish in order; return when the broker has all of it."""
        for first in range(0, len(records), FEED_PAGE):
            waiting = list(records[first : first + FEED_PAGE])
            while waiting:
                done = await self.publisher.publish(waiting)
                waiting = [one for one, there in zip(waiting, done, strict=True) if not there]

    async def known(self, count: int) -> bool:
        memberships = self.database.collection("memberships")
        return await memberships.estimated_document_count() == count

    async def told(self) -> int:
        """Return how many notifications stand on the topic."""
        ends = await self.looker.end_offsets(self.looker.assignment())
        return sum(ends.values())

    async def completed(self, *names: str) -> bool:
        found = [await self.queries.cause(name) for name in names]
        return all(one is not None and one.state is CauseState.COMPLETED for one in found)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(suite: Suite) -> AsyncIterator[Stage]:
    database = Database.connect(suite.mongodb_uri, suite.database("notifier"), "tests")
    publisher = KafkaPublisher(suite.connection("platform"))
    connection = suite.connection("tests")
    looker = AIOKafkaConsumer(**connection.client_options())
    await looker.start()
    physical = connection.physical(NOTIFICATIONS)
    looker.assign([TopicPartition(physical, number) for number in range(PARTITIONS)])
    yield Stage(suite, publisher, database, MongoQueries(database, PARTITIONS), looker)
    await looker.stop()
    await publisher.close()
    database.close()


def pledges(campaign: str, backers: int) -> list[Record]:
    valid = sample(PledgeCollected, campaign_id=campaign, captured_at=NOW)
    people = [f"{campaign}-{number:06}" for number in range(1, backers + 1)]
    return [
        Draft(valid.model_copy(update={"backer_id": who, "pledge_id": f"pledge-{who}"}), NOW).seal(
            sequence
        )
        for sequence, who in enumerate(people, 1)
    ]


def published(campaign: str, backers: int, sequence: int, **changes: object) -> Record:
    of = {"campaign_id": campaign, "update_id": f"update-{sequence}", "published_at": NOW}
    as_of = {"pledges_sequence": backers, "audience_count": backers}
    return Draft(sample(UpdatePublished, **of, **as_of, **changes), NOW).seal(sequence)


def cause(campaign: str, sequence: int) -> str:
    return f"update-published/{campaign}:update-{sequence}"


@dataclass(frozen=True, slots=True)
class Overtaking:
    """How many of the huge update's readers were told before somebody, and before everybody."""

    first: int
    last: int


def overtaking(partitions: Mapping[int, Sequence[str]], name: str) -> Overtaking:
    """Count it by the places of the cause in each partition, in which one order holds."""
    huge, first, last = cause(HUGE, 1), 0, 0
    for causes in partitions.values():
        places = [place for place, one in enumerate(causes) if one == name]
        assert places, f"{name} has readers in each partition"
        first += causes[: places[0]].count(huge)
        last += causes[: places[-1]].count(huge)
    return Overtaking(first, last)


@pytest.mark.long
@pytest.mark.row("S7")
async def test_what_is_urgent_or_small_is_not_behind_what_is_huge(stage: Stage) -> None:
    """Published while a tenth of the huge one is told: they are behind two batches at most."""
    campaigns = {HUGE: BACKERS, FIRE: FEW, SMALL: FEW}
    for campaign, backers in campaigns.items():
        await stage.feed(pledges(campaign, backers))
    known = partial(stage.known, sum(campaigns.values()))
    await eventually("all are known", known, PATIENCE_SECONDS)
    notifier = stage.suite.services["notifier"]
    await stage.feed([published(HUGE, BACKERS, 1)])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await stage.told() < BACKERS // 10:
            await asyncio.sleep(0.005)
    notifier.pause()
    try:
        await stage.feed(
            [
                published(HUGE, BACKERS, 2, kind="emergency", severity="critical"),
                published(FIRE, FEW, 1, kind="emergency", severity="critical"),
                published(SMALL, FEW, 1),
            ]
        )
        told = await stage.told()
    finally:
        notifier.resume()
    behind = (cause(HUGE, 2), cause(FIRE, 1), cause(SMALL, 1))
    completed = partial(stage.completed, cause(HUGE, 1), *behind)
    await eventually("all are told", completed, PATIENCE_SECONDS)
    events = await read_partitions(stage.suite.connection("tests"), PARTITIONS)
    partitions = {number: [one.cause for one in some] for number, some in events.items()}
    sizes = Counter(one for some in partitions.values() for one in some)
    wanted = {cause(HUGE, 1): BACKERS, cause(HUGE, 2): BACKERS}
    assert sizes == wanted | {cause(FIRE, 1): FEW, cause(SMALL, 1): FEW}
    of_all, elsewhere, small = (overtaking(partitions, name) for name in behind)
    print(f"{told} of {BACKERS} told when {of_all=}, {elsewhere=}, {small=} were published")
    # Behind everything in line it would be all of them. The batch in hand is told first, and of the
    # next one what was begun while the process had not read the emergency.
    soon = told + 2 * BATCH
    assert soon < BACKERS
    assert max(of_all.last, elsewhere.last) <= soon
    # As urgent as the first chunks of the huge one, of which each partition has one.
    assert small.last <= max(soon, PARTITIONS * RECIPIENTS_MAX + BATCH)
