"""The timed work of updates: what it is called, every how many seconds it looks, what it does."""

from collections.abc import Iterator

from servicekit.positions import TopicPositions
from servicekit.runtime import Runtime
from servicekit.sweeps import Sweep
from updates.adapters.mongo_plans import MongoPlanQueries
from updates.adapters.mongo_tracking import MongoTrackingQueries
from updates.adapters.mongo_view import MongoViewSources
from updates.adapters.queries import MongoQueries
from updates.consumer import VIEW_GROUPS
from updates.http import Parts
from updates.ports.unit import UpdatesUnit
from updates.sweeps.appeals import MeasureAppeals
from updates.sweeps.claims import MeasureClaims, RunOutClaims
from updates.sweeps.follow_ups import FollowDue, MeasureFollowUps
from updates.sweeps.media import RemoveDueMedia, RemoveOrphans
from updates.sweeps.plans import AskAboutPromises, MeasurePromises
from updates.sweeps.questionnaires import AskForReplies, EraseReplies
from updates.sweeps.reports import MeasureReports
from updates.sweeps.schedules import MeasureSchedules, PublishDue
from updates.sweeps.surveys import MeasureSurveys, StepSurveys
from updates.sweeps.tracking import AskForReceipts, SendPlatformNotices
from updates.sweeps.view import MeasureView


def timetable(runtime: Runtime[UpdatesUnit], parts: Parts) -> Iterator[Sweep]:
    """Return every sweep of updates; those of files only where files are taken."""
    units, pledges = parts.units, parts.pledges
    due = MongoQueries(runtime.database)
    plans = MongoPlanQueries(runtime.database)
    tracking = MongoTrackingQueries(runtime.database)
    view = MeasureView(
        {
            topic: TopicPositions(runtime.connection, topic, group)
            for topic, group in VIEW_GROUPS.items()
        },
        MongoViewSources(runtime.database),
    )
    yield Sweep.of_due("schedules", 1.0, PublishDue(units, due, pledges, parts.publishing))
    yield Sweep("measure schedules", 15.0, MeasureSchedules(due))
    yield Sweep.of_due("claims", 5.0, RunOutClaims(units, parts.claims, parts.claim_desk))
    yield Sweep("measure claims", 15.0, MeasureClaims(parts.claims))
    yield Sweep.of_due("follow-ups", 1.0, FollowDue(units, due, pledges, parts.follow_up))
    yield Sweep("measure follow-ups", 30.0, MeasureFollowUps(due))
    yield Sweep.of_due("surveys", 5.0, StepSurveys(units, parts.surveys, parts.surveying))
    yield Sweep("measure surveys", 15.0, MeasureSurveys(parts.surveys))
    yield Sweep.of_due("promises", 60.0, AskAboutPromises(units, plans, parts.publishing.plan))
    yield Sweep("measure promises", 60.0, MeasurePromises(plans))
    questionnaires, terms = parts.questionnaires, parts.questionnaire_desk.terms
    yield Sweep.of_due("replies", 5.0, AskForReplies(units, questionnaires, terms))
    yield Sweep.of_due("erase replies", 60.0, EraseReplies(units, questionnaires))
    yield Sweep("measure view", 30.0, view)
    yield Sweep.of_due("receipts", 5.0, AskForReceipts(units, tracking))
    yield Sweep.of_due("notices", 1.0, SendPlatformNotices(units, tracking, pledges))
    yield Sweep("measure reports", 15.0, MeasureReports(parts.reports))
    yield Sweep("measure appeals", 15.0, MeasureAppeals(parts.appeals))
    if parts.media is not None:
        files, objects = parts.media.queries, parts.media.desk.objects
        yield Sweep.of_due("media", 5.0, RemoveDueMedia(units, files, objects))
        # One of 256 folders at a time: a whole round takes about an hour.
        yield Sweep("orphan media", 15.0, RemoveOrphans(files, objects))
