"""The stores of e-mail in memory, and a mail server that answers as it is told."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from notifier.adapters.smtp_connection import answer_of
from notifier.domain.bounce import Stage
from notifier.domain.cause import Totals
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.suppression import Suppression, SuppressionReason
from notifier.ports.email import Answer, Answered, Mail, Unsubscription
from servicekit.memory import MemoryDatabase


def said(code: int, status: str) -> Answer:
    """Return what becomes of a mail of whose recipient a server says so."""
    return answer_of(code, status, Stage.RECIPIENT)


class MemoryTitles:
    def __init__(self, database: MemoryDatabase) -> None:
        self._titles: dict[str, str] = database.table("titles")

    async def add(self, titles: Mapping[str, str]) -> None:
        for campaign_id, title in titles.items():
            self._titles.setdefault(campaign_id, title)

    async def load(self, campaign_ids: Collection[str]) -> dict[str, str]:
        return {one: self._titles[one] for one in campaign_ids if one in self._titles}


class MemoryDeliveries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._deliveries: dict[tuple[Channel, str], Delivery] = database.table("deliveries")
        self._shed: dict[tuple[Channel, str], Delivery] = database.table("shed deliveries")

    async def load(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]:
        places = [(channel, chunk_id) for chunk_id in chunk_ids]
        return {p[1]: self._deliveries[p] for p in places if p in self._deliveries}

    async def by_key(self, key: str) -> Delivery | None:
        return next((one for one in self._deliveries.values() if one.key == key), None)

    async def open_beside(self, delivery: Delivery, most: int) -> list[str]:
        found = [
            one.chunk_id
            for one in self._deliveries.values()
            if (one.channel, one.campaign_id) == (delivery.channel, delivery.campaign_id)
            and one.merged_as == delivery.merged_as
            and one.cause != delivery.cause
            and one.left
        ]
        return sorted(found)[:most]

    async def open_among(self, delivery: Delivery, chunk_ids: Collection[str]) -> list[str]:
        beside = await self.open_beside(delivery, len(self._deliveries))
        return [one for one in beside if one in chunk_ids]

    async def add_new(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            if (one.channel, one.chunk_id) not in self._shed:
                self._deliveries.setdefault((one.channel, one.chunk_id), one)

    async def shed(self, channel: Channel, chunk_ids: Collection[str]) -> None:
        for place in [(channel, chunk_id) for chunk_id in chunk_ids]:
            if place in self._deliveries and not self._deliveries[place].left:
                self._shed[place] = self._deliveries.pop(place)

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        return _totals_of_cause(self._deliveries | self._shed, channel, cause)

    async def save(self, delivery: Delivery, places: Collection[int]) -> None:
        place = (delivery.channel, delivery.chunk_id)
        known = self._deliveries[place]
        changed = {at: delivery.standings[at] for at in places}
        self._deliveries[place] = known.moved(
            {at: one for at, one in changed.items() if one != known.standings[at]}
        )


class MemorySuppressions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._suppressions: dict[str, Suppression] = database.table("suppressions")

    async def load(self, digests: Collection[str]) -> dict[str, Suppression]:
        return {one: self._suppressions[one] for one in digests if one in self._suppressions}

    async def save(self, suppressions: Collection[Suppression]) -> None:
        self._suppressions.update({one.address: one for one in suppressions})


class MemoryUnsubscriptions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._wishes: dict[Unsubscription, None] = database.table("unsubscriptions")

    async def add(self, wish: Unsubscription) -> None:
        self._wishes.setdefault(wish, None)

    async def end(self, wish: Unsubscription) -> None:
        self._wishes.pop(wish, None)

    async def of(self, campaign_id: str, people: Collection[str]) -> set[str]:
        return {one for one in people if Unsubscription(one, campaign_id) in self._wishes}


class MemoryMailed:
    def __init__(self, database: MemoryDatabase) -> None:
        self._mailed: dict[str, None] = database.table("mailed")

    async def add(self, notification_ids: Sequence[str]) -> None:
        self._mailed.update(dict.fromkeys(notification_ids))

    async def among(self, notification_ids: Collection[str]) -> set[str]:
        return {one for one in notification_ids if one in self._mailed}


class MemoryEmailQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._deliveries: dict[tuple[Channel, str], Delivery] = database.table("deliveries")
        self._shed: dict[tuple[Channel, str], Delivery] = database.table("shed deliveries")
        self._suppressions: dict[str, Suppression] = database.table("suppressions")

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        return _totals_of_cause(self._deliveries | self._shed, channel, cause)

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        found = [d for d in self._deliveries.values() if (d.channel, d.cause) == (channel, cause)]
        return max((at for one in found if (at := one.last_due) is not None), default=None)

    async def queued(self, channel: Channel) -> dict[int, int]:
        people: defaultdict[int, int] = defaultdict(int)
        for one in self._deliveries.values():
            if one.channel is channel and one.left:
                people[one.priority] += one.left
        return dict(people)

    async def suppressed(self, now: datetime) -> dict[SuppressionReason, int]:
        return dict(Counter(one.reason for one in self._suppressions.values() if one.holds(now)))


def _totals_of_cause(
    deliveries: Mapping[tuple[Channel, str], Delivery], channel: Channel, cause: str
) -> Totals | None:
    found = [d for d in deliveries.values() if (d.channel, d.cause) == (channel, cause)]
    sums: Counter[str] = Counter()
    for totals in (delivery.totals() for delivery in found):
        for name in ("delivered", "pending", "suppressed", "failed"):
            sums[name] += getattr(totals, name)
    if not found:
        return None
    return Totals(sums["delivered"], sums["pending"], sums["suppressed"], sums["failed"])


@dataclass(slots=True)
class FakeMailServer:
    """Takes every mail, unless `answers` says otherwise for its recipient."""

    mails: list[Mail] = field(default_factory=list)
    answer: Callable[[Mail], Answer] = lambda mail: Answer(Answered.TAKEN)

    async def send(self, mail: Mail) -> Answer:
        answer = self.answer(mail)
        if answer.answered in (Answered.TAKEN, Answered.UNKNOWN):
            self.mails.append(mail)
        return answer

    async def close(self) -> None:
        return None
