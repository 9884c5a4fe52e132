"""Surveys, answers and who gave one in MongoDB (0031)."""

import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from pymongo import InsertOne

from servicekit.documents import read_as
from servicekit.errors import Conflict
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.claim_documents import Document
from updates.adapters.document_ids import plain_id
from updates.adapters.documents import audience_fields, audience_from
from updates.adapters.mongo_stores import save_versioned
from updates.domain.survey import (
    Form,
    Question,
    QuestionKind,
    Reminding,
    Survey,
    SurveyKind,
    SurveyState,
)
from updates.domain.survey_results import Answer
from updates.ports.surveys import SurveyPlace

# All of them are made when a survey opens, so that none tells by its age who answered first.
SHARES = 64


class MongoSurveys:
    """The collection `surveys`, and the empty shares of `participants` of an opened one."""

    def __init__(self, database: Database, session: Session) -> None:
        self._surveys = database.collection("surveys")
        self._participants = database.collection("participants")
        self._session = session

    async def load(self, campaign_id: str, survey_id: str) -> Survey | None:
        wanted = {"_id": plain_id(campaign_id, survey_id)}
        with sorted_errors():
            row = await self._surveys.find_one(wanted, session=self._session)
        return survey_from(row) if row else None

    async def save(self, survey: Survey) -> None:
        saved = replace(survey, version=survey.version + 1)
        await save_versioned(self._surveys, self._session, [survey_document(saved)])
        if survey.opened_at is not None and not survey.reminding.number:
            await self._make_shares((survey.campaign_id, survey.survey_id))

    async def _make_shares(self, place: SurveyPlace) -> None:
        wanted = {"_id": _share_id(place, 0)}
        with sorted_errors():
            if await self._participants.find_one(wanted, {"_id": 1}, session=self._session):
                return
            shares = [
                InsertOne({"_id": _share_id(place, n), "survey": plain_id(*place), "people": []})
                for n in range(SHARES)
            ]
            await self._participants.bulk_write(shares, session=self._session)


class MongoAnswers:
    """The collections `answers` and `participants`."""

    def __init__(self, database: Database, session: Session) -> None:
        self._answers = database.collection("answers")
        self._participants = database.collection("participants")
        self._surveys = database.collection("surveys")
        self._session = session

    async def has_answered(self, place: SurveyPlace, person_id: str) -> bool:
        share = {"_id": _share_of(place, person_id), "people": person_id}
        with sorted_errors():
            row = await self._participants.find_one(share, {"_id": 1}, session=self._session)
        return row is not None

    async def note_answered(self, place: SurveyPlace, person_id: str) -> None:
        share = {"_id": _share_of(place, person_id), "people": {"$ne": person_id}}
        # Sorted: the order in which people answered is nowhere.
        put = {"$push": {"people": {"$each": [person_id], "$sort": 1}}}
        with sorted_errors():
            result = await self._participants.update_one(share, put, session=self._session)
        if not result.matched_count:
            raise Conflict("somebody noted it meanwhile")

    async def silent(self, place: SurveyPlace, people: Sequence[str]) -> list[str]:
        among: Document = {"$setIntersection": ["$people", {"$literal": list(people)}]}
        asked: list[Document] = [
            {"$match": {"survey": plain_id(*place)}},
            {"$project": {"people": among}},
        ]
        with sorted_errors():
            rows = await self._participants.aggregate(asked, session=self._session).to_list(None)
        answered = {person for row in rows for person in row["people"]}
        return [person for person in people if person not in answered]

    async def count(self, place: SurveyPlace) -> int:
        counted: list[Document] = [
            {"$match": {"survey": plain_id(*place)}},
            {"$group": {"_id": None, "count": {"$sum": {"$size": "$people"}}}},
        ]
        with sorted_errors():
            rows = await self._participants.aggregate(counted, session=self._session).to_list(None)
        return int(rows[0]["count"]) if rows else 0

    async def load(self, place: SurveyPlace, key: str) -> Answer | None:
        wanted = {"_id": _answer_id(place, key)}
        with sorted_errors():
            row = await self._answers.find_one(wanted, session=self._session)
        return answer_from(row) if row else None

    async def named_of(self, people: Collection[str]) -> list[tuple[Survey, Answer]]:
        wanted = {"person": {"$type": "string", "$in": list(people)}}
        with sorted_errors():
            rows = await self._answers.find(wanted, session=self._session).to_list(None)
            of = {"_id": {"$in": sorted({row["survey"] for row in rows})}}
            found = await self._surveys.find(of, session=self._session).to_list(None)
        surveys = {row["_id"]: survey_from(row) for row in found}
        return [(surveys[row["survey"]], answer_from(row)) for row in rows]

    async def put(self, place: SurveyPlace, answer: Answer) -> None:
        document = {
            "_id": _answer_id(place, answer.key),
            "survey": plain_id(*place),
            "key": answer.key,
            "person": answer.person,
            **({"answered_at": answer.answered_at} if answer.answered_at else {}),
            # A question's id may hold a dot, which MongoDB would read as a path.
            "values": [
                {"question": question, "value": list(v) if isinstance(v, tuple) else v}
                for question, v in sorted(answer.values.items())
            ],
        }
        wanted = {"_id": document["_id"]}
        with sorted_errors():
            await self._answers.replace_one(wanted, document, upsert=True, session=self._session)


class MongoAskedBackers:
    """Backers and pledges as a survey asks for them."""

    def __init__(self, database: Database, session: Session) -> None:
        self._backers = database.collection("backers")
        self._pledges = database.collection("pledges")
        self._session = session

    async def joined(self, campaign_id: str, person_id: str) -> int | None:
        wanted = {"_id": plain_id(campaign_id, person_id), "pledges": {"$ne": 0}}
        with sorted_errors():
            row = await self._backers.find_one(wanted, {"joined": 1}, session=self._session)
        return row["joined"] if row else None

    async def keeps_a_pledge(self, campaign_id: str, person_id: str) -> bool:
        standing: Document = {
            "campaign_id": campaign_id,
            "promise.backer_id": person_id,
            "withdrawn": False,
            "emptied_by": [],
        }
        with sorted_errors():
            row = await self._pledges.find_one(standing, {"_id": 1}, session=self._session)
        return row is not None

    async def page(self, campaign_id: str, until: int, after: str, limit: int) -> list[str]:
        query = {
            # `}` stands behind `|`, so that this is the campaign's own stretch of ids.
            "_id": {"$gt": plain_id(campaign_id, after), "$lt": f"{campaign_id}}}"},
            "campaign_id": campaign_id,
            "joined": {"$lte": until},
            # How many is newer than some backers, who then count as holding one.
            "pledges": {"$ne": 0},
        }
        with sorted_errors():
            cursor = self._backers.find(query, {"_id": 1}, session=self._session)
            rows = await cursor.sort("_id", 1).limit(limit).to_list(None)
        return [row["_id"].removeprefix(f"{campaign_id}|") for row in rows]


class MongoSurveyQueries:
    """`ports.surveys.SurveyQueries` over the service's own collections."""

    def __init__(self, database: Database) -> None:
        self._surveys = database.collection("surveys")
        self._answers = database.collection("answers")

    async def survey(self, campaign_id: str, survey_id: str) -> Survey | None:
        with sorted_errors():
            row = await self._surveys.find_one({"_id": plain_id(campaign_id, survey_id)})
        return survey_from(row) if row else None

    async def surveys(
        self, campaign_id: str, after: str, limit: int, *, drafts: bool
    ) -> list[Survey]:
        query: Document = {"campaign_id": campaign_id, "survey_id": {"$gt": after}}
        if not drafts:
            query["state"] = {"$ne": SurveyState.DRAFT.value}
        with sorted_errors():
            cursor = self._surveys.find(query).sort("survey_id", 1).limit(limit)
            return [survey_from(row) for row in await cursor.to_list(None)]

    async def surveys_due(self, now: datetime | None, limit: int, skip: int = 0) -> list[Survey]:
        due: Document = {"$type": "date"} if now is None else {"$type": "date", "$lte": now}
        with sorted_errors():
            cursor = (
                self._surveys.find({"next_due": due}).sort("next_due", 1).skip(skip).limit(limit)
            )
            return [survey_from(row) for row in await cursor.to_list(None)]

    async def surveys_by_state(self) -> dict[SurveyState, int]:
        counted = [{"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        with sorted_errors():
            rows = await self._surveys.aggregate(counted).to_list(None)
        return {SurveyState(row["_id"]): row["count"] for row in rows}

    async def answers(self, place: SurveyPlace) -> AsyncIterator[Answer]:
        with sorted_errors():
            cursor = self._answers.find({"survey": plain_id(*place)}).sort("_id", 1)
            async for row in cursor:
                yield answer_from(row)


def survey_document(survey: Survey) -> Document:
    form = survey.form
    return {
        "_id": plain_id(survey.campaign_id, survey.survey_id),
        "version": survey.version,
        "campaign_id": survey.campaign_id,
        "survey_id": survey.survey_id,
        "author_id": survey.author_id,
        "form": {
            **asdict(form),
            "kind": form.kind.value,
            "questions": [question_document(one) for one in form.questions],
        },
        "state": survey.state.value,
        "drafted_at": survey.drafted_at,
        **audience_fields(survey.audience),
        "opened_at": survey.opened_at,
        "closed_at": survey.closed_at,
        "reminding": asdict(survey.reminding),
        "next_due": survey.next_due,
    }


def survey_from(row: Document) -> Survey:
    form = row["form"]
    return Survey(
        campaign_id=row["campaign_id"],
        survey_id=row["survey_id"],
        author_id=row["author_id"],
        form=read_as(
            Form,
            form,
            kind=SurveyKind(form["kind"]),
            questions=tuple(question_from(one) for one in form["questions"]),
        ),
        state=SurveyState(row["state"]),
        drafted_at=row["drafted_at"],
        audience=audience_from(row),
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        reminding=read_as(Reminding, row["reminding"]),
        next_due=row["next_due"],
        version=row["version"],
    )


def answer_from(row: Document) -> Answer:
    values = {
        one["question"]: tuple(one["value"]) if isinstance(one["value"], list) else one["value"]
        for one in row["values"]
    }
    return Answer(row["key"], values, row["person"], row.get("answered_at"))


def question_document(question: Question) -> Document:
    return {**asdict(question), "kind": question.kind.value, "options": list(question.options)}


def question_from(row: Document) -> Question:
    return read_as(Question, row, kind=QuestionKind(row["kind"]), options=tuple(row["options"]))


def _share_of(place: SurveyPlace, person_id: str) -> str:
    digest = hashlib.sha256(person_id.encode()).digest()
    return _share_id(place, digest[0] % SHARES)


def _share_id(place: SurveyPlace, number: int) -> str:
    return plain_id(*place, str(number))


def _answer_id(place: SurveyPlace, key: str) -> str:
    return plain_id(*place, key)
