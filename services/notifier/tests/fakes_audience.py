"""Endings, returned pledges and consents in memory; held to the real ones by `test_audience.py`."""

from collections.abc import Collection, Mapping, Sequence

from notifier.domain.audience import Consent, Ending
from notifier.ports.audience import Returned
from servicekit.memory import MemoryDatabase


class MemoryEndings:
    def __init__(self, database: MemoryDatabase) -> None:
        self._endings: dict[str, Ending] = database.table("endings")

    async def add(self, endings: Mapping[str, Ending]) -> None:
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

    async def forget(self, people: Collection[str]) -> None:
        for place in [place for place in self._consents if place[1] in people]:
            del self._consents[place]
