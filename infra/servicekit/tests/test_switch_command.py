"""Switches: turned by a command, followed by every process, ended by themselves."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infra.native.plain_http import NO_AUTHORITIES
from infra.servicekit.tests.conftest import NOW, until
from infra.servicekit.tests.test_process import Lamp, lamp, migrated, typed, until_ready
from servicekit.clock import ManualClock
from servicekit.mongo import Database
from servicekit.switches import Known, MongoSwitches, Switch, Switches
from sosst_contracts.funding import PledgePlaced

BY = ("--by", "sre-1", "--why", "looks odd")
PAUSE = f"pause-{PledgePlaced.topic}"


async def command(addresses: dict[str, str], *words: str) -> tuple[int, str, str]:
    return await typed("switch", *words, **addresses)


async def until_it_is(run: Lamp, on: int) -> None:
    """Wait until the process shows the switch so."""
    line = f'sosst_switch_on{{switch="{PAUSE}"}} {float(on)}'
    address = f"http://127.0.0.1:{run.environment['LAMP_HEALTH_PORT']}/metrics"

    async def shown() -> bool:
        async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES, timeout=20) as client:
            return line in (await client.get(address)).text

    await until(f"the process shows {line}", shown)


async def test_a_switch_acts_in_a_running_process_and_ends_by_itself(
    addresses: dict[str, str], new_database: Database
) -> None:
    """On by one command, seen by the process, off by another or at its end, each on record."""
    await migrated(addresses)
    async with lamp("run", **addresses) as run:
        await until_ready(run)
        await until_it_is(run, 0)
        code, output, _ = await command(addresses, "on", PAUSE, *BY)
        assert code == 0 and output.startswith(f"{PAUSE}: on;")
        await until_it_is(run, 1)
        _, output, _ = await command(addresses, "list")
        assert output.startswith(f"on   {PAUSE} by sre-1 since") and "looks odd" in output
        await command(addresses, "off", PAUSE, *BY)
        await until_it_is(run, 0)
        now = datetime.now(UTC)
        later = now + timedelta(hours=1)
        code, output, _ = await command(addresses, "on", PAUSE, "--until", later.isoformat(), *BY)
        assert code == 0 and f"on until {later.isoformat()}" in output
        await until_it_is(run, 1)
        # Nobody turns it off: its end has come.
        await MongoSwitches(new_database).turn_on(Switch(PAUSE, None, "sre-1", "odd", now, now))
        await until_it_is(run, 0)
    _, output, _ = await command(addresses, "list")
    assert output.startswith(f"off  {PAUSE}: stops reading")
    acts = await new_database.collection("audit").find().sort("at", 1).to_list(None)
    assert [(act["command"], act["by"], act["why"]) for act in acts] == [
        (f"switch {turned}", "sre-1", "looks odd") for turned in ("on", "off", "on")
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["on", "everything", *BY], "lamp has no switch everything; it has pause-"),
        (["on", PAUSE, "--campaign", "c1", *BY], "is for the whole service"),
        (["on", "darken", "--campaign", "c2", *BY], "has not heard of a campaign c2; ahead of"),
        (["off", "darken", "--campaign", "c2", *BY], "a campaign c2, and nothing is on for it"),
        (["on", PAUSE, "--until", "tomorrow", *BY], "is no instant"),
        (["on", PAUSE, "--until", "2026-03-01T12:00", *BY], "has no zone"),
        (["on", PAUSE, "--until", "2020-03-01T12:00Z", *BY], "is over"),
        (["off", PAUSE, "--by", "sre-1"], "--why"),
    ],
)
async def test_a_switch_that_makes_no_sense_is_refused(
    addresses: dict[str, str], words: list[str], says: str
) -> None:
    """One line, exit code 64, and nothing is turned."""
    await migrated(addresses)
    code, output, errors = await command(addresses, *words)
    assert (code, output) == (64, "")
    assert says in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize("words", [["c1"], ["c2", "--unknown-campaign"]])
async def test_a_campaign_that_is_known_or_meant_is_switched(
    addresses: dict[str, str], words: list[str]
) -> None:
    """Ahead of its launch too, if somebody says so; turned off it needs no such word."""
    await migrated(addresses)
    code, output, _ = await command(addresses, "on", "darken", "--campaign", *words, *BY)
    assert code == 0 and output.startswith("darken: on;")
    code, output, _ = await command(addresses, "off", "darken", "--campaign", words[0], *BY)
    assert code == 0 and output.startswith("darken: off;")


async def test_a_service_turns_its_own_switch_on_record(database: Database) -> None:
    """What `recover` stops stands in the audit records as if a person had; again is no harm."""
    switches = Switches(database, ManualClock(NOW))
    switches.declare(Known("stop-money", "stops money", "campaign"))
    for _ in range(2):
        await switches.turn_on("stop-money", "c1", "recover", "odd")
    await switches.read()
    found = switches.on("stop-money", "c1")
    assert found is not None and (found.by, found.why, found.until) == ("recover", "odd", None)
    assert switches.on("stop-money", "c2") is None
    acts = await database.collection("audit").find().to_list(None)
    assert [(act["command"], act["by"], act["what"]["campaign"]) for act in acts] == [
        ("switch on", "recover", "c1")
    ] * 2


async def test_a_switch_holds_for_its_subject_until_its_end(database: Database) -> None:
    """For one subject, or for all; the end needs nobody, and turning it again moves it."""
    clock = ManualClock(NOW)
    switches, rows = Switches(database, clock), MongoSwitches(database)
    switches.declare(Known("stop-money", "stops money", "campaign"))
    ends = NOW + timedelta(hours=1)
    await rows.turn_on(Switch("stop-money", "c1", "anna", "odd", NOW, ends))
    assert switches.on("stop-money", "c1") is None, "what is not read yet acts not yet"
    await switches.read()
    found = switches.on("stop-money", "c1")
    assert found is not None and (found.by, found.until) == ("anna", ends)
    assert switches.on("stop-money", "c2") is None and switches.on("stop-money") is None
    await rows.turn_on(Switch("stop-money", None, "ben", "all odd", NOW))
    await switches.read()
    assert switches.on("stop-money", "c2") is not None
    clock.advance(hours=1)
    assert await rows.turn_off("stop-money", None) is True
    assert await rows.turn_off("stop-money", None) is False
    await switches.read()
    assert switches.on("stop-money", "c1") is None
