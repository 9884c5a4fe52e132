"""Deleting what is old, a page at a time."""

from servicekit.mongo import Collection, Document, Session, sorted_errors


async def shed(stored: Collection, old: Document, most: int, session: Session | None) -> int:
    """Delete so many at most of the documents that are `old`; return how many there were."""
    with sorted_errors():
        rows = await stored.find(old, {"_id": 1}, session=session).limit(most).to_list(None)
        if rows:
            ids = [row["_id"] for row in rows]
            await stored.delete_many({"_id": {"$in": ids}}, session=session)
    return len(rows)
