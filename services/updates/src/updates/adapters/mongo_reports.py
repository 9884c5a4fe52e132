"""Reports by readers and their cases in MongoDB."""

from dataclasses import asdict, replace
from datetime import datetime

from servicekit.documents import read_as
from servicekit.mongo import Database, Document, Session, sorted_errors
from updates.adapters.document_ids import plain_id
from updates.adapters.mongo_stores import save_versioned
from updates.domain.hiding import HidingReason
from updates.domain.report import Case, CaseState, Decision, Report, Thing
from updates.ports.reports import Waiting


def thing_id(thing: Thing) -> str:
    """Return the name of a thing: an update's ends where that of its comments goes on."""
    return plain_id(thing.campaign_id, thing.update_id, thing.comment_id or "")


def case_document(case: Case) -> Document:
    return {
        "_id": thing_id(case.thing),
        **asdict(case),
        "state": case.state.value,
        "reasons": {reason.value: count for reason, count in case.reasons.items()},
        "decisions": [asdict(one) | {"state": one.state.value} for one in case.decisions],
    }


def case_from(row: Document) -> Case:
    decisions = [read_as(Decision, one, state=CaseState(one["state"])) for one in row["decisions"]]
    return Case(
        thing=read_as(Thing, row["thing"]),
        state=CaseState(row["state"]),
        reported_at=row["reported_at"],
        count=row["count"],
        reasons={HidingReason(reason): count for reason, count in row["reasons"].items()},
        guests=row.get("guests", 0),  # No release before this one kept it.
        total=row["total"],
        decisions=tuple(decisions),
        version=row["version"],
    )


def report_document(report: Report) -> Document:
    # No id of a thing holds the sign between them, so no two places have one name.
    name = plain_id(thing_id(report.thing), report.reporter_id)
    of = {"of": thing_id(report.thing), "reason": report.reason.value}
    return {"_id": name, **asdict(report), **of}


def report_from(row: Document) -> Report:
    values = {name: value for name, value in row.items() if name not in ("_id", "of")}
    values["thing"], values["reason"] = read_as(Thing, row["thing"]), HidingReason(row["reason"])
    return read_as(Report, values)


class MongoReports:
    """The collections `reports` and `report_cases`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._reports = database.collection("reports")
        self._cases = database.collection("report_cases")
        self._session = session

    async def load(self, thing: Thing, reporter_id: str) -> Report | None:
        name = plain_id(thing_id(thing), reporter_id)
        with sorted_errors():
            row = await self._reports.find_one({"_id": name}, session=self._session)
        return report_from(row) if row else None

    async def made_at(self, reporter_id: str, reports_ago: int) -> datetime | None:
        mine = {"reporter_id": reporter_id}
        with sorted_errors():
            cursor = self._reports.find(mine, {"at": 1}, session=self._session)
            rows = await cursor.sort("at", -1).skip(reports_ago).limit(1).to_list(None)
        return rows[0]["at"] if rows else None

    async def add(self, report: Report) -> None:
        with sorted_errors():
            await self._reports.insert_one(report_document(report), session=self._session)

    async def forget_words(self, reporter_id: str, until: datetime) -> None:
        before = {"reporter_id": reporter_id, "at": {"$lte": until}}
        with sorted_errors():
            await self._reports.update_many(before, {"$set": {"words": ""}}, session=self._session)

    async def case(self, thing: Thing) -> Case | None:
        with sorted_errors():
            row = await self._cases.find_one({"_id": thing_id(thing)}, session=self._session)
        return case_from(row) if row else None

    async def save(self, case: Case) -> None:
        saved = replace(case, version=case.version + 1)
        await save_versioned(self._cases, self._session, [case_document(saved)])


class MongoReportQueries:
    """`ports.reports.ReportQueries` over the same collections."""

    def __init__(self, database: Database) -> None:
        self._reports = database.collection("reports")
        self._cases = database.collection("report_cases")

    async def report(self, thing: Thing, reporter_id: str) -> Report | None:
        with sorted_errors():
            row = await self._reports.find_one({"_id": plain_id(thing_id(thing), reporter_id)})
        return report_from(row) if row else None

    async def case(self, thing: Thing) -> Case | None:
        with sorted_errors():
            row = await self._cases.find_one({"_id": thing_id(thing)})
        return case_from(row) if row else None

    async def cases_waiting(self, after: tuple[datetime, Thing] | None, limit: int) -> list[Case]:
        query: Document = {"state": CaseState.OPEN.value}
        if after is not None:
            at, thing = after
            same_instant = {"reported_at": at, "_id": {"$gt": thing_id(thing)}}
            # The range alone bounds what is read of the index, however deep the page.
            query["reported_at"] = {"$gte": at}
            query["$or"] = [{"reported_at": {"$gt": at}}, same_instant]
        oldest = [("reported_at", 1), ("_id", 1)]
        with sorted_errors():
            cursor = self._cases.find(query).sort(oldest).limit(limit)
            return [case_from(row) for row in await cursor.to_list(None)]

    async def reports(self, thing: Thing, before: int | None, limit: int) -> list[Report]:
        query: Document = {"of": thing_id(thing)}
        if before is not None:
            query["number"] = {"$lt": before}
        with sorted_errors():
            cursor = self._reports.find(query).sort("number", -1).limit(limit)
            return [report_from(row) for row in await cursor.to_list(None)]

    async def waiting(self) -> Waiting:
        first = await self.cases_waiting(None, 1)
        with sorted_errors():
            cases = int(await self._cases.count_documents({"state": CaseState.OPEN.value}))
        return Waiting(cases, first[0].reported_at if first else None)
