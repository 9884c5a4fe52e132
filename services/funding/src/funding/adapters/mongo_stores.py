"""Campaigns and pledges in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pymongo import ReplaceOne

from funding.adapters.documents import (
    Document,
    campaign_document,
    campaign_from,
    held_document,
    held_from,
    pledge_document,
    pledge_from,
    team_document,
    team_from,
)
from funding.domain.campaign import Campaign
from funding.domain.held import Held
from funding.domain.pledge import PaymentMethod, Pledge, PledgeState
from funding.domain.team import Team
from servicekit.errors import Conflict
from servicekit.mongo import Database, Session, sorted_errors


class MongoCampaigns:
    """The collection `campaigns`, guarded by each document's version."""

    def __init__(self, database: Database, session: Session) -> None:
        self._campaigns = database.collection("campaigns")
        self._session = session

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Campaign]:
        with sorted_errors():
            cursor = self._campaigns.find(
                {"_id": {"$in": list(campaign_ids)}}, session=self._session
            )
            return {row["_id"]: campaign_from(row) for row in await cursor.to_list(None)}

    async def add(self, campaign: Campaign) -> None:
        with sorted_errors():
            await self._campaigns.insert_one(campaign_document(campaign), session=self._session)

    async def save(self, campaigns: Sequence[Campaign]) -> None:
        if not campaigns:
            return
        writes = [
            ReplaceOne(
                {"_id": campaign.campaign_id, "version": campaign.version},
                campaign_document(replace(campaign, version=campaign.version + 1)),
            )
            for campaign in campaigns
        ]
        with sorted_errors():
            result = await self._campaigns.bulk_write(writes, ordered=False, session=self._session)
        if result.matched_count != len(campaigns):
            raise Conflict("a campaign was saved by somebody else")


class MongoPledges:
    """The collection `pledges`; (provider, payment reference) is unique in it."""

    def __init__(self, database: Database, session: Session) -> None:
        self._pledges = database.collection("pledges")
        self._session = session
        self._absent: set[str] = set()

    async def load(self, pledge_ids: Collection[str]) -> dict[str, Pledge]:
        with sorted_errors():
            cursor = self._pledges.find({"_id": {"$in": list(pledge_ids)}}, session=self._session)
            found = {row["_id"]: pledge_from(row) for row in await cursor.to_list(None)}
        self._absent |= set(pledge_ids) - found.keys()
        return found

    async def by_reference(
        self, references: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], Pledge]:
        wanted = [reference_field(*reference) for reference in references]
        with sorted_errors():
            cursor = self._pledges.find({"reference": {"$in": wanted}}, session=self._session)
            pledges = [pledge_from(row) for row in await cursor.to_list(None)]
        return {(p.payment.provider, p.payment.payment_reference): p for p in pledges}

    async def save(self, pledges: Sequence[Pledge]) -> None:
        # What this transaction looked for in vain is new: inserting costs a quarter of an upsert.
        new = [_with_reference(pledge) for pledge in pledges if pledge.pledge_id in self._absent]
        self._absent -= {pledge.pledge_id for pledge in pledges}
        names = {document["_id"] for document in new}
        writes = [
            ReplaceOne({"_id": pledge.pledge_id}, _with_reference(pledge), upsert=True)
            for pledge in pledges
            if pledge.pledge_id not in names
        ]
        with sorted_errors():
            if new:
                await self._pledges.insert_many(new, ordered=False, session=self._session)
            if writes:
                await self._pledges.bulk_write(writes, ordered=False, session=self._session)

    async def last_pending(self, campaign_id: str) -> Mapping[PaymentMethod | None, datetime]:
        pending = {"campaign_id": campaign_id, "state": PledgeState.PENDING.value}
        youngest = {"_id": "$payment.method", "placed_at": {"$max": "$placed_at"}}
        with sorted_errors():
            groups: list[Document] = [{"$match": pending}, {"$group": youngest}]
            cursor = self._pledges.aggregate(groups, session=self._session)
            rows = await cursor.to_list(None)
        return {PaymentMethod(row["_id"]) if row["_id"] else None: row["placed_at"] for row in rows}


class MongoHeld:
    """The collection `held`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._held = database.collection("held")
        self._session = session

    async def load(self, campaign_id: str) -> Held | None:
        with sorted_errors():
            row = await self._held.find_one({"_id": campaign_id}, session=self._session)
        return held_from(row) if row else None

    async def save(self, held: Held) -> None:
        mine = {"_id": held.campaign_id}
        with sorted_errors():
            await self._held.replace_one(
                mine, held_document(held), upsert=True, session=self._session
            )

    async def remove(self, campaign_id: str) -> None:
        with sorted_errors():
            await self._held.delete_one({"_id": campaign_id}, session=self._session)


class MongoTeams:
    """The collection `teams`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._teams = database.collection("teams")
        self._session = session

    async def load(self, campaign_id: str) -> Team | None:
        with sorted_errors():
            row = await self._teams.find_one({"_id": campaign_id}, session=self._session)
        return team_from(row) if row else None

    async def save(self, team: Team) -> None:
        document = team_document(replace(team, version=team.version + 1))
        with sorted_errors():
            if team.version == 0:
                await self._teams.insert_one(document, session=self._session)
                return
            mine = {"_id": team.campaign_id, "version": team.version}
            result = await self._teams.replace_one(mine, document, session=self._session)
        if result.matched_count != 1:
            raise Conflict("the team was saved by somebody else")


def reference_field(provider: str, payment_reference: str) -> dict[str, str]:
    """Return the natural key of a payment as it stands in a pledge document."""
    return {"provider": provider, "payment_reference": payment_reference}


def _with_reference(pledge: Pledge) -> dict[str, object]:
    reference = reference_field(pledge.payment.provider, pledge.payment.payment_reference)
    return pledge_document(pledge) | {"reference": reference}
