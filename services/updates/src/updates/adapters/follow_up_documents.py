"""The shape of what a campaign owes in words: instants as dates, words as in the domain."""

from dataclasses import asdict
from typing import Any

from updates.domain.follow_up import FollowUp, LetterOwed, Silence
from updates.domain.kinds import Severity
from updates.domain.problem import Grade, Problem, ProblemKind
from updates.domain.steps import Steps

Document = dict[str, Any]


def follow_up_document(follow_up: FollowUp) -> Document:
    row = asdict(follow_up)
    del row["campaign_id"]
    # What the staff's queue is sorted by follows from the rest, and is never read back.
    queued = {"staff_since": follow_up.staff_since}
    return {"_id": follow_up.campaign_id} | row | {"problems": list(row["problems"])} | queued


def follow_up_from(row: Document) -> FollowUp:
    letter, silence = row["letter"], row["silence"]
    return FollowUp(
        campaign_id=row["_id"],
        problems=tuple(_problem(problem) for problem in row["problems"]),
        letter=LetterOwed(**letter | {"steps": Steps(**letter["steps"])}) if letter else None,
        silence=Silence(**silence | {"steps": Steps(**silence["steps"])}) if silence else None,
        last_said_at=row["last_said_at"],
        next_due=row["next_due"],
        version=row["version"],
    )


def _problem(row: Document) -> Problem:
    term, grade = row["term"], row["grade"]
    words = {
        "kind": ProblemKind(row["kind"]),
        "severity": _severity(row["severity"]),
        "term": Steps(**term) if term else None,
        "grade": _grade(grade) if grade else None,
    }
    return Problem(**row | words)


def _grade(row: Document) -> Grade:
    kind, severity = ProblemKind(row["kind"]), _severity(row["severity"])
    return Grade(**row | {"kind": kind, "severity": severity})


def _severity(word: str | None) -> Severity | None:
    return Severity(word) if word else None
