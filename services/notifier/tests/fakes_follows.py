"""Followings in memory; `test_follow.py` holds them and the real ones to one suite."""

from collections.abc import Collection, Sequence
from datetime import datetime

from notifier.domain.follow import Follow, FollowState
from servicekit.memory import MemoryDatabase


class MemoryFollows:
    def __init__(self, database: MemoryDatabase) -> None:
        self._follows: dict[tuple[str, str], Follow] = database.table("follows")

    async def load(self, campaign_id: str, who: str) -> Follow | None:
        return self._follows.get((campaign_id, who))

    async def of_person(self, person_id: str) -> list[Follow]:
        mine = [one for one in self._follows.values() if one.person_id == person_id]
        return sorted(mine, key=lambda one: one.campaign_id)

    async def save(self, follow: Follow) -> None:
        self._follows[follow.campaign_id, follow.who] = follow

    async def remove(self, follow: Follow) -> None:
        self._follows.pop((follow.campaign_id, follow.who), None)

    async def asked_at(self, who: str, asks_ago: int) -> datetime | None:
        return _asked_at([one for one in self._follows.values() if one.who == who], asks_ago)

    async def unconfirmed_asked_at(self, asks_ago: int) -> datetime | None:
        return _asked_at(self._asked(), asks_ago)

    async def unconfirmed(self, asked_until: datetime, limit: int) -> list[Follow]:
        due = [one for one in self._asked() if one.asked_at <= asked_until]
        return sorted(due, key=lambda one: one.asked_at)[:limit]

    async def page(
        self, campaign_id: str, confirmed_until: datetime, after: str, limit: int
    ) -> list[str]:
        found = [
            one.person_id
            for one in self._follows.values()
            if one.campaign_id == campaign_id
            and one.confirmed_at is not None
            and one.confirmed_at <= confirmed_until
        ]
        return sorted(one for one in found if one > after)[:limit]

    async def forget(self, people: Collection[str]) -> None:
        for place in [place for place, one in self._follows.items() if one.person_id in people]:
            del self._follows[place]

    def _asked(self) -> list[Follow]:
        return [one for one in self._follows.values() if one.state is FollowState.ASKED]


def _asked_at(follows: Sequence[Follow], asks_ago: int) -> datetime | None:
    times = sorted(one.asked_at for one in follows)
    return times[-1 - asks_ago] if asks_ago < len(times) else None
