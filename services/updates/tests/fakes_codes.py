"""Codes of digital rewards in memory; `test_digital.py` holds both kinds to one suite."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from servicekit.memory import MemoryDatabase
from updates.ports.codes import CodeStock
from updates.ports.tracking import TrackingPlace


@dataclass(frozen=True)
class Code:
    reward_id: str
    backer_id: str | None = None
    withheld: bool = False

    @property
    def free(self) -> bool:
        return self.backer_id is None and not self.withheld


class MemoryCodes:
    def __init__(self, database: MemoryDatabase) -> None:
        self._codes: dict[tuple[str, str], Code] = database.table("codes")

    async def add(
        self, campaign_id: str, reward_id: str, codes: Sequence[str], at: datetime
    ) -> int:
        new = [code for code in dict.fromkeys(codes) if (campaign_id, code) not in self._codes]
        self._codes.update({(campaign_id, code): Code(reward_id) for code in new})
        return len(new)

    async def given(self, places: Collection[TrackingPlace]) -> dict[TrackingPlace, str]:
        return {
            (campaign, one.reward_id, one.backer_id): name
            for (campaign, name), one in self._codes.items()
            if one.backer_id and (campaign, one.reward_id, one.backer_id) in places
        }

    async def take(
        self, campaign_id: str, reward_id: str, backers: Sequence[str], at: datetime
    ) -> dict[str, str]:
        free = [name for name, one in self._of(campaign_id, reward_id) if one.free]
        given = dict(zip(backers, free, strict=False))
        for who, name in given.items():
            place = (campaign_id, name)
            self._codes[place] = replace(self._codes[place], backer_id=who)
        return given

    async def stock(self, campaign_id: str, reward_id: str) -> CodeStock:
        found = [one for _, one in self._of(campaign_id, reward_id)]
        given = sum(one.backer_id is not None for one in found)
        return CodeStock(sum(one.free for one in found), given, sum(one.withheld for one in found))

    async def withhold(self, campaign_id: str, reward_id: str) -> int:
        free = [name for name, one in self._of(campaign_id, reward_id) if one.free]
        for name in free:
            place = (campaign_id, name)
            self._codes[place] = replace(self._codes[place], withheld=True)
        return len(free)

    def _of(self, campaign_id: str, reward_id: str) -> list[tuple[str, Code]]:
        return [
            (name, one)
            for (campaign, name), one in sorted(self._codes.items())
            if (campaign, one.reward_id) == (campaign_id, reward_id)
        ]
