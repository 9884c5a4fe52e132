"""Replays in MongoDB: the collection `replays`, one document for each."""

from dataclasses import asdict

from notifier.domain.replay import Missing, Replay, Word
from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors


class MongoReplays:
    """`ports.replays.Replays` in a transaction."""

    def __init__(self, database: Database, session: Session) -> None:
        self._replays = database.collection("replays")
        self._session = session

    async def load(self, cause: str, replay_id: str) -> Replay | None:
        with sorted_errors():
            row = await self._replays.find_one(
                {"_id": _id(cause, replay_id)}, session=self._session
            )
        return replay_from(row) if row else None

    async def save(self, replay: Replay) -> None:
        place = _id(replay.cause, replay.replay_id)
        with sorted_errors():
            await self._replays.replace_one(
                {"_id": place}, {"_id": place} | asdict(replay), upsert=True, session=self._session
            )


def _id(cause: str, replay_id: str) -> Document:
    """Two fields, because ids may contain any separator that one text could use."""
    return {"cause": cause, "replay_id": replay_id}


def replay_from(row: Document) -> Replay:
    return Replay(
        cause=row["cause"],
        replay_id=row["replay_id"],
        first=read_as(Word, row["first"]),
        second=read_as(Word, row["second"]) if row["second"] else None,
        found=read_as(Missing, row["found"]) if row["found"] else None,
        # Documents of a release before this one have none.
        so_far=read_as(Missing, row.get("so_far", {})),
    )
