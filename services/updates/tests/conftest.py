"""The service over fakes and over the real stores, behind the same handles."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from infra.servicekit.tests.lent import LentDatabases
from servicekit.clock import ManualClock
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.memory import MemoryDatabase
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from servicekit.outbox import MemoryOutbox, MongoOutboxQueue, OutboxQueue
from servicekit.units import MongoUnitsOfWork, UnitsOfWork
from services.updates.tests.fakes import MemoryQueries, memory_units
from services.updates.tests.fakes_appeals import MemoryAppeals
from services.updates.tests.fakes_claims import MemoryClaimQueries
from services.updates.tests.fakes_comments import MemoryComments
from services.updates.tests.fakes_media import MemoryMediaQueries
from services.updates.tests.fakes_plans import MemoryPlanQueries
from services.updates.tests.fakes_questionnaires import MemoryQuestionnaireQueries
from services.updates.tests.fakes_reports import MemoryReports
from services.updates.tests.fakes_share_links import MemoryShareLinks
from services.updates.tests.fakes_surveys import MemorySurveyQueries
from services.updates.tests.fakes_tracking import MemoryTrackingQueries
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.adapters.mongo_appeals import MongoAppealQueries
from updates.adapters.mongo_claims import MongoClaimQueries
from updates.adapters.mongo_comments import MongoCommentQueries
from updates.adapters.mongo_media import MongoMediaQueries
from updates.adapters.mongo_plans import MongoPlanQueries
from updates.adapters.mongo_questionnaires import MongoQuestionnaireQueries
from updates.adapters.mongo_reports import MongoReportQueries
from updates.adapters.mongo_share_links import MongoShareLinkQueries
from updates.adapters.mongo_surveys import MongoSurveyQueries
from updates.adapters.mongo_tracking import MongoTrackingQueries
from updates.adapters.queries import MongoQueries
from updates.adapters.reply_sealer import AesReplySealer
from updates.adapters.schema import SCHEMA
from updates.adapters.unit import bind
from updates.consumer import PLEDGES, subscriptions
from updates.domain.claim_turns import Patience
from updates.domain.questionnaire import QuestionnaireTerms
from updates.handlers.claims import ClaimDesk
from updates.handlers.questionnaires import QuestionnaireDesk
from updates.ports.appeals import AppealQueries
from updates.ports.claims import ClaimQueries
from updates.ports.comments import CommentQueries
from updates.ports.media import MediaQueries
from updates.ports.plans import PlanQueries
from updates.ports.queries import Queries
from updates.ports.questionnaires import QuestionnaireQueries
from updates.ports.reports import ReportQueries
from updates.ports.share_links import ShareLinkQueries
from updates.ports.surveys import SurveyQueries
from updates.ports.tracking import TrackingQueries
from updates.ports.unit import UpdatesUnit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DESK = ClaimDesk(PLEDGES, Patience())
SEALER = AesReplySealer(["a key of tests that nobody else has, of 32"])
QUESTIONS = QuestionnaireDesk(SEALER, QuestionnaireTerms())


@dataclass
class UpdatesService:
    """Everything a test needs to talk to the service and to see what came out."""

    units: UnitsOfWork[UpdatesUnit]
    queries: Queries
    claims: ClaimQueries
    surveys: SurveyQueries
    outbox: OutboxQueue
    clock: ManualClock
    plan_queries: PlanQueries
    comments: CommentQueries
    reports: ReportQueries
    questionnaires: QuestionnaireQueries
    tracking: TrackingQueries
    media: MediaQueries
    appeals: AppealQueries
    share_links: ShareLinkQueries

    async def hear(self, *facts: tuple[Event, int], behind: Sequence[str] = ()) -> None:
        """Let all groups but those `behind` read the events with these sequences, in this order."""
        for event, sequence in facts:
            record = Draft(event, NOW).seal(sequence)
            for consumer in self._consumers(event.topic):
                if consumer.subscription.group not in behind:
                    await consumer.process([Incoming(record, 0, sequence)])

    async def hear_together(self, events: Sequence[Event], first: int) -> None:
        """The same for many events of one topic, with sequences from `first`, in one batch."""
        records = [Draft(event, NOW).seal(number) for number, event in enumerate(events, first)]
        for consumer in self._consumers(events[0].topic):
            await consumer.process([Incoming(record, 0, n) for n, record in enumerate(records)])

    async def published(self) -> list[Event]:
        """Return the events that wait in the outbox."""
        read = [decode(row.record) for row in await self.outbox.page(1_000)]
        return [one.event for one in read if isinstance(one, Decoded)]

    def _consumers(self, topic: str) -> list[BatchConsumer[UpdatesUnit]]:
        found = [one for one in subscriptions(self.clock, DESK) if one.topic == topic]
        return [BatchConsumer(one, self.units, self.clock, Pulse(one.group)) for one in found]


def memory_service() -> UpdatesService:
    database, clock = MemoryDatabase(), ManualClock(NOW)
    units = memory_units(database, clock)
    return UpdatesService(
        units,
        MemoryQueries(database),
        MemoryClaimQueries(database),
        MemorySurveyQueries(database),
        MemoryOutbox(database, clock),
        clock,
        MemoryPlanQueries(database),
        MemoryComments(database),
        MemoryReports(database),
        MemoryQuestionnaireQueries(database),
        MemoryTrackingQueries(database),
        MemoryMediaQueries(database),
        MemoryAppeals(database),
        MemoryShareLinks(database),
    )


@pytest.fixture
async def database(databases: LentDatabases) -> AsyncIterator[Database]:
    """A migrated database, empty and the test's own for as long as it runs."""
    async with databases.lent(SCHEMA) as database:
        yield database


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.long)])
def service(request: pytest.FixtureRequest) -> UpdatesService:
    """The same service over the fakes and over the real stores."""
    if request.param == "memory":
        return memory_service()
    return mongodb_over(request.getfixturevalue("database"))


@pytest.fixture
def mongodb_service(database: Database) -> UpdatesService:
    """The service over the real stores alone, for what is said of them alone."""
    return mongodb_over(database)


def mongodb_over(database: Database) -> UpdatesService:
    clock = ManualClock(NOW)
    units: MongoUnitsOfWork[UpdatesUnit] = MongoUnitsOfWork(
        database, clock, lambda session, plumbing: bind(database, session, plumbing)
    )
    return UpdatesService(
        units,
        MongoQueries(database),
        MongoClaimQueries(database),
        MongoSurveyQueries(database),
        MongoOutboxQueue(database),
        clock,
        MongoPlanQueries(database),
        MongoCommentQueries(database),
        MongoReportQueries(database),
        MongoQuestionnaireQueries(database),
        MongoTrackingQueries(database),
        MongoMediaQueries(database),
        MongoAppealQueries(database),
        MongoShareLinkQueries(database),
    )
