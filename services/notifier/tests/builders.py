"""A notifier of the test's own: its parts on any stores, and events to feed it with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
from fastapi import FastAPI

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import Caller
from notifier.adapters.webhook_secrets import DerivedWebhookSecrets
from notifier.consumer import CAMPAIGNS, PLEDGES, subscriptions
from notifier.domain.audience import Consent
from notifier.domain.chunk import RECIPIENTS_MAX, Chunk
from notifier.domain.follow import Follow, FollowState
from notifier.handlers.address import AddressChunks
from notifier.handlers.cut import CutCauses
from notifier.handlers.email_work import EMAIL, begin_emails
from notifier.handlers.hear import ADDRESS, PLAN, PUBLISH_CHUNK, PUBLISH_ONE
from notifier.handlers.plan import CHUNKS_PAGE, PlanCauses
from notifier.handlers.publish import PublishChunks
from notifier.handlers.replay import REPLAY, ReplayCauses
from notifier.handlers.send_emails import SendEmails
from notifier.handlers.would_be_told import WouldBeTold
from notifier.http import MailRoutes, Parts, build_api
from notifier.http.own_pages import OwnPages
from notifier.http.webhooks import Webhooks
from notifier.ports.queries import Queries
from notifier.ports.unit import Audience, NotifierUnit
from notifier.ports.webhooks import EndpointQueries
from notifier.sweeps import CloseCauses
from notifier.wire.told import lot_of
from notifier.wire.webhooks import FEED_TOPICS, FEED_TYPES
from notifier.workers import UNTIL_PLANNED
from servicekit.access import Guard
from servicekit.clock import ManualClock
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.memory import MemoryDatabase
from servicekit.ordering import Incoming
from servicekit.outbox import MemoryOutbox, OutboxQueue
from servicekit.problems import install_problems
from servicekit.publish import MemoryLog, Publisher
from servicekit.units import UnitsOfWork
from servicekit.work import MemoryWorkQueue, WorkQueue
from services.notifier.tests.fakes import MemoryAudience, MemoryQueries, memory_units
from services.notifier.tests.fakes_webhooks import MemoryEndpointQueries, MemoryFeed
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.event import Event
from sosst_contracts.funding import (
    CampaignLaunched,
    PledgeCollected,
    PledgeErrored,
    PledgeReminderDue,
    PledgeWithdrawn,
    VerdictReached,
)
from sosst_contracts.notifier import BackerNotified, PersonNotified
from sosst_contracts.payouts import RefundSucceeded
from sosst_contracts.platform import PersonDescribed
from sosst_contracts.testing import sample
from sosst_contracts.updates import (
    CommentAdded,
    ProblemGraded,
    UpdateCorrected,
    UpdateHidden,
    UpdatePublished,
    UpdateRestored,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAMPAIGN = "campaign-1"
WEBHOOK_SECRETS = DerivedWebhookSecrets(["k" * 32])


# A plan is cut for so many.
PARTITIONS = 4


@dataclass(slots=True)
class Notifier:
    """One process's parts, called by hand instead of by loops."""

    units: UnitsOfWork[NotifierUnit]
    queries: Queries
    audience: Audience
    queue: WorkQueue
    outbox: OutboxQueue
    publisher: Publisher
    clock: ManualClock
    endpoints: EndpointQueries
    feed: MemoryFeed = field(default_factory=lambda: MemoryFeed(FEED_TOPICS))
    partitions: int = PARTITIONS
    lease_seconds: float = 10
    recipients_max: int = RECIPIENTS_MAX
    chunks_page: int = CHUNKS_PAGE
    # Set by who tries the channel e-mail; without it no work for it is offered.
    emails: SendEmails | None = None
    mail_window: timedelta = timedelta(0)

    @property
    def cut(self) -> CutCauses:
        return CutCauses(self.audience, self.partitions, self.recipients_max)

    def api(
        self, guard: Guard, mail: MailRoutes | None = None, own_pages: OwnPages | None = None
    ) -> FastAPI:
        """Return the application over these parts."""
        webhooks = Webhooks(self.endpoints, self.feed, WEBHOOK_SECRETS, FEED_TYPES)
        dry = WouldBeTold(self.units, self.cut, PLEDGES, self.clock, mail is not None)
        api = build_api(
            Parts(
                guard=guard,
                units=self.units,
                clock=self.clock,
                queries=self.queries,
                webhooks=webhooks,
                would_be_told=dry,
                mail=mail,
                own_pages=own_pages,
            )
        )
        install_problems(api)
        return api

    def http(
        self,
        caller: Caller | None = None,
        mail: MailRoutes | None = None,
        own_pages: OwnPages | None = None,
    ) -> httpx.AsyncClient:
        """Return a client of the application, as this caller unless a request says another one."""
        transport = httpx.ASGITransport(self.api(unit_guard(), mail, own_pages))
        headers = bearer(caller) if caller else None
        return httpx.AsyncClient(transport=transport, base_url="http://notifier", headers=headers)

    async def hear(self, *records: Record) -> None:
        """Read the records as batches, topic by topic, in the order given."""
        for subscription in subscriptions(self.clock, self.partitions):
            mine = [
                Incoming(r, 0, i) for i, r in enumerate(records) if r.topic == subscription.topic
            ]
            consumer = BatchConsumer(subscription, self.units, self.clock, Pulse("test"))
            await consumer.process(mine)

    async def plan(self) -> None:
        """Perform the plans that are due."""
        planner = PlanCauses(self.units, self.cut, PLEDGES, CAMPAIGNS, self.clock, self.chunks_page)
        for claim in await self.queue.claim(PLAN, self.clock.now(), 10, self.lease_seconds):
            await planner(claim)

    async def replay(self) -> None:
        """Perform the replays that are due."""
        replays = ReplayCauses(
            self.units, self.queries, self.cut, PLEDGES, self.clock, self.emails is not None
        )
        for claim in await self.queue.claim(REPLAY, self.clock.now(), 10, self.lease_seconds):
            await replays(claim)

    async def address(self) -> None:
        """Find out who has the roles that are told."""
        finding = AddressChunks(self.units, PLEDGES, self.clock)
        for claim in await self.queue.claim(ADDRESS, self.clock.now(), 10, self.lease_seconds):
            await finding(claim)

    async def publish(self) -> bool:
        """Publish one group of each kind of chunk."""
        kinds = (PUBLISH_CHUNK, PUBLISH_ONE)
        return any([await self.publishing(one).publish_some(self.publisher) for one in kinds])

    async def write(self, claims: int = 10) -> int:
        """Send one slice of each chunk that is due; return of how many."""
        assert self.emails is not None
        found = await self.queue.claim(EMAIL, self.clock.now(), claims, self.lease_seconds)
        for claim in found:
            await self.emails(claim)
        return len(found)

    async def sweep(self) -> None:
        await CloseCauses(self.units, self.queries)(self.clock.now())

    async def facts(self) -> list[Event]:
        """Return the events that wait in the outbox, in order."""
        return [event_of(row.record) for row in await self.outbox.page(10_000)]

    def publishing(self, kind: str = PUBLISH_CHUNK) -> PublishChunks:
        """Return what tells the people of one kind of chunk."""
        return PublishChunks(
            kind=kind,
            at_once=4,
            lease_seconds=self.lease_seconds,
            units=self.units,
            audience=self.audience,
            queue=self.queue,
            publishers=[self.publisher],
            render=lot_of,
            partitions=self.partitions,
            clock=self.clock,
            gives_way=UNTIL_PLANNED,
            begin_channels=(
                partial(begin_emails, window=self.mail_window) if self.emails else None
            ),
        )


def memory_notifier(
    database: MemoryDatabase | None = None,
    clock: ManualClock | None = None,
    log: MemoryLog | None = None,
) -> Notifier:
    """A process over memory; give it another's parts to make it the second one."""
    database, clock = database or MemoryDatabase(), clock or ManualClock(NOW)
    return Notifier(
        units=memory_units(database, clock),
        queries=MemoryQueries(database),
        audience=MemoryAudience(database),
        queue=MemoryWorkQueue(database),
        outbox=MemoryOutbox(database, clock),
        publisher=log or MemoryLog(24),
        clock=clock,
        endpoints=MemoryEndpointQueries(database),
    )


def records_of(chunk: Chunk) -> list[Record]:
    """Return the events of a chunk, one by one."""
    return list(lot_of(chunk, 24).records())


async def settle(notifier: Notifier) -> None:
    """Let every piece of work that can be done be done."""
    for _ in range(50):
        await notifier.plan()
        await notifier.address()
        worked = await notifier.publish()
        await notifier.sweep()
        if not worked and not await notifier.queries.incomplete(1):
            return
        notifier.clock.advance(seconds=2)


async def settle_later(notifier: Notifier) -> None:
    """Let also be done what waits a moment."""
    for _ in range(3):
        await settle(notifier)
        notifier.clock.advance(seconds=2)


async def choose(notifier: Notifier, person: str, choice: Consent) -> None:
    await notifier.units.run(lambda unit: unit.consents.choose(CAMPAIGN, person, choice))


def fact(event_type: type[Event], sequence: int, **changes: object) -> Record:
    """The example of this event, of the tests' campaign unless it says of another, so changed."""
    return Draft(sample(event_type, **({"campaign_id": CAMPAIGN} | changes)), NOW).seal(sequence)


def collected(sequence: int, backer: str, campaign: str = CAMPAIGN, **changes: object) -> Record:
    """A collected pledge of this backer at this place of the campaign's pledges.

    Its money came after whatever is told, unless a test says otherwise.
    """
    values = {
        "campaign_id": campaign,
        "backer_id": backer,
        "pledge_id": f"pledge-{sequence}",
        "captured_at": NOW + timedelta(hours=1),
    }
    return fact(PledgeCollected, sequence, **(values | changes))


def withdrawn(sequence: int, backer: str, pledge: str, **changes: object) -> Record:
    """A pledge of this backer taken back at this place of the campaign's pledges."""
    return fact(PledgeWithdrawn, sequence, backer_id=backer, pledge_id=pledge, **changes)


def pledges(backers: Sequence[str], campaign: str = CAMPAIGN) -> list[Record]:
    return [collected(number, backer, campaign) for number, backer in enumerate(backers, 1)]


def launched() -> Record:
    return fact(CampaignLaunched, 1, creator_id="carol")


def verdict(as_of: int, sequence: int = 1, campaign: str = CAMPAIGN, **changes: object) -> Record:
    values = {"campaign_id": campaign, "pledges_sequence": as_of, "reached_at": NOW}
    return fact(VerdictReached, sequence, **(values | changes))


def missed(as_of: int, sequence: int = 1, at: datetime = NOW) -> Record:
    return verdict(as_of, sequence, verdict="goal_missed", reached_at=at)


def update(
    as_of: int,
    count: int,
    sequence: int = 1,
    campaign: str = CAMPAIGN,
    update_id: str = "update-1",
    **changes: object,
) -> Record:
    values = {
        "campaign_id": campaign,
        "update_id": update_id,
        "pledges_sequence": as_of,
        "audience_count": count,
        "published_at": NOW,
    }
    return fact(UpdatePublished, sequence, **(values | changes))


FIRE = f"update-published/{CAMPAIGN}:fire"


def emergency(as_of: int, sequence: int) -> Record:
    """The update that is the cause `FIRE`."""
    return update(as_of, as_of, sequence, update_id="fire", kind="emergency", severity="critical")


def comment(sequence: int, author: str, answered: str | None = None, team: bool = False) -> Record:
    said = {"author_id": author, "by_team": team, "added_at": NOW, "update_id": "u1"}
    answers = {"answers": "before", "answered_person_id": answered} if answered else {}
    return fact(CommentAdded, sequence, comment_id=f"c{sequence}", **said, **answers)


def hidden(sequence: int, update_id: str = "update-1") -> Record:
    return fact(UpdateHidden, sequence, update_id=update_id, hidden_at=NOW)


def restored(sequence: int) -> Record:
    return fact(UpdateRestored, sequence, update_id="update-1", restored_at=NOW)


def refunded(backer: str, sequence: int, refund: str | None = None) -> Record:
    """A part of this backer's money is back."""
    return fact(
        RefundSucceeded,
        sequence,
        backer_id=backer,
        refund_id=refund or f"refund-{sequence}",
        fully_refunded=False,
        succeeded_at=NOW + timedelta(seconds=sequence),
    )


def back(pledge: str, backer: str, sequence: int, fully: bool = True, at: datetime = NOW) -> Record:
    """A pledge's money is back, all of it unless a test says otherwise."""
    of = {"pledge_id": pledge, "backer_id": backer, "refund_id": f"rf-{pledge}"}
    return fact(RefundSucceeded, sequence, **of, fully_refunded=fully, succeeded_at=at)


def described(person_id: str = "anna", **changes: object) -> Record:
    event = sample(PersonDescribed, person_id=person_id, **({"described_at": NOW} | changes))
    return Draft(event, NOW, identity=person_id).seal()


def event_of(record: Record) -> Event:
    decoded = decode(record)
    assert isinstance(decoded, Decoded), decoded
    return decoded.event


def events_of(log: Publisher) -> list[Event]:
    """Return the events on the topics in memory, in the order in which they were sent."""
    assert isinstance(log, MemoryLog)
    return [event_of(record) for record in log.records]


def told_to(log: Publisher) -> list[str]:
    """Return whom the events name that tell backers, repeats included."""
    return [event.recipient_id for event in events_of(log) if isinstance(event, BackerNotified)]


def told_in_roles(notifier: Notifier) -> list[tuple[str, str, str]]:
    """Return (kind, role, recipient) of every event on the topic."""
    events = events_of(notifier.publisher)
    seen = [e for e in events if isinstance(e, BackerNotified | PersonNotified)]
    return sorted((e.kind, e.role, e.recipient_id) for e in seen)


PLEDGE = {"pledge_id": "pledge-1", "backer_id": "backer-1"}


def unpaid(pledge: str = "pledge-1", begin: int = 1) -> list[Record]:
    """A payment that was refused an hour ago, and its reminder of five past."""
    at, due = NOW - timedelta(hours=1), NOW + timedelta(minutes=5)
    of = PLEDGE | {"pledge_id": pledge}
    return [
        fact(PledgeErrored, begin, **of, errored_at=at),
        fact(PledgeReminderDue, begin + 1, **of, reminder=1, due_at=due),
    ]


def paid(sequence: int) -> Record:
    """Captured before the reminder fell due, and told behind it."""
    return fact(PledgeCollected, sequence, **PLEDGE, captured_at=NOW)


def confirmed_follow(person_id: str, at: datetime) -> Follow:
    """Somebody who asked at once to follow, and confirmed it then."""
    return Follow(CAMPAIGN, person_id, person_id, NOW, FollowState.CONFIRMED, at)


def read(event_type: type[Event]) -> Decoded:
    """Return the example of this event that is told, as the consumer reads it."""
    more = {"relaunch_of": "campaign-0", "differences": []}
    answer = {"by_team": False, "answers": "c-1", "answered_person_id": "ben"}
    changes = {
        CampaignLaunched: more,
        UpdateCorrected: {"tells": True},
        ProblemGraded: {"kind": "emergency", "pledges_sequence": 1, "audience_count": 1},
        CommentAdded: answer,
    }.get(event_type, {})
    known = {"campaign_sequence": 2} if "campaign_sequence" in event_type.model_fields else {}
    draft = Draft(
        sample(event_type, **changes, **known),
        NOW,
        identity=None if event_type.sequenced else "one",
    )
    outcome = decode(draft.seal(1 if event_type.sequenced else None))
    assert isinstance(outcome, Decoded)
    return outcome
