"""Funding's stores in memory; `test_stores.py` holds them and the real ones to one suite."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from funding import wire
from funding.adapters.facts import OutboxFacts
from funding.domain.campaign import Campaign, CampaignState
from funding.domain.held import Held
from funding.domain.pledge import PaymentMethod, Pledge, PledgeState
from funding.domain.team import Team
from funding.ports import FundingUnit
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway, DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.units import MemoryUnitsOfWork, Plumbing


class MemoryCampaigns:
    def __init__(self, database: MemoryDatabase) -> None:
        self._campaigns: dict[str, Campaign] = database.table("campaigns")

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Campaign]:
        return {one: self._campaigns[one] for one in campaign_ids if one in self._campaigns}

    async def add(self, campaign: Campaign) -> None:
        if campaign.campaign_id in self._campaigns:
            raise DuplicateKey(campaign.campaign_id)
        self._campaigns[campaign.campaign_id] = campaign

    async def save(self, campaigns: Sequence[Campaign]) -> None:
        for campaign in campaigns:
            if self._campaigns[campaign.campaign_id].version != campaign.version:
                raise Conflict("a campaign was saved by somebody else")
            saved = replace(campaign, version=campaign.version + 1)
            self._campaigns[campaign.campaign_id] = saved


class MemoryPledges:
    def __init__(self, database: MemoryDatabase) -> None:
        self._pledges: dict[str, Pledge] = database.table("pledges")

    async def load(self, pledge_ids: Collection[str]) -> dict[str, Pledge]:
        return {one: self._pledges[one] for one in pledge_ids if one in self._pledges}

    async def by_reference(
        self, references: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], Pledge]:
        return {r: p for p in self._pledges.values() if (r := _reference(p)) in references}

    async def save(self, pledges: Sequence[Pledge]) -> None:
        for pledge in pledges:
            owners = {_reference(p): p.pledge_id for p in self._pledges.values()}
            if owners.get(_reference(pledge), pledge.pledge_id) != pledge.pledge_id:
                raise DuplicateKey("the payment belongs to another pledge")
            self._pledges[pledge.pledge_id] = pledge

    async def last_pending(self, campaign_id: str) -> Mapping[PaymentMethod | None, datetime]:
        youngest: dict[PaymentMethod | None, datetime] = {}
        for pledge in self._pledges.values():
            if pledge.payment.campaign_id == campaign_id and pledge.state is PledgeState.PENDING:
                method = pledge.payment.method
                youngest[method] = max(pledge.placed_at, youngest.get(method, pledge.placed_at))
        return youngest


class MemoryHeld:
    def __init__(self, database: MemoryDatabase) -> None:
        self._held: dict[str, Held] = database.table("held")

    async def load(self, campaign_id: str) -> Held | None:
        return self._held.get(campaign_id)

    async def save(self, held: Held) -> None:
        self._held[held.campaign_id] = held

    async def remove(self, campaign_id: str) -> None:
        self._held.pop(campaign_id, None)


class MemoryTeams:
    def __init__(self, database: MemoryDatabase) -> None:
        self._teams: dict[str, Team] = database.table("teams")

    async def load(self, campaign_id: str) -> Team | None:
        return self._teams.get(campaign_id)

    async def save(self, team: Team) -> None:
        known = self._teams.get(team.campaign_id)
        if (known.version if known else 0) != team.version:
            raise Conflict("the team was saved by somebody else")
        self._teams[team.campaign_id] = replace(team, version=team.version + 1)


def _reference(pledge: Pledge) -> tuple[str, str]:
    return pledge.payment.provider, pledge.payment.payment_reference


class MemoryQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._campaigns: dict[str, Campaign] = database.table("campaigns")
        self._pledges: dict[str, Pledge] = database.table("pledges")
        self._teams: dict[str, Team] = database.table("teams")

    async def due(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        due = [c for c in self._campaigns.values() if c.next_due and c.next_due <= now]
        return [c.campaign_id for c in sorted(due, key=lambda c: c.next_due or now)][
            skip : skip + limit
        ]

    async def oldest_due(self) -> datetime | None:
        dues = [c.next_due for c in self._campaigns.values() if c.next_due]
        return min(dues, default=None)

    async def due_pledges(self, now: datetime, limit: int, skip: int = 0) -> list[str]:
        due = [(p.next_due, p.pledge_id) for p in self._pledges.values() if p.next_due]
        return [pledge_id for at, pledge_id in sorted(due) if at <= now][skip : skip + limit]

    async def oldest_due_pledge(self) -> datetime | None:
        return min((p.next_due for p in self._pledges.values() if p.next_due), default=None)

    async def errored_pledges(self) -> int:
        return sum(pledge.next_due is not None for pledge in self._pledges.values())

    async def states(self) -> Mapping[str, int]:
        return Counter(campaign.state.value for campaign in self._campaigns.values())

    async def settling(self, limit: int) -> list[str]:
        waiting = [c for c in self._campaigns.values() if c.state is CampaignState.SETTLING]
        waiting.sort(key=lambda c: c.next_due or c.launched_at)
        return [campaign.campaign_id for campaign in waiting][:limit]

    async def campaign(self, campaign_id: str) -> Campaign | None:
        return self._campaigns.get(campaign_id)

    async def campaigns(self, after: str, limit: int) -> list[Campaign]:
        return [self._campaigns[one] for one in sorted(self._campaigns) if one > after][:limit]

    async def team(self, campaign_id: str) -> Team | None:
        return self._teams.get(campaign_id)

    async def pledge(self, campaign_id: str, pledge_id: str) -> Pledge | None:
        found = self._pledges.get(pledge_id)
        return found if found and found.payment.campaign_id == campaign_id else None

    async def pledges(self, campaign_id: str, after: str, limit: int) -> list[Pledge]:
        ours = [p for p in self._pledges.values() if p.payment.campaign_id == campaign_id]
        ours.sort(key=lambda pledge: pledge.pledge_id)
        return [pledge for pledge in ours if pledge.pledge_id > after][:limit]


class SettableIntake:
    """An intake whose ends and position the test sets; `away` is a broker that does not answer."""

    def __init__(self) -> None:
        self.end: dict[int, int] = {}
        self.position: dict[int, int] = {}
        self.away = False

    async def ends(self) -> dict[int, int]:
        return dict(self._answer(self.end))

    async def committed(self) -> Mapping[int, int]:
        return self._answer(self.position)

    def _answer(self, offsets: dict[int, int]) -> dict[int, int]:
        if self.away:
            raise DependencyAway("Kafka")
        return offsets


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[FundingUnit]:
    """Return units of work over the memory database."""

    def bind(tables: MemoryDatabase, plumbing: Plumbing) -> FundingUnit:
        return FundingUnit(
            plumbing=plumbing,
            campaigns=MemoryCampaigns(tables),
            pledges=MemoryPledges(tables),
            held=MemoryHeld(tables),
            teams=MemoryTeams(tables),
            facts=OutboxFacts(plumbing.outbox, wire.draft, wire.PLEDGES_TOPIC),
        )

    return MemoryUnitsOfWork(database, clock, bind)
