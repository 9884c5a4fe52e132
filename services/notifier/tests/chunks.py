"""Chunks made by hand, for whoever asks the stores what they hold."""

from dataclasses import replace
from datetime import timedelta

from notifier.domain.cause import CauseKind, Origin, Told
from notifier.domain.chunk import Chunk
from servicekit.publish import partition_of
from services.notifier.tests.builders import CAMPAIGN, NOW, PARTITIONS, Notifier

ORIGIN = Origin("funding.campaigns:campaign-1:2", "story", None)
TOLD = Told(
    CauseKind.VERDICT_REACHED, CAMPAIGN, CAMPAIGN, NOW, {"title": "A lamp", "goal": 5}, ORIGIN
)


def a_chunk(name: str, *recipients: str, minutes: int = 0, partition: int | None = 0) -> Chunk:
    told = replace(TOLD, caused_at=NOW + timedelta(minutes=minutes))
    return Chunk(name, told, recipients, partition)


async def add(notifier: Notifier, *chunks: Chunk) -> list[Chunk]:
    return await notifier.units.run(lambda unit: unit.chunks.add_new(chunks))


def of_one_partition(count: int) -> list[str]:
    """So many people whom a plan puts in the same chunks, in order."""
    people = (f"reader-{number:03}" for number in range(99 * PARTITIONS))
    return [one for one in people if partition_of(one.encode(), PARTITIONS) == 0][:count]
