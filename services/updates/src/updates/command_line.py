"""The commands of updates' own, and what each of them is given of a service put together."""

from functools import partial
from typing import cast

from servicekit.clock import Clock
from servicekit.command import Command, Context
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.mongo import Database
from servicekit.schema import check_version
from servicekit.topic_reader import TopicReader
from servicekit.units import MongoUnitsOfWork
from updates.adapters.mongo_questionnaires import MongoQuestionnaireQueries
from updates.adapters.rebuilt_view import MongoRebuiltView
from updates.adapters.schema import SCHEMA
from updates.adapters.unit import bind
from updates.commands import (
    describe_rebuild_view,
    describe_seal_again,
    perform_rebuild_view,
    perform_seal_again,
)
from updates.consumer import VIEW_GROUPS, view_subscriptions
from updates.handlers.rebuild_view import Rebuild
from updates.ports.unit import UpdatesUnit
from updates.settings import UpdatesSettings


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
