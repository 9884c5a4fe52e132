"""The composition root of updates: what is plugged into what; no rule lives here."""

from collections.abc import Collection
from functools import partial
from typing import cast

import structlog

from servicekit.clock import Clock
from servicekit.command import Command, Context
from servicekit.consume import BatchConsumer
from servicekit.issuer_keys import PublishedKeys
from servicekit.link_tokens import LinkTokenVerifier
from servicekit.loops import Loop, Pulse
from servicekit.mongo import Database, Session
from servicekit.positions import TopicPositions
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.schema import check_version
from servicekit.sweeps import Sweep
from servicekit.topic_reader import TopicReader
from servicekit.units import MongoUnitsOfWork, Plumbing
from updates import wire
from updates.adapters.clamd import ClamdScanner
from updates.adapters.content_types import HEAD_BYTES
from updates.adapters.facts import OutboxFacts
from updates.adapters.inspection import ContentInspector
from updates.adapters.mongo_claims import MongoClaimQueries, MongoClaims, MongoPledges
from updates.adapters.mongo_codes import MongoCodes
from updates.adapters.mongo_comments import MongoCommentQueries, MongoComments
from updates.adapters.mongo_follow_ups import MongoAskers, MongoFollowUps
from updates.adapters.mongo_media import MongoMediaQueries, MongoMediaRows
from updates.adapters.mongo_milestones import MongoMilestones
from updates.adapters.mongo_plans import MongoPlanQueries, MongoPlans
from updates.adapters.mongo_questionnaires import (
    MongoAddressExports,
    MongoQuestionnaireQueries,
    MongoQuestionnaires,
    MongoRewardReplies,
)
from updates.adapters.mongo_reports import MongoReportQueries, MongoReports
from updates.adapters.mongo_stores import (
    MongoBackers,
    MongoProjects,
    MongoReturns,
    MongoRevisions,
    MongoUpdates,
)
from updates.adapters.mongo_surveys import (
    MongoAnswers,
    MongoAskedBackers,
    MongoSurveyQueries,
    MongoSurveys,
)
from updates.adapters.mongo_tracking import (
    MongoOwedRewards,
    MongoRewardTrackings,
    MongoTrackingQueries,
    MongoTrackings,
)
from updates.adapters.mongo_view import MongoViewGate, MongoViewSources
from updates.adapters.queries import MongoQueries
from updates.adapters.rebuilt_view import MongoRebuiltView
from updates.adapters.schema import SCHEMA
from updates.commands import (
    describe_rebuild_view,
    describe_seal_again,
    perform_rebuild_view,
    perform_seal_again,
)
from updates.consumer import PLEDGES, VIEW_GROUPS, subscriptions, view_subscriptions
from updates.handlers.claims import ClaimDesk
from updates.handlers.rebuild_view import Rebuild
from updates.handlers.recover import RecoverUpdates
from updates.handlers.take_upload import UploadDesk
from updates.http import build_api
from updates.http.media import MediaShelf
from updates.ports.unit import UpdatesUnit
from updates.settings import UpdatesSettings
from updates.sweeps.claims import MeasureClaims, RunOutClaims
from updates.sweeps.follow_ups import FollowDue
from updates.sweeps.media import RemoveDueMedia, RemoveOrphans
from updates.sweeps.plans import AskAboutPromises, MeasurePromises
from updates.sweeps.questionnaires import AskForReplies, EraseReplies
from updates.sweeps.reports import MeasureReports
from updates.sweeps.schedules import PublishDue
from updates.sweeps.surveys import MeasureSurveys, StepSurveys
from updates.sweeps.tracking import AskForReceipts, SendPlatformNotices
from updates.sweeps.view import MeasureView
from updates.wire.claims import claims_told_from
from updates.wire.deliveries import deliveries_told_from
from updates.wire.follow_up import owed_from
from updates.wire.milestones import milestones_told_from
from updates.wire.plans import plans_told_from
from updates.wire.posts import publications_from
from updates.wire.questionnaires import questionnaires_told_from
from updates.wire.surveys import surveys_told_from

log = structlog.get_logger()

# For whom tokens of personal links are made that count here.
LINK_AUDIENCE = "updates"
SCHEDULE_SECONDS = 1.0
CLAIMS_SECONDS = 5.0
SURVEYS_SECONDS = 5.0
MEASURE_SECONDS = 15.0
MEASURE_VIEW_SECONDS = 30.0
FOLLOW_UP_SECONDS = 1.0
PROMISES_SECONDS = 60.0
REPLIES_SECONDS = 5.0
ERASE_SECONDS = 60.0
RECEIPTS_SECONDS = 5.0
NOTICES_SECONDS = 1.0
MEDIA_SECONDS = 5.0
# One of 256 folders at a time: a whole round takes about an hour.
ORPHANS_SECONDS = 15.0


def begin(settings: UpdatesSettings, roles: Collection[str]) -> Runtime[UpdatesUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("updates", settings, SCHEMA, bind, roles)


def bind(database: Database, session: Session, plumbing: Plumbing) -> UpdatesUnit:
    """Make the stores of one transaction."""
    return UpdatesUnit(
        plumbing=plumbing,
        projects=MongoProjects(database, session),
        backers=MongoBackers(database, session),
        returns=MongoReturns(database, session),
        updates=MongoUpdates(database, session),
        pledges=MongoPledges(database, session),
        claims=MongoClaims(database, session),
        follow_ups=MongoFollowUps(database, session),
        askers=MongoAskers(database, session),
        surveys=MongoSurveys(database, session),
        answers=MongoAnswers(database, session),
        asked=MongoAskedBackers(database, session),
        plans=MongoPlans(database, session),
        revisions=MongoRevisions(database, session),
        comments=MongoComments(database, session),
        reports=MongoReports(database, session),
        view=MongoViewGate(database, session),
        questionnaires=MongoQuestionnaires(database, session),
        replies=MongoRewardReplies(database, session),
        exports=MongoAddressExports(database, session),
        trackings=MongoTrackings(database, session),
        rewards=MongoRewardTrackings(database, session),
        owed=MongoOwedRewards(database, session),
        milestones=MongoMilestones(database, session),
        codes=MongoCodes(database, session),
        media=MongoMediaRows(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft),
    )


def assemble(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> Process:
    """Add updates' own parts to the runtime."""
    desk = ClaimDesk(PLEDGES, settings.patience())
    for subscription in subscriptions(runtime.clock, desk):
        runtime.subscribe(subscription)
    terms, tracking = settings.follow_up_terms(), settings.tracking_terms()
    runtime.recover_with(
        RecoverUpdates(
            runtime.units,
            publications_from,
            partial(owed_from, terms=terms),
            claims_told_from,
            surveys_told_from,
            plans_told_from,
            questionnaires_told_from,
            deliveries_told_from,
            milestones_told_from,
            tracking,
        )
    )
    queries = MongoQueries(runtime.database)
    publish_due = PublishDue(runtime.units, queries, PLEDGES)
    runtime.sweep(Sweep("schedules", SCHEDULE_SECONDS, publish_due, publish_due.oldest_due))
    claims = MongoClaimQueries(runtime.database)
    run_out = RunOutClaims(runtime.units, claims, desk)
    runtime.sweep(Sweep("claims", CLAIMS_SECONDS, run_out, run_out.oldest_due))
    runtime.sweep(Sweep("measure claims", MEASURE_SECONDS, MeasureClaims(claims)))
    follow_due = FollowDue(runtime.units, queries, PLEDGES, terms)
    runtime.sweep(Sweep("follow-ups", FOLLOW_UP_SECONDS, follow_due, follow_due.oldest_due))
    surveys = MongoSurveyQueries(runtime.database)
    step = StepSurveys(runtime.units, surveys)
    runtime.sweep(Sweep("surveys", SURVEYS_SECONDS, step, step.oldest_due))
    runtime.sweep(Sweep("measure surveys", MEASURE_SECONDS, MeasureSurveys(surveys)))
    ask = AskAboutPromises(runtime.units, MongoPlanQueries(runtime.database))
    runtime.sweep(Sweep("promises", PROMISES_SECONDS, ask, ask.oldest_due))
    runtime.sweep(Sweep("measure promises", PROMISES_SECONDS, MeasurePromises(ask.queries)))
    questions = settings.questionnaire_desk()
    questionnaires = MongoQuestionnaireQueries(runtime.database)
    ask_replies = AskForReplies(runtime.units, questionnaires, questions.terms)
    runtime.sweep(Sweep("replies", REPLIES_SECONDS, ask_replies, ask_replies.oldest_due))
    erase = EraseReplies(runtime.units, questionnaires)
    runtime.sweep(Sweep("erase replies", ERASE_SECONDS, erase, erase.oldest_due))
    positions = {
        topic: TopicPositions(runtime.connection, topic, group)
        for topic, group in VIEW_GROUPS.items()
    }
    measure_view = MeasureView(positions, MongoViewSources(runtime.database))
    runtime.sweep(Sweep("measure view", MEASURE_VIEW_SECONDS, measure_view))
    receipts = AskForReceipts(runtime.units, MongoTrackingQueries(runtime.database))
    runtime.sweep(Sweep("receipts", RECEIPTS_SECONDS, receipts, receipts.oldest_due))
    notices = SendPlatformNotices(runtime.units, receipts.queries, PLEDGES)
    runtime.sweep(Sweep("notices", NOTICES_SECONDS, notices, notices.oldest_due))
    reports = MongoReportQueries(runtime.database)
    runtime.sweep(Sweep("measure reports", MEASURE_SECONDS, MeasureReports(reports)))
    shelf = _media_shelf(settings, runtime)
    if shelf is not None:
        remove = RemoveDueMedia(runtime.units, shelf.queries, shelf.desk.objects)
        runtime.sweep(Sweep("media", MEDIA_SECONDS, remove, remove.oldest_due))
        orphans = RemoveOrphans(shelf.queries, shelf.desk.objects)
        runtime.sweep(Sweep("orphan media", ORPHANS_SECONDS, orphans))
    api = build_api(
        runtime.guard,
        runtime.units,
        queries,
        runtime.clock,
        PLEDGES,
        claims,
        desk,
        surveys,
        MongoCommentQueries(runtime.database),
        reports,
        questionnaires,
        questions,
        tracking=tracking,
        media=shelf,
        public_url=settings.public_url,
        links=_link_tokens(settings, runtime),
    )
    return runtime.process(api)


def _link_tokens(
    settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]
) -> LinkTokenVerifier | None:
    """Return who knows tokens of personal links, None where they open nothing here."""
    if not settings.link_token_jwks_url:
        return None
    keys = PublishedKeys(
        settings.link_token_jwks_url, refresh_seconds=settings.auth_keys_seconds, measured=False
    )
    runtime.loop("api", Loop("keys of link tokens", keys.run))
    return LinkTokenVerifier(LINK_AUDIENCE, keys)


def _media_shelf(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> MediaShelf | None:
    """Return what takes and serves files, None where they have no place."""
    if not settings.media_store:
        return None
    scanner = ClamdScanner(settings.media_scanner) if settings.media_scanner else None
    if scanner is None:
        log.info("uploaded files are not scanned for viruses")
    desk = UploadDesk(
        runtime.units,
        runtime.clock,
        settings.media_objects(),
        ContentInspector(),
        HEAD_BYTES,
        scanner,
    )
    return MediaShelf(desk, MongoMediaQueries(runtime.database), settings.media_links())


async def _rebuild_view(context: Context) -> int:
    runtime = context.runtime
    await check_version(runtime.database, SCHEMA)
    await runtime.clock.synchronise()
    place = MongoRebuiltView(runtime.database, list(VIEW_GROUPS.values()))
    rebuild = Rebuild(
        place,
        {topic: TopicReader(runtime.connection, topic) for topic in VIEW_GROUPS},
        view_consumers(place.beside, runtime.clock),
    )
    return await perform_rebuild_view(context.arguments, rebuild, runtime.clock.now())


def view_consumers(database: Database, clock: Clock) -> dict[str, BatchConsumer[UpdatesUnit]]:
    """Return what applies each topic of the project view, over this place."""
    units: MongoUnitsOfWork[UpdatesUnit] = MongoUnitsOfWork(
        database, clock, partial(bind, database)
    )
    return {
        one.topic: BatchConsumer(one, units, clock, Pulse(one.group))
        for one in view_subscriptions()
    }


async def _seal_again(context: Context) -> int:
    runtime = context.runtime
    settings = cast(UpdatesSettings, runtime.settings)
    await check_version(runtime.database, SCHEMA)
    await runtime.clock.synchronise()
    return await perform_seal_again(
        context.arguments,
        runtime.units,
        MongoQuestionnaireQueries(runtime.database),
        settings.questionnaire_desk(),
        runtime.clock.now(),
    )


COMMANDS = (
    Command(
        "rebuild-view",
        "make the project view anew from other services' topics, beside the one that is read",
        describe_rebuild_view,
        _rebuild_view,
    ),
    Command(
        "seal-again",
        "seal every reply to a questionnaire with the first key, so that an old one may go",
        describe_seal_again,
        _seal_again,
    ),
)
