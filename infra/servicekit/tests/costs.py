"""What a read costs, by what MongoDB's profiler says of the queries that it sent.

So it is what the code really asks that is measured, not a query that a test has copied.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from servicekit.mongo import Database


@dataclass(frozen=True, slots=True)
class Cost:
    """What MongoDB did for all queries together, of any kind and with every batch of an answer.

    `documents` and `keys` of indexes were looked at and `returned` were sent back, a sum as one;
    `sorted` and `scanned` say whether it sorted for any of them, or read a whole collection, which
    of a union is known of its first part. `asked` is how many queries and updates it was sent;
    two costs do not differ by it.
    """

    documents: int
    keys: int
    returned: int
    sorted: bool = False
    scanned: bool = False
    asked: int = field(default=0, compare=False)


async def cost_of(
    database: Database, read: Callable[[], Awaitable[object]], *collections: str
) -> Cost:
    """Return what `read` cost in this database, of which nobody else asks at the same time.

    Only `collections` count where some are named. Raises AssertionError where nothing was asked of
    them: that would cost nothing and prove nothing.
    """
    profile, own = database.collection("system.profile"), f"{database.name}.system.profile"
    counted = [f"{database.name}.{one}" for one in collections]
    # A plan that fitted the few rows of a test before, in this lent database, would be used again.
    for name in await database.list_collection_names():
        await database.command("planCacheClear", database.collection(name).name)
    # Of the usual megabyte the first queries of a long read would be gone again.
    await database.command("create", "system.profile", capped=True, size=16 << 20)
    await database.command("profile", 2)
    try:
        await read()
    finally:
        await database.command("profile", 0)
        which = {"ns": {"$in": counted} if counted else {"$ne": own}}
        seen = await profile.find(which | {"planSummary": {"$exists": True}}).to_list(None)
        # A database that looks as before is lent to the next test.
        await profile.drop()
    assert seen, "nothing was asked"
    return Cost(
        documents=sum(one.get("docsExamined", 0) for one in seen),
        keys=sum(one.get("keysExamined", 0) for one in seen),
        returned=sum(one.get("nreturned", 0) for one in seen),
        sorted=any(one.get("hasSortStage", False) for one in seen),
        scanned=any("COLLSCAN" in one["planSummary"] for one in seen),
        asked=len(seen),
    )
