"""Letters of relaunches in MongoDB."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from servicekit.documents import read_as
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.mongo_stores import save_versioned
from updates.adapters.mongo_surveys import question_document, question_from
from updates.domain.relaunch_letter import (
    LetterRevision,
    LetterText,
    RelaunchLetter,
    SurveySaid,
)
from updates.domain.survey_results import Tally

Document = dict[str, Any]


class MongoRelaunchLetters:
    """The collection `relaunch_letters`, a document per campaign."""

    def __init__(self, database: Database, session: Session) -> None:
        self._letters = database.collection("relaunch_letters")
        self._session = session

    async def load(self, campaign_id: str) -> RelaunchLetter | None:
        with sorted_errors():
            row = await self._letters.find_one({"_id": campaign_id}, session=self._session)
        return letter_from(row) if row else None

    async def save(self, letter: RelaunchLetter) -> None:
        saved = replace(letter, version=letter.version + 1)
        await save_versioned(self._letters, self._session, [letter_document(saved)])


def letter_document(letter: RelaunchLetter) -> Document:
    return {
        "_id": letter.campaign_id,
        "version": letter.version,
        "relaunch_of": letter.relaunch_of,
        "revisions": [asdict(one) for one in letter.revisions],
        "said": [
            {**asdict(one), "tallies": [_tally_document(tally) for tally in one.tallies]}
            for one in letter.said
        ],
    }


def letter_from(row: Document) -> RelaunchLetter:
    return RelaunchLetter(
        campaign_id=row["_id"],
        relaunch_of=row["relaunch_of"],
        revisions=tuple(_revision_from(one) for one in row["revisions"]),
        said=tuple(_said_from(one) for one in row["said"]),
        version=row["version"],
    )


def _revision_from(row: Document) -> LetterRevision:
    texts = tuple(read_as(LetterText, text) for text in row["texts"])
    return read_as(LetterRevision, row, texts=texts, surveys=tuple(row["surveys"]))


def _said_from(row: Document) -> SurveySaid:
    return read_as(SurveySaid, row, tallies=tuple(_tally_from(one) for one in row["tallies"]))


def _tally_document(tally: Tally) -> Document:
    return {
        "question": question_document(tally.question),
        "answers": tally.answers,
        # An option may hold a dot, which MongoDB reads in a field's name as a path.
        "counts": [{"value": value, "count": count} for value, count in tally.counts.items()],
        "hidden": tally.hidden,
    }


def _tally_from(row: Document) -> Tally:
    return Tally(
        question=question_from(row["question"]),
        answers=row["answers"],
        counts=Counter({one["value"]: one["count"] for one in row["counts"]}),
        hidden=row["hidden"],
    )
