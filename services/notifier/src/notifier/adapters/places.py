"""Where people stand: in chunks of plans, and in chunks beside them.

An index entry for each recipient costs ten times what storing a chunk does. A plan's chunks have
none: they hold people in the order of their ids, so that of a cause and a partition one chunk alone
can hold somebody, and whom it begins and ends with says which. Whose plans somebody may stand in is
known from their memberships. All other chunks, and those that a release before this one stored,
are found by each of their people.
"""

from collections.abc import Collection

from servicekit.mongo import Database, Document, sorted_errors
from servicekit.publish import partition_of

# Of so many campaigns MongoDB merges what its index has in order; of more than two hundred it would
# read all that somebody was ever told, and sort it.
CAMPAIGNS_AT_ONCE = 100


def beside_plans(people: Collection[str]) -> Document:
    """Return what finds the chunks beside plans in which one of these stands."""
    return {"first": None, "recipients": {"$in": list(people)}}


def in_plans(campaigns: Collection[str], people: Collection[str], partitions: int) -> Document:
    """Return what finds the chunks of these campaigns' plans in which one of these stands."""
    return {
        "campaign_id": {"$in": list(campaigns)},
        "partition": {"$in": sorted({partition_of(one.encode(), partitions) for one in people})},
        "first": {"$lte": max(people)},
        "last": {"$gte": min(people)},
        "recipients": {"$in": list(people)},
    }


async def places_of(database: Database, person_id: str, partitions: int) -> list[Document]:
    """Return what finds all chunks in which this person stands; each is found by one of them."""
    with sorted_errors():
        campaigns = await database.collection("memberships").distinct(
            "campaign_id", {"backer_id": person_id}
        )
    groups = range(0, len(campaigns), CAMPAIGNS_AT_ONCE)
    some = [campaigns[begin : begin + CAMPAIGNS_AT_ONCE] for begin in groups]
    return [
        beside_plans([person_id]),
        *(in_plans(group, [person_id], partitions) for group in some),
    ]
