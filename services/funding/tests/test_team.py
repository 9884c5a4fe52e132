"""Who works on a campaign: said by its owner, told once, and brought back."""

from dataclasses import replace

import pytest

from funding import wire
from funding.domain.errors import Refused
from funding.domain.team import MEMBERS_MAX, Team, TeamRole
from funding.handlers.recover import RecoverFunding
from funding.handlers.team import change_team
from servicekit.audit import AuditEntry
from servicekit.clock import ManualClock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.outbox import MemoryOutbox
from servicekit.own_topics import Unexplained
from services.funding.tests.conftest import LAUNCH, NOW, Funding, memory_funding
from services.funding.tests.fakes import MemoryQueries, memory_units
from sosst_contracts.codec import attribution
from sosst_contracts.funding import TeamChanged

OWNER = LAUNCH.creator_id
EDITOR = frozenset({TeamRole.EDITOR})


async def change(funding: Funding, roles: dict[str, frozenset[TeamRole]]) -> Team:
    now = funding.clock.now()
    return await funding.units.run(lambda unit: change_team(unit, "c1", roles, OWNER, now))


async def told(funding: Funding) -> list[dict[str, list[str]]]:
    found = await funding.published("team-changed")
    return [
        {one.person_id: list(one.roles) for one in event.members}
        for event in found
        if isinstance(event, TeamChanged)
    ]


async def test_a_team_is_told_whole_and_the_same_again_is_not_told(funding: Funding) -> None:
    """Each change says everybody, the owner first; a repeat says nothing."""
    await funding.launch()
    both = {"p.1": EDITOR, "p.2": frozenset({TeamRole.FULFILMENT, TeamRole.MODERATOR})}
    first = await change(funding, both)
    again = await change(funding, dict(both))
    assert first == again == await funding.queries.team("c1")
    await change(funding, {})
    everybody = {OWNER: ["owner"], "p.1": ["editor"], "p.2": ["fulfilment", "moderator"]}
    assert await told(funding) == [everybody, {OWNER: ["owner"]}]


async def test_a_change_is_on_record() -> None:
    """Who, when, which team it was and which it is; a repeat leaves no second record."""
    database, clock = MemoryDatabase(), ManualClock(NOW)
    units, queries = memory_units(database, clock), MemoryQueries(database)
    funding = Funding(units, queries, MemoryOutbox(database, clock), clock)
    await funding.launch()
    for _ in range(2):
        await change(funding, {"p1": EDITOR})
    entries: dict[str, AuditEntry] = database.table("audit")
    assert [(e.by, e.command, e.what["was"], e.what["is"]) for e in entries.values()] == [
        (OWNER, "team", [], ["p1: editor"])
    ]


async def test_a_team_is_saved_over_the_one_that_was_seen_alone(funding: Funding) -> None:
    """Two that saw no team cannot both insert one, nor both replace the same."""
    team = Team("c1", {"p1": EDITOR}, OWNER, funding.clock.now())
    await funding.units.run(lambda unit: unit.teams.save(team))
    with pytest.raises((Conflict, DuplicateKey)):
        await funding.units.run(lambda unit: unit.teams.save(team))
    seen = replace(team, version=1)
    await funding.units.run(lambda unit: unit.teams.save(seen))
    with pytest.raises(Conflict):
        await funding.units.run(lambda unit: unit.teams.save(seen))


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ({OWNER: EDITOR}, "owner-is-fixed"),
        ({"p1": frozenset({TeamRole.OWNER})}, "owner-is-fixed"),
        ({"p1": frozenset[TeamRole]()}, "role-missing"),
        ({f"p{n}": EDITOR for n in range(MEMBERS_MAX + 1)}, "team-too-large"),
    ],
    ids=("owner as editor", "second owner", "no role", "too many"),
)
async def test_a_team_that_cannot_be_is_refused(
    roles: dict[str, frozenset[TeamRole]], reason: str
) -> None:
    """Nothing of it is kept or told."""
    funding = memory_funding()
    await funding.launch()
    with pytest.raises(Refused) as refused:
        await change(funding, roles)
    assert refused.value.reason == reason
    assert await funding.queries.team("c1") is None and await told(funding) == []


@pytest.mark.trap(23)
async def test_the_last_team_comes_back_from_the_topic() -> None:
    """A restored backup without it has the team of the last fact, untold, however often."""
    lived, restored = memory_funding(), memory_funding()
    for funding in (lived, restored):
        await funding.launch()
    await change(lived, {"p1": EDITOR})
    last = await change(lived, {"p2": EDITOR})
    rows = await lived.outbox.page(100)
    placed = [(row.record, *attribution(row.record)) for row in rows]
    facts = [Unexplained(record, key or "", at or 0, "") for record, key, at in placed]
    for _ in range(2):
        recovery = RecoverFunding(restored.units, wire.history_from, restored.clock)
        await recovery.roll_forward(facts)
    found = await restored.queries.team("c1")
    assert found is not None and found.roles == last.roles
    assert await told(restored) == []
