"""Which rewards are with their backers, and claims about them, in MongoDB."""

from collections.abc import Collection, Iterable, Sequence

from pymongo import ReplaceOne

from payouts import wire
from payouts.adapters.documents import Document, Documents
from payouts.domain.reward_standing import (
    Place,
    RewardClaim,
    RewardDelivery,
    RewardsAsOf,
)
from servicekit.mongo import Collection as MongoCollection
from servicekit.mongo import Database, Session, sorted_errors
from servicekit.streams import Streams

DELIVERIES = Documents(RewardDelivery)
CLAIMS = Documents(RewardClaim)


class MongoRewards:
    """`reward_deliveries` and `reward_claims`; how far they are known is in the rows of streams."""

    def __init__(self, database: Database, session: Session, streams: Streams) -> None:
        self._deliveries = database.collection("reward_deliveries")
        self._claims = database.collection("reward_claims")
        self._session = session
        self._streams = streams

    async def heard(self, campaign_id: str) -> RewardsAsOf:
        return await heard_of(self._streams, campaign_id)

    async def deliveries(self, places: Collection[Place]) -> dict[Place, RewardDelivery]:
        rows = await self._find(self._deliveries, "_id", [_joined(place) for place in places])
        found = [DELIVERIES.value(row) for row in rows]
        return {(one.campaign_id, one.reward_id, one.backer_id): one for one in found}

    async def save_deliveries(self, deliveries: Sequence[RewardDelivery]) -> None:
        documents = [
            DELIVERIES.document(_joined((one.campaign_id, one.reward_id, one.backer_id)), one)
            for one in deliveries
        ]
        await self._save(self._deliveries, documents)

    async def claims(
        self, names: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], RewardClaim]:
        rows = await self._find(self._claims, "_id", [_joined(name) for name in names])
        found = [CLAIMS.value(row) for row in rows]
        return {(one.campaign_id, one.claim_id): one for one in found}

    async def claims_about(self, pledge_ids: Collection[str]) -> list[RewardClaim]:
        rows = await self._find(self._claims, "pledge_id", list(pledge_ids))
        return [CLAIMS.value(row) for row in rows]

    async def open_claims(self, campaign_id: str) -> int:
        # The ids of a campaign's claims are behind its own and a separator, and nobody else's are.
        ours = {"$gte": _joined([campaign_id, ""]), "$lt": _joined([campaign_id]) + "}"}
        with sorted_errors():
            return await self._claims.count_documents(
                {"_id": ours, "ended": None}, session=self._session
            )

    async def save_claims(self, claims: Sequence[RewardClaim]) -> None:
        documents = [
            CLAIMS.document(_joined((one.campaign_id, one.claim_id)), one) for one in claims
        ]
        await self._save(self._claims, documents)

    async def _find(
        self, collection: MongoCollection, field: str, values: list[str]
    ) -> list[Document]:
        if not values:
            return []
        with sorted_errors():
            cursor = collection.find({field: {"$in": values}}, session=self._session)
            rows: list[Document] = await cursor.to_list(None)
        return rows

    async def _save(self, collection: MongoCollection, documents: Iterable[Document]) -> None:
        writes = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents]
        if writes:
            with sorted_errors():
                await collection.bulk_write(writes, ordered=False, session=self._session)


async def heard_of(streams: Streams, campaign_id: str) -> RewardsAsOf:
    """Return how far a campaign's facts are known, by the rows of the two groups."""
    deliveries, claims = [
        (await streams.load(group, topic, [campaign_id]))[campaign_id]
        for topic, group in (
            (wire.DELIVERIES_TOPIC, wire.DELIVERIES_GROUP),
            (wire.CLAIMS_TOPIC, wire.CLAIM_STANDINGS_GROUP),
        )
    ]
    return RewardsAsOf(deliveries.last_sequence, claims.last_sequence)


def _joined(names: Iterable[str]) -> str:
    """Return an id that no other names give, whatever is in them."""
    return "|".join(name.replace("%", "%25").replace("|", "%7C") for name in names)
