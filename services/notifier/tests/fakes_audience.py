"""Endings, returned pledges and consents in memory; held to the real ones by `test_audience.py`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from notifier.domain.audience import CampaignEnd, Consent
from notifier.ports.audience import Returned
from notifier.ports.unit import Departure, Membership
from servicekit.memory import MemoryDatabase


class MemoryEndings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._endings: dict[str, CampaignEnd] = database.table("endings")

    async def add(self, endings: Mapping[str, CampaignEnd]) -> None:
        self._endings.update(endings)


class MemoryReturnedPledges:
    def __init__(self, database: MemoryDatabase) -> None:
        self._returned: dict[tuple[str, str], Returned] = database.table("returned")

    async def save(self, returned: Sequence[Returned]) -> None:
        self._returned.update({(one.campaign_id, one.pledge_id): one for one in returned})


class MemoryConsents:
    def __init__(self, database: MemoryDatabase) -> None:
        self._consents: dict[tuple[str, str], Consent] = database.table("consents")

    async def choose(self, campaign_id: str, person_id: str, choice: Consent) -> None:
        self._consents[campaign_id, person_id] = choice

    async def of(self, campaign_id: str, person_id: str) -> Consent:
        return self._consents.get((campaign_id, person_id), Consent.NOTHING)

    async def among(self, campaign_id: str, choices: Collection[Consent]) -> list[str]:
        chosen = self._consents.items()
        return sorted(
            who for (where, who), one in chosen if where == campaign_id and one in choices
        )

    async def page(
        self, campaign_id: str, choices: Collection[Consent], after: str, limit: int
    ) -> list[str]:
        return [one for one in await self.among(campaign_id, choices) if one > after][:limit]

    async def forget(self, people: Collection[str]) -> None:
        for place in [place for place in self._consents if place[1] in people]:
            del self._consents[place]


class MemorySieve:
    def __init__(self, database: MemoryDatabase) -> None:
        self._memberships: dict[tuple[str, str], Membership] = database.table("memberships")
        self._departures: dict[tuple[str, str], Departure] = database.table("departures")
        self._endings: dict[str, CampaignEnd] = database.table("endings")
        self._returned: dict[tuple[str, str], Returned] = database.table("returned")
        self._consents = MemoryConsents(database)

    async def ending(self, campaign_id: str) -> CampaignEnd | None:
        return self._endings.get(campaign_id)

    async def refunded(self, campaign_id: str, until: int, at: datetime) -> set[str]:
        back = {
            place
            for place, one in self._returned.items()
            if not one.again and (one.at is None or one.at <= at)
        }
        mine = [
            ((m.campaign_id, m.pledge_id) in back, m.backer_id)
            for m in self._standing(campaign_id, until)
        ]
        return {who for _, who in mine} - {who for returned, who in mine if not returned}

    async def consenting(self, campaign_id: str, choices: Collection[Consent]) -> set[str]:
        return set(await self._consents.among(campaign_id, choices))

    async def with_rewards(
        self, campaign_id: str, until: int, rewards: Collection[str]
    ) -> set[str]:
        standing = self._standing(campaign_id, until)
        return {one.backer_id for one in standing if one.reward_id in rewards}

    def _standing(self, campaign_id: str, until: int) -> list[Membership]:
        gone = {place for place, one in self._departures.items() if one.left <= until}
        return [
            one
            for place, one in self._memberships.items()
            if one.campaign_id == campaign_id and one.joined <= until and place not in gone
        ]
