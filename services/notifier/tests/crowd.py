"""A crowd that backs one campaign of a suite, is told of its news and mailed, and is watched.

`SOSST_NOTICES` makes it smaller or larger.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from infra.native import Addresses
from infra.suite import Suite
from notifier.adapters.queries import MongoQueries
from notifier.domain.cause import CauseState, audience_so_far
from notifier.domain.delivery import Channel, DeliveryState
from notifier.domain.notification import notification_id
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from sosst_contracts import funding, updates
from sosst_contracts.codec import Draft, Record
from sosst_contracts.platform import PersonDescribed
from sosst_contracts.testing import sample

BACKERS = int(os.environ.get("SOSST_NOTICES", "2000"))
CAMPAIGN = "told"
PEOPLE = [f"backer-{number:05}" for number in range(1, BACKERS + 1)]

Settings = Mapping[str, Mapping[str, str]]
Look = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def surrounded(
    folder: Path, native_stack: Addresses, settings: Settings
) -> AsyncIterator[Suite]:
    """What stands around notifier, a mail server too, and its schema; no process of it runs yet."""
    suite = Suite(folder, native_stack, settings=settings, mail=True)
    await suite.start_surroundings("notifier")
    try:
        yield suite
    finally:
        await suite.stop()
        await suite.provider.http.aclose()


@dataclass(slots=True)
class Watch:
    """Looks at completeness again and again, and at what was in hand when a process died."""

    database: Database
    queries: MongoQueries
    samples: int = 0
    in_hand: set[str] = field(default_factory=set)

    async def sample(self) -> None:
        """Everybody of every cause has an outcome or is pending: no exception, ever."""
        for cause in await self.queries.causes(CAMPAIGN):
            totals = await self.queries.totals(cause.name)
            assert totals.gap(audience_so_far(cause, totals)) == 0, (cause.name, totals)
            mails = await self.queries.channel_totals(Channel.EMAIL, cause.name)
            assert mails is None or mails.people <= BACKERS
            self.samples += 1

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.sample()
            await asyncio.sleep(0.05)

    async def note_what_is_sent(self) -> None:
        """Remember whose mail was marked as being sent: it may go out once more."""
        rows = await self.database.collection("deliveries").find({"left": {"$gt": 0}}).to_list(None)
        for row in rows:
            chunk = await self.queries.chunk(row["chunk_id"])
            assert chunk is not None
            for place, standing in row["standings"].items():
                if standing["state"] == DeliveryState.SENDING.value:
                    who = chunk.recipients[int(place)]
                    told = chunk.told
                    self.in_hand.add(notification_id(told.cause, told.caused_at, who))


async def publish(suite: Suite, *records: Record) -> None:
    publisher = KafkaPublisher(suite.connection("tests"))
    try:
        assert all(await publisher.publish(list(records)))
    finally:
        await publisher.close()


def pledges() -> list[Record]:
    values = {"campaign_id": CAMPAIGN, "captured_at": datetime.now(UTC)}
    return [
        Draft(
            sample(funding.PledgeCollected, backer_id=who, pledge_id=f"pledge-{number}", **values),
            datetime.now(UTC),
        ).seal(number)
        for number, who in enumerate(PEOPLE, 1)
    ]


def people() -> list[Record]:
    now = datetime.now(UTC)
    return [
        Draft(
            sample(
                PersonDescribed,
                person_id=who,
                address=f"{who}@told.example",
                language=("fr", "en")[number % 2],
                zone="Europe/Paris",
                roles=[],
                described_at=now,
            ),
            now,
            who,
        ).seal()
        for number, who in enumerate(PEOPLE)
    ]


def news(number: int, now: datetime) -> Record:
    event = sample(
        updates.UpdatePublished,
        campaign_id=CAMPAIGN,
        update_id=f"update-{number}",
        pledges_sequence=BACKERS,
        audience_count=BACKERS,
        published_at=now,
    )
    return Draft(event, now).seal(number)


def cause_of(number: int) -> str:
    return f"update-published/{CAMPAIGN}:update-{number}"


def all_known(watch: Watch) -> Look:
    async def known() -> bool:
        counts = [
            await watch.database.collection(name).count_documents({})
            for name in ("people", "memberships")
        ]
        return counts == [BACKERS, BACKERS]

    return known


def all_told(watch: Watch, published: Sequence[datetime]) -> Look:
    async def told() -> bool:
        causes = await watch.queries.causes(CAMPAIGN)
        mails = [await watch.queries.channel_totals(Channel.EMAIL, one.name) for one in causes]
        ended = [one for one in causes if one.state is CauseState.COMPLETED]
        written = sum(one.delivered for one in mails if one is not None)
        return len(ended) == len(published) and written == BACKERS * len(published)

    return told
