"""Updates' stores in memory; `test_stores.py` holds them and the real ones to one suite."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from servicekit.clock import Clock
from servicekit.errors import DuplicateKey
from servicekit.memory import MemoryDatabase
from servicekit.units import MemoryUnitsOfWork, Plumbing
from services.updates.tests.fakes_appeals import MemoryAppeals
from services.updates.tests.fakes_claims import MemoryClaims, MemoryPledges
from services.updates.tests.fakes_codes import MemoryCodes
from services.updates.tests.fakes_comments import MemoryComments
from services.updates.tests.fakes_follow_ups import (
    MemoryAskers,
    MemoryFollowUpQueries,
    MemoryFollowUps,
)
from services.updates.tests.fakes_media import MemoryMediaRows
from services.updates.tests.fakes_milestones import MemoryMilestones
from services.updates.tests.fakes_plans import MemoryPlans
from services.updates.tests.fakes_project_parts import MemoryProjectParts
from services.updates.tests.fakes_questionnaires import (
    MemoryAddressExports,
    MemoryQuestionnaires,
    MemoryRewardReplies,
)
from services.updates.tests.fakes_relaunch_letters import MemoryRelaunchLetters
from services.updates.tests.fakes_reports import MemoryReports
from services.updates.tests.fakes_saving import save_versioned
from services.updates.tests.fakes_share_links import MemoryShareLinks
from services.updates.tests.fakes_surveys import (
    MemoryAnswers,
    MemoryAskedBackers,
    MemorySurveys,
)
from services.updates.tests.fakes_tracking import (
    MemoryOwedRewards,
    MemoryRewardTrackings,
    MemoryTrackings,
)
from services.updates.tests.fakes_view import MemoryViewGate
from updates import wire
from updates.adapters.facts import OutboxFacts
from updates.domain.correction import Revision
from updates.domain.project import Project
from updates.domain.sight import EVERYTHING, Sight
from updates.domain.update import Update, UpdateState
from updates.ports.unit import Holding, Joined, UpdatesUnit


class MemoryProjects:
    def __init__(self, database: MemoryDatabase) -> None:
        self._projects: dict[str, Project] = database.table("projects")

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Project]:
        return {one: self._projects[one] for one in campaign_ids if one in self._projects}

    async def save(self, projects: Sequence[Project]) -> None:
        for project in projects:
            save_versioned(self._projects, project.campaign_id, project)


class MemoryBackers:
    def __init__(self, database: MemoryDatabase) -> None:
        self._backers: dict[tuple[str, str], Holding] = database.table("backers")
        self._joined: dict[tuple[str, str], int] = database.table("joined")

    async def known(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Holding]:
        return {pair: self._backers[pair] for pair in pairs if pair in self._backers}

    async def hold(self, pledges: Mapping[tuple[str, str], Holding]) -> None:
        self._backers.update(pledges)

    async def add(self, joined: Mapping[tuple[str, str], Joined]) -> None:
        for pair, one in joined.items():
            if pair in self._backers:
                raise DuplicateKey(pair[1])
            self._backers[pair] = one.holding
            self._joined[pair] = one.sequence


class MemoryReturns:
    def __init__(self, database: MemoryDatabase) -> None:
        self._returns: dict[str, bool] = database.table("returns")

    async def known(self, refund_ids: Collection[str]) -> set[str]:
        return set(refund_ids) & set(self._returns)

    async def add(self, refund_ids: Sequence[str]) -> None:
        self._returns.update(dict.fromkeys(refund_ids, True))

    async def remove(self, refund_ids: Sequence[str]) -> None:
        for refund_id in refund_ids:
            self._returns.pop(refund_id, None)


class MemoryUpdates:
    def __init__(self, database: MemoryDatabase) -> None:
        self._updates: dict[str, Update] = database.table("updates")

    async def load(self, campaign_id: str, update: str) -> Update | None:
        return self._updates.get(f"{campaign_id}|{update}")

    async def save(self, update: Update) -> None:
        save_versioned(self._updates, f"{update.campaign_id}|{update.update_id}", update)


class MemoryRevisions:
    def __init__(self, database: MemoryDatabase) -> None:
        self._revisions: dict[tuple[str, str, int], Revision] = database.table("revisions")

    async def add(self, revision: Revision) -> None:
        name = (revision.campaign_id, revision.update_id, revision.number)
        if name in self._revisions:
            raise DuplicateKey(str(name))
        self._revisions[name] = revision


class MemoryQueries(MemoryFollowUpQueries, MemoryProjectParts):
    def __init__(self, database: MemoryDatabase) -> None:
        MemoryFollowUpQueries.__init__(self, database)
        MemoryProjectParts.__init__(self, database)
        self._projects: dict[str, Project] = database.table("projects")
        self._updates: dict[str, Update] = database.table("updates")
        self._backers: dict[tuple[str, str], Holding] = database.table("backers")
        self._revisions: dict[tuple[str, str, int], Revision] = database.table("revisions")

    async def project(self, campaign_id: str) -> Project | None:
        return self._projects.get(campaign_id)

    async def update(self, campaign_id: str, update: str) -> Update | None:
        return self._updates.get(f"{campaign_id}|{update}")

    async def rewards_of(self, campaign_id: str, person_id: str) -> frozenset[str] | None:
        holding = self._backers.get((campaign_id, person_id))
        return None if holding is None else frozenset(holding) - {""}

    async def revisions(
        self, campaign_id: str, update: str, before: int | None, limit: int, *, corrections: bool
    ) -> list[Revision]:
        found = [
            one
            for name, one in sorted(self._revisions.items(), reverse=True)
            if name[:2] == (campaign_id, update) and (one.correction or not corrections)
        ]
        return [one for one in found if before is None or one.number < before][:limit]

    async def published(
        self,
        campaign_id: str,
        before: tuple[datetime, str] | None,
        limit: int,
        sight: Sight,
    ) -> list[Update]:
        found = [
            (one.published_at, one.update_id, one)
            for one in self._updates.values()
            if one.campaign_id == campaign_id
            and one.state is UpdateState.PUBLISHED
            and sight.shows(one.content)
            and (sight == EVERYTHING or not one.hidden)
            and one.published_at is not None
        ]
        return _behind(found, before, limit)

    async def drafts(
        self, campaign_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> list[Update]:
        waiting = {UpdateState.DRAFT, UpdateState.SCHEDULED}
        found = [
            (one.drafted_at, one.update_id, one)
            for one in self._updates.values()
            if one.campaign_id == campaign_id and one.state in waiting
        ]
        return _behind(found, before, limit)

    async def due_updates(self, now: datetime, limit: int, skip: int = 0) -> list[tuple[str, str]]:
        return [(one.campaign_id, one.update_id) for at, one in self._dues() if at <= now][
            skip : skip + limit
        ]

    async def oldest_due_update(self) -> datetime | None:
        return next((at for at, _ in self._dues()), None)

    async def overdue_updates(self, by: datetime) -> int:
        scheduled = [one.schedule for one in self._updates.values() if one.schedule]
        return sum(schedule.publish_at <= by for schedule in scheduled)

    def _dues(self) -> list[tuple[datetime, Update]]:
        dues = [(one.schedule.next_due, one) for one in self._updates.values() if one.schedule]
        return sorted(dues, key=lambda due: due[0])


def _behind(
    found: list[tuple[datetime, str, Update]], before: tuple[datetime, str] | None, limit: int
) -> list[Update]:
    places = sorted(found, key=lambda place: place[:2], reverse=True)
    return [one for at, name, one in places if before is None or (at, name) < before][:limit]


def memory_units(database: MemoryDatabase, clock: Clock) -> MemoryUnitsOfWork[UpdatesUnit]:
    """Return units of work over the memory database."""

    def bind(tables: MemoryDatabase, plumbing: Plumbing) -> UpdatesUnit:
        return UpdatesUnit(
            plumbing=plumbing,
            projects=MemoryProjects(tables),
            backers=MemoryBackers(tables),
            returns=MemoryReturns(tables),
            updates=MemoryUpdates(tables),
            pledges=MemoryPledges(tables),
            claims=MemoryClaims(tables),
            follow_ups=MemoryFollowUps(tables),
            askers=MemoryAskers(tables),
            surveys=MemorySurveys(tables),
            answers=MemoryAnswers(tables),
            asked=MemoryAskedBackers(tables),
            plans=MemoryPlans(tables),
            revisions=MemoryRevisions(tables),
            comments=MemoryComments(tables),
            reports=MemoryReports(tables),
            appeals=MemoryAppeals(tables),
            view=MemoryViewGate(tables),
            questionnaires=MemoryQuestionnaires(tables),
            replies=MemoryRewardReplies(tables),
            exports=MemoryAddressExports(tables),
            trackings=MemoryTrackings(tables),
            rewards=MemoryRewardTrackings(tables),
            owed=MemoryOwedRewards(tables),
            milestones=MemoryMilestones(tables),
            codes=MemoryCodes(tables),
            media=MemoryMediaRows(tables),
            letters=MemoryRelaunchLetters(tables),
            share_links=MemoryShareLinks(tables),
            facts=OutboxFacts(plumbing.outbox, wire.draft),
        )

    return MemoryUnitsOfWork(database, clock, bind)
