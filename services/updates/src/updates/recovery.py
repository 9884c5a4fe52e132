"""What `recover` reads of updates' own topics, fact by fact, and what it asks others."""

from functools import partial

from servicekit.runtime import Runtime
from updates.adapters.queries import MongoQueries
from updates.adapters.topic_of_pledges import TopicOfPledges
from updates.handlers.recover import RecoverUpdates
from updates.ports.unit import UpdatesUnit
from updates.settings import UpdatesSettings
from updates.wire.claims import claims_told_from
from updates.wire.deliveries import deliveries_told_from
from updates.wire.follow_up import owed_from
from updates.wire.milestones import milestones_told_from
from updates.wire.plans import plans_told_from
from updates.wire.posts import publications_from
from updates.wire.questionnaires import questionnaires_told_from
from updates.wire.surveys import surveys_told_from


def recovery(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> RecoverUpdates:
    return RecoverUpdates(
        runtime.units,
        MongoQueries(runtime.database),
        runtime.clock,
        publications_from,
        partial(owed_from, terms=settings.follow_up_terms()),
        claims_told_from,
        surveys_told_from,
        plans_told_from,
        questionnaires_told_from,
        deliveries_told_from,
        milestones_told_from,
        TopicOfPledges(runtime.connection),
        settings.tracking_terms(),
        settings.plan_terms(),
        settings.survey_terms(),
    )
