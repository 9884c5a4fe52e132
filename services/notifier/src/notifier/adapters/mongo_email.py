"""Deliveries, and addresses and people that are not written to, in MongoDB."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pymongo import ReplaceOne

from notifier.adapters.documents import Document
from notifier.domain.cause import Totals
from notifier.domain.delivery import Channel, Delivery, DeliveryState, Place, Standing
from notifier.domain.suppression import Suppression, SuppressionReason
from notifier.ports.email import Unsubscription
from servicekit.documents import read_as
from servicekit.mongo import Database, Session, sorted_errors


class MongoDeliveries:
    """`ports.email.Deliveries` over the collection `deliveries`: one per chunk and channel.

    Only who is not pending any more stands in it, under their place, so that a new one costs the
    fan-out next to nothing. `counts` and `last_due` are made anew at every save.
    """

    def __init__(self, database: Database, session: Session | None) -> None:
        self._deliveries = database.collection("deliveries")
        self._session = session

    async def load(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]:
        ids = [_id(channel, chunk_id) for chunk_id in chunk_ids]
        with sorted_errors():
            query = {"_id": {"$in": ids}, "forgotten": {"$ne": True}}
            cursor = self._deliveries.find(query, session=self._session)
            return {row["chunk_id"]: delivery_from(row) for row in await cursor.to_list(None)}

    async def by_key(self, key: str) -> Delivery | None:
        with sorted_errors():
            query = {"key": key, "forgotten": {"$ne": True}}
            row = await self._deliveries.find_one(query, session=self._session)
        return delivery_from(row) if row else None

    async def open_beside(self, delivery: Delivery, most: int) -> list[str]:
        with sorted_errors():
            cursor = self._deliveries.find(
                _beside_query(delivery), {"chunk_id": 1}, session=self._session
            )
            return [row["chunk_id"] for row in await cursor.limit(most).to_list(None)]

    async def open_among(self, delivery: Delivery, chunk_ids: Collection[str]) -> list[str]:
        query = _beside_query(delivery) | {"chunk_id": {"$in": list(chunk_ids)}}
        with sorted_errors():
            cursor = self._deliveries.find(query, {"chunk_id": 1}, session=self._session)
            return [row["chunk_id"] for row in await cursor.to_list(None)]

    async def add_new(self, deliveries: Sequence[Delivery]) -> None:
        wanted = {_id(one.channel, one.chunk_id): one for one in deliveries}
        if not wanted:
            return
        with sorted_errors():
            cursor = self._deliveries.find(
                {"_id": {"$in": list(wanted)}}, {"_id": 1}, session=self._session
            )
            known = {row["_id"] for row in await cursor.to_list(None)}
            new = [_document(one) for name, one in wanted.items() if name not in known]
            if new:
                await self._deliveries.insert_many(new, session=self._session)

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        with sorted_errors():
            groups = _sums_of(channel, cause)
            cursor = self._deliveries.aggregate(groups, session=self._session)
            return _totals_from(await cursor.to_list(None))

    async def shed(self, channel: Channel, chunk_ids: Collection[str]) -> None:
        ids = [_id(channel, chunk_id) for chunk_id in chunk_ids]
        query = {"_id": {"$in": ids}, "left": 0}
        with sorted_errors():
            await self._deliveries.update_many(
                query, {"$set": {"standings": {}, "forgotten": True}}, session=self._session
            )

    async def save(self, delivery: Delivery, places: Collection[int]) -> None:
        if not places:
            return
        standings = {place: delivery.standings[place] for place in places}
        changed = {f"standings.{place}": _standing(one) for place, one in standings.items()}
        query = {"_id": _id(delivery.channel, delivery.chunk_id)}
        with sorted_errors():
            await self._deliveries.update_one(
                query, {"$set": changed | _sums(delivery)}, session=self._session
            )


def _beside_query(delivery: Delivery) -> Document:
    """Return how others are found that are open and may be merged with this one."""
    return {
        "campaign_id": delivery.campaign_id,
        "merged_as": delivery.merged_as,
        "channel": delivery.channel.value,
        "cause": {"$ne": delivery.cause},
        "left": {"$gt": 0},
    }


_OUTCOMES = ("delivered", "pending", "suppressed", "failed")


def _sums_of(channel: Channel, cause: str) -> list[Document]:
    sums: Document = {name: {"$sum": f"$counts.{name}"} for name in _OUTCOMES}
    return [
        {"$match": {"cause": cause, "channel": channel.value}},
        {"$group": {"_id": None, **sums}},
    ]


def _totals_from(rows: Sequence[Document]) -> Totals | None:
    if not rows:
        return None
    delivered, pending, suppressed, failed = (rows[0][name] for name in _OUTCOMES)
    return Totals(delivered, pending, suppressed, failed)


def _id(channel: Channel, chunk_id: str) -> str:
    return f"{channel.value}|{chunk_id}"


def _document(delivery: Delivery) -> Document:
    return {
        "_id": _id(delivery.channel, delivery.chunk_id),
        "key": delivery.key,
        "channel": delivery.channel.value,
        "chunk_id": delivery.chunk_id,
        "cause": delivery.cause,
        "campaign_id": delivery.campaign_id,
        "priority": delivery.priority,
        **({"merged_as": delivery.merged_as} if delivery.merged_as else {}),
        "size": len(delivery.standings),
        "standings": {
            str(place): _standing(standing)
            for place, standing in enumerate(delivery.standings)
            if standing != Standing()
        },
        **_sums(delivery),
    }


def _standing(standing: Standing) -> Document:
    """Return the state, and of the rest only what there is."""
    rest = {
        "reason": standing.reason,
        "due": standing.due,
        "attempts": standing.attempts,
        "carries": [[one.chunk_id, one.place] for one in standing.carries],
        "inside": standing.inside,
    }
    return {"state": standing.state.value} | {name: one for name, one in rest.items() if one}


def _standing_from(row: Document) -> Standing:
    carries = tuple(Place(*one) for one in row.get("carries", ()))
    return read_as(Standing, row, state=DeliveryState(row["state"]), carries=carries)


def _sums(delivery: Delivery) -> Document:
    totals = delivery.totals()
    counts = {name: getattr(totals, name) for name in ("delivered", "suppressed", "failed")}
    return {
        "counts": counts | {"pending": totals.pending},
        "left": totals.pending,
        "last_due": delivery.last_due,
    }


def delivery_from(row: Document) -> Delivery:
    known = {int(place): _standing_from(one) for place, one in row["standings"].items()}
    return Delivery(
        chunk_id=row["chunk_id"],
        channel=Channel(row["channel"]),
        cause=row["cause"],
        campaign_id=row["campaign_id"],
        priority=row["priority"],
        standings=tuple(known.get(place, Standing()) for place in range(row["size"])),
        # Of a release before this one, and of what goes alone, there is none.
        merged_as=row.get("merged_as", ""),
    )


class MongoSuppressions:
    """`ports.email.Suppressions` over the collection `suppressions`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._suppressions = database.collection("suppressions")
        self._session = session

    async def load(self, digests: Collection[str]) -> dict[str, Suppression]:
        with sorted_errors():
            cursor = self._suppressions.find({"_id": {"$in": list(digests)}}, session=self._session)
            return {row["_id"]: suppression_from(row) for row in await cursor.to_list(None)}

    async def save(self, suppressions: Collection[Suppression]) -> None:
        if not suppressions:
            return
        writes = [
            ReplaceOne({"_id": one.address}, _suppression_document(one), upsert=True)
            for one in suppressions
        ]
        with sorted_errors():
            await self._suppressions.bulk_write(writes, ordered=False, session=self._session)


def _suppression_document(suppression: Suppression) -> Document:
    return {
        "_id": suppression.address,
        "reason": suppression.reason.value,
        "until": suppression.until,
        "softs": list(suppression.softs),
    }


def suppression_from(row: Document) -> Suppression:
    return Suppression(
        row["_id"], SuppressionReason(row["reason"]), row["until"], tuple(row["softs"])
    )


class MongoUnsubscriptions:
    """`ports.email.Unsubscriptions` over the collection `unsubscriptions`."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._wishes = database.collection("unsubscriptions")
        self._session = session

    async def add(self, wish: Unsubscription) -> None:
        name = _wish(wish.campaign_id, wish.person_id)
        with sorted_errors():
            await self._wishes.replace_one(
                {"_id": name}, {"_id": name}, upsert=True, session=self._session
            )

    async def end(self, wish: Unsubscription) -> None:
        name = _wish(wish.campaign_id, wish.person_id)
        with sorted_errors():
            await self._wishes.delete_one({"_id": name}, session=self._session)

    async def of(self, campaign_id: str, people: Collection[str]) -> set[str]:
        names = [_wish(campaign_id, one) for one in people]
        with sorted_errors():
            cursor = self._wishes.find({"_id": {"$in": names}}, session=self._session)
            return {row["_id"]["person_id"] for row in await cursor.to_list(None)}


def _wish(campaign_id: str, person_id: str) -> Document:
    """Two fields, because ids may contain any separator that one text could use."""
    return {"campaign_id": campaign_id, "person_id": person_id}


class MongoMailed:
    """`ports.email.Mailed` over the collection `mailed`: empty but after a restored backup."""

    def __init__(self, database: Database, session: Session | None) -> None:
        self._mailed = database.collection("mailed")
        self._session = session

    async def add(self, notification_ids: Sequence[str]) -> None:
        new = set(notification_ids) - await self.among(notification_ids)
        if not new:
            return
        with sorted_errors():
            await self._mailed.insert_many([{"_id": one} for one in new], session=self._session)

    async def among(self, notification_ids: Collection[str]) -> set[str]:
        with sorted_errors():
            cursor = self._mailed.find(
                {"_id": {"$in": list(notification_ids)}}, session=self._session
            )
            return {row["_id"] for row in await cursor.to_list(None)}


class MongoEmailQueries:
    """`ports.email.EmailQueries`: reads outside a transaction."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database.collection("deliveries")
        self._suppressions = database.collection("suppressions")

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        with sorted_errors():
            cursor = self._deliveries.aggregate(_sums_of(channel, cause))
            return _totals_from(await cursor.to_list(None))

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        groups: list[Document] = [
            {"$match": {"cause": cause, "channel": channel.value, "left": {"$gt": 0}}},
            # What a release before saved last has none.
            {"$group": {"_id": None, "at": {"$max": "$last_due"}}},
        ]
        with sorted_errors():
            rows = await self._deliveries.aggregate(groups).to_list(None)
        return rows[0]["at"] if rows else None

    async def queued(self, channel: Channel) -> dict[int, int]:
        groups: list[Document] = [
            {"$match": {"channel": channel.value, "left": {"$gt": 0}}},
            {"$group": {"_id": "$priority", "people": {"$sum": "$left"}}},
        ]
        with sorted_errors():
            rows = await self._deliveries.aggregate(groups).to_list(None)
        return {row["_id"]: row["people"] for row in rows}

    async def suppressed(self, now: datetime) -> dict[SuppressionReason, int]:
        held: Document = {"$or": [{"until": None}, {"until": {"$gt": now}}]}
        groups: list[Document] = [
            {"$match": held},
            {"$group": {"_id": "$reason", "addresses": {"$sum": 1}}},
        ]
        with sorted_errors():
            rows = await self._suppressions.aggregate(groups).to_list(None)
        return {SuppressionReason(row["_id"]): row["addresses"] for row in rows}
