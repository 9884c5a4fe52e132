"""What updates can be asked on the command line beyond what every service can."""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from functools import partial

from servicekit.audit import AuditEntry
from servicekit.command import CommandRefused
from servicekit.command.context import one_who_acts
from servicekit.errors import Conflict
from servicekit.units import UnitsOfWork
from updates.domain.errors import Refused
from updates.handlers.questionnaires import QuestionnaireDesk, seal_again
from updates.handlers.rebuild_view import Rebuild, Rebuilding
from updates.ports.questionnaires import KeyAway, QuestionnaireQueries, ReplyPlace
from updates.ports.unit import UpdatesUnit

REBUILT = 0
SEALED = 0
KEYS_AWAY = 1
PAGE = 100


def describe_rebuild_view(parser: ArgumentParser) -> None:
    one_who_acts(parser)
    parser.add_argument(
        "--take-over", action="store_true", help="in place of a rebuild that was begun and is dead"
    )


async def perform_rebuild_view(arguments: Namespace, rebuild: Rebuild, now: datetime) -> int:
    """Rebuild the project view, and print what was read for it."""
    try:
        campaigns = await rebuild.run(
            arguments.by, arguments.why, now, take_over=arguments.take_over
        )
    except Rebuilding as error:
        raise CommandRefused(f"{error}; if it is dead: --take-over") from None
    for topic, count in rebuild.read.items():
        print(f"{topic}: {count} facts read")
    print(f"the view of {campaigns} campaigns is rebuilt and in its place")
    return REBUILT


def describe_seal_again(parser: ArgumentParser) -> None:
    one_who_acts(parser)


async def perform_seal_again(
    arguments: Namespace,
    units: UnitsOfWork[UpdatesUnit],
    queries: QuestionnaireQueries,
    desk: QuestionnaireDesk,
    now: datetime,
) -> int:
    """Seal every reply with the first key; `KEYS_AWAY` where one does not open."""
    try:
        sealer = desk.sealing()
    except Refused as refusal:
        raise CommandRefused(refusal.detail) from None
    sealed, away = 0, 0
    after: ReplyPlace | None = None
    while page := await queries.sealed_otherwise(sealer.key_id, after, PAGE):
        for one in page:
            try:
                sealed += await units.run(partial(seal_again, sealer=sealer, page=[one]))
            except KeyAway as error:
                away += 1
                print(f"{one.campaign_id} {one.pledge_id}: {error}")
            except Conflict:
                # Its backer changes it, with the first key.
                continue
        after = (page[-1].campaign_id, page[-1].pledge_id)
    entry = AuditEntry(
        at=now,
        by=arguments.by,
        command="seal-again",
        what={"key": sealer.key_id},
        why=arguments.why,
        outcome=f"{sealed} sealed, {away} not opened",
    )
    await units.run(lambda unit: unit.plumbing.audit.add(entry))
    print(f"{sealed} replies are sealed with {sealer.key_id}, {away} could not be opened")
    return KEYS_AWAY if away else SEALED
