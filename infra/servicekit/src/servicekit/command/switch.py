"""`switch`: stops something for a while, in every running process, and says who did and why."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from servicekit.audit import AuditEntry, MongoAudit
from servicekit.command.context import Command, CommandRefused, Context, one_who_acts
from servicekit.mongo import Session
from servicekit.process import EXIT_CLEAN
from servicekit.runtime import Runtime
from servicekit.schema import check_version
from servicekit.switches import Known, MongoSwitches, Switch


def _describe(parser: ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("list", help="every switch of the service, and whether it is on")
    for act in ("on", "off"):
        turning = acts.add_parser(act, help=f"turn a switch {act}")
        turning.add_argument("name", metavar="NAME")
        turning.add_argument("--campaign", metavar="ID", help="for this campaign only")
        one_who_acts(turning)
        if act == "on":
            turning.add_argument(
                "--unknown-campaign",
                action="store_true",
                help="also a campaign that the service has not heard of, ahead of its launch",
            )
            turning.add_argument("--until", metavar="INSTANT", help="ends by itself (RFC 3339)")


async def _switch(context: Context) -> int:
    context.assemble()
    runtime = context.runtime
    await check_version(runtime.database, runtime.schema)
    await runtime.clock.synchronise()
    if context.arguments.act == "list":
        await _list(runtime)
    else:
        await _turn(runtime, context.arguments)
    return EXIT_CLEAN


async def _list(runtime: Runtime[Any]) -> None:
    now = runtime.clock.now()
    holding = [s for s in await MongoSwitches(runtime.database).all() if s.holds(now)]
    for known in runtime.switches.known.values():
        mine = [switch for switch in holding if switch.name == known.name]
        for switch in mine:
            print(f"on   {switch}")
        if not mine:
            print(f"off  {known.name}: {known.meaning}")


async def _turn(runtime: Runtime[Any], arguments: Any) -> None:
    known = _known(runtime, arguments.name)
    subject: str | None = arguments.campaign
    if subject is not None and known.subjects is None:
        raise CommandRefused(f"{known.name} is for the whole service, not for a campaign")
    now = runtime.clock.now()
    on = arguments.act == "on"
    heard_of = subject is None or known.is_known is None or await known.is_known(subject)
    if on and not (heard_of or arguments.unknown_campaign):
        unheard = _unheard(runtime, subject)
        raise CommandRefused(f"{unheard}; ahead of its launch: --unknown-campaign")
    switch = Switch(
        known.name,
        subject,
        arguments.by,
        arguments.why,
        now,
        _until(arguments.until, now) if on else None,
    )

    async def save(session: Session) -> str:
        rows = MongoSwitches(runtime.database, session)
        if on:
            await rows.turn_on(switch)
            outcome = f"on until {switch.until.isoformat()}" if switch.until else "on"
        else:
            outcome = "off" if await rows.turn_off(known.name, subject) else "was off already"
            if outcome != "off" and not heard_of:
                raise CommandRefused(f"{_unheard(runtime, subject)}, and nothing is on for it")
        what = {"switch": known.name, "campaign": subject}
        command = f"switch {arguments.act}"
        entry = AuditEntry(now, arguments.by, command, what, arguments.why, outcome)
        await MongoAudit(runtime.database, session).add(entry)
        return outcome

    outcome = await runtime.database.transaction(save)
    print(f"{known.name}: {outcome}; processes follow within two seconds")


def _unheard(runtime: Runtime[Any], subject: str | None) -> str:
    return f"{runtime.service} has not heard of a campaign {subject}"


def _known(runtime: Runtime[Any], name: str) -> Known:
    known: dict[str, Known] = runtime.switches.known
    if name not in known:
        names = ", ".join(known)
        raise CommandRefused(f"{runtime.service} has no switch {name}; it has {names}")
    return known[name]


def _until(given: str | None, now: datetime) -> datetime | None:
    if given is None:
        return None
    try:
        until = datetime.fromisoformat(given)
    except ValueError:
        raise CommandRefused(f"--until {given} is no instant such as 2026-03-01T12:00Z") from None
    if until.tzinfo is None:
        raise CommandRefused(f"--until {given} has no zone; 2026-03-01T12:00Z has")
    if until <= now:
        raise CommandRefused(f"--until {given} is over")
    return until.astimezone(UTC)


COMMAND = Command("switch", "stop something for a while: list, on, off", _describe, _switch)
