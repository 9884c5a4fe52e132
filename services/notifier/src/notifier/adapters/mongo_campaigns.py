"""Whose campaigns are, and what they are called, in MongoDB."""

from collections.abc import Collection, Mapping, Sequence

from pymongo import UpdateOne

from servicekit.mongo import Database, Session, sorted_errors


class MongoCreators:
    """`creators`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._creators = database.collection("creators")
        self._session = session

    async def add(self, creators: Mapping[str, str]) -> None:
        if not creators:
            return
        writes = [
            UpdateOne({"_id": campaign}, {"$setOnInsert": {"creator_id": creator}}, upsert=True)
            for campaign, creator in creators.items()
        ]
        with sorted_errors():
            await self._creators.bulk_write(writes, ordered=False, session=self._session)

    async def set_teams(self, teams: Mapping[str, Sequence[str]]) -> None:
        if not teams:
            return
        writes = [
            UpdateOne({"_id": campaign}, {"$set": {"team": list(members)}})
            for campaign, members in teams.items()
        ]
        with sorted_errors():
            await self._creators.bulk_write(writes, session=self._session)

    async def team(self, campaign_id: str) -> list[str] | None:
        with sorted_errors():
            row = await self._creators.find_one({"_id": campaign_id}, session=self._session)
        return [row["creator_id"], *row.get("team", ())] if row else None


class MongoTitles:
    """`ports.unit.Titles` over the collection `titles`, one document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._titles = database.collection("titles")
        self._session = session

    async def add(self, titles: Mapping[str, str]) -> None:
        if not titles:
            return
        writes = [
            UpdateOne({"_id": campaign}, {"$setOnInsert": {"title": title}}, upsert=True)
            for campaign, title in titles.items()
        ]
        with sorted_errors():
            await self._titles.bulk_write(writes, ordered=False, session=self._session)

    async def load(self, campaign_ids: Collection[str]) -> dict[str, str]:
        with sorted_errors():
            cursor = self._titles.find({"_id": {"$in": list(campaign_ids)}}, session=self._session)
            return {row["_id"]: row["title"] for row in await cursor.to_list(None)}
