"""Where people stand: in chunks of plans, and in chunks beside them.

An index entry for each recipient costs ten times what storing a chunk does. A plan's chunks have
none: they hold people in the order of their ids, so that of a cause and a partition one chunk alone
can hold somebody, and whom it begins and ends with says which. Whose plans somebody may stand in is
known from their memberships: those as of a sequence at which they belonged. All other chunks, and
those that a release before these stored, are found by each of their people.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from notifier.adapters.schema import BY_PLACE, BY_RECIPIENT, NOBODY
from notifier.domain.chunk import Stay, stays_of
from servicekit.mongo import Database, Document, sorted_errors
from servicekit.publish import partition_of

# Of so many stays MongoDB merges what its index has in order; for one alone it thinks for
# microseconds, for many at once ever longer.
STAYS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """What finds chunks, and the index that has them in the order of time, the newest first."""

    query: Document
    index: Sequence[tuple[str, int]]


def beside_plans(people: Collection[str]) -> Document:
    """Return what finds the chunks beside plans in which one of these stands."""
    return {"first": None, "recipients": {"$in": list(people)}}


def in_plans(campaign_id: str, people: Collection[str], partitions: int) -> Document:
    """Return what finds the chunks of a campaign's plans in which one of these stands."""
    return {
        "campaign_id": campaign_id,
        **_around(people, partitions),
        "recipients": {"$in": list(people)},
    }


def _around(people: Collection[str], partitions: int) -> Document:
    return {
        "partition": {"$in": sorted({partition_of(one.encode(), partitions) for one in people})},
        "first": {"$gt": NOBODY, "$lte": max(people)},
        "last": {"$gte": min(people)},
    }


async def places_of(database: Database, person_id: str, partitions: int) -> list[Place]:
    """Return what finds all chunks in which this person stands; each is found by one of them."""
    around = _around([person_id], partitions)
    stays = [stay | around for stay in await _stays(database, person_id)]
    groups = range(0, len(stays), STAYS_AT_ONCE)
    some = [stays[begin : begin + STAYS_AT_ONCE] for begin in groups]
    return [
        Place(beside_plans([person_id]), BY_RECIPIENT),
        *(Place({"$or": group, "recipients": person_id}, BY_PLACE) for group in some),
    ]


async def _stays(database: Database, person_id: str) -> list[Document]:
    """Return what finds the plans of which this person is in the audience; no plan is in two."""
    fields = {"campaign_id": 1, "joined": 1}
    with sorted_errors():
        joined = await (
            database.collection("memberships")
            .find({"backer_id": person_id}, fields)
            .sort("campaign_id", 1)
            .to_list(None)
        )
        # Under the same ids as the pledges that joined.
        left = await (
            database.collection("departures")
            .find({"_id": {"$in": [row["_id"] for row in joined]}}, {"campaign_id": 1, "left": 1})
            .to_list(None)
        )
    found = []
    for campaign_id, mine in groupby(joined, key=lambda row: row["campaign_id"]):
        gone = [row["left"] for row in left if row["campaign_id"] == campaign_id]
        stays = stays_of([row["joined"] for row in mine], gone)
        found += [
            {"campaign_id": campaign_id, **_as_of(stay, number == 0)}
            for number, stay in enumerate(stays)
        ]
    return found


def _as_of(stay: Stay, is_first: bool) -> Document:
    """Return what finds the plans as of a stay; what does not say as of when is in the first.

    So a release before this one stored it. As what is not outside, an index has it in one piece.
    """
    if not is_first:
        until = {} if stay.left is None else {"$lt": stay.left}
        return {"as_of": {"$gte": stay.joined, **until}}
    outside = [{"$lt": stay.joined}, *([] if stay.left is None else [{"$gte": stay.left}])]
    return {"$and": [{"as_of": {"$not": one}} for one in outside]}
