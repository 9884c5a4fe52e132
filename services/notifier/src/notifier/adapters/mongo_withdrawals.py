"""Withdrawals whose reminders may still be heard of, in MongoDB: few, a document for each."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo import UpdateOne

from notifier.adapters.documents import Document
from notifier.adapters.shedding import shed
from notifier.domain.cause import CauseKind, Withdrawal
from servicekit.documents import read_as
from servicekit.mongo import Database, Session, sorted_errors


class MongoWithdrawals:
    """`ports.withdrawals.Withdrawals` over the collection `withdrawals`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._kept = database.collection("withdrawals")
        self._session = session

    async def keep(self, withdrawals: Sequence[Withdrawal]) -> None:
        if not withdrawals:
            return
        with sorted_errors():
            await self._kept.bulk_write([_write(one) for one in withdrawals], session=self._session)

    async def of(self, reminders: Collection[tuple[str, CauseKind]]) -> list[Withdrawal]:
        if not reminders:
            return []
        of_each = [{"campaign_id": campaign, "kind": kind.value} for campaign, kind in reminders]
        with sorted_errors():
            cursor = self._kept.find({"$or": of_each}, {"_id": 0}, session=self._session)
            rows = await cursor.to_list(None)
        return [read_as(Withdrawal, row, kind=CauseKind(row["kind"])) for row in rows]

    async def shed(self, before: datetime, most: int) -> int:
        return await shed(self._kept, {"until": {"$lt": before}}, most, self._session)


def _write(withdrawal: Withdrawal) -> UpdateOne:
    fields = {name: getattr(withdrawal, name) for name in Withdrawal.__slots__}
    until = fields.pop("until")
    fields["kind"] = withdrawal.kind.value
    # Two fields, because ids may contain any separator that one text could use.
    place: Document = {"_id": {name: fields[name] for name in ("kind", "about")}}
    return UpdateOne(place, {"$set": fields, "$max": {"until": until}}, upsert=True)
