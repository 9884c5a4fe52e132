"""Reports and their cases in memory."""

from dataclasses import replace
from datetime import datetime

from servicekit.errors import DuplicateKey
from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.report import Case, CaseState, Report, Thing
from updates.ports.reports import Waiting


class MemoryReports:
    def __init__(self, database: MemoryDatabase) -> None:
        self._reports: dict[tuple[Thing, str], Report] = database.table("reports")
        self._cases: dict[Thing, Case] = database.table("report_cases")

    async def load(self, thing: Thing, reporter_id: str) -> Report | None:
        return self._reports.get((thing, reporter_id))

    async def report(self, thing: Thing, reporter_id: str) -> Report | None:
        return await self.load(thing, reporter_id)

    async def made_at(self, reporter_id: str, reports_ago: int) -> datetime | None:
        mine = (one for one in self._reports.values() if one.reporter_id == reporter_id)
        times = sorted(one.at for one in mine)
        return times[-1 - reports_ago] if reports_ago < len(times) else None

    async def add(self, report: Report) -> None:
        name = (report.thing, report.reporter_id)
        if name in self._reports:
            raise DuplicateKey(str(name))
        self._reports[name] = report

    async def forget_words(self, reporter_id: str, until: datetime) -> None:
        for name, one in list(self._reports.items()):
            if one.reporter_id == reporter_id and one.at <= until:
                self._reports[name] = replace(one, words="")

    async def case(self, thing: Thing) -> Case | None:
        return self._cases.get(thing)

    async def save(self, case: Case) -> None:
        save_versioned(self._cases, case.thing, case)

    async def cases_waiting(self, after: tuple[datetime, Thing] | None, limit: int) -> list[Case]:
        open_ones = [one for one in self._cases.values() if one.state is CaseState.OPEN]
        found = sorted(open_ones, key=lambda one: _place(one.reported_at, one.thing))
        behind = _place(*after) if after else None
        return [
            one for one in found if behind is None or _place(one.reported_at, one.thing) > behind
        ][:limit]

    async def reports(self, thing: Thing, before: int | None, limit: int) -> list[Report]:
        found = [
            one
            for one in self._reports.values()
            if one.thing == thing and (before is None or one.number < before)
        ]
        return sorted(found, key=lambda one: one.number, reverse=True)[:limit]

    async def waiting(self) -> Waiting:
        found = await self.cases_waiting(None, len(self._cases))
        return Waiting(len(found), found[0].reported_at if found else None)


def _place(at: datetime, thing: Thing) -> tuple[datetime, str]:
    return at, f"{thing.campaign_id}|{thing.update_id}|{thing.comment_id or ''}"
