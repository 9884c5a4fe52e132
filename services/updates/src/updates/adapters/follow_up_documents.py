"""The shape of what a campaign owes in words: instants as dates, words as in the domain.

The release before knows every field of a problem and of steps by name, and reads no other: what is
newer stands in `noted`, beside them. What is newer than this one is left where it is.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from servicekit.documents import read_as
from updates.domain.follow_up import FollowUp, LetterOwed, Silence
from updates.domain.kinds import Severity
from updates.domain.problem import Grade, Problem, ProblemKind
from updates.domain.steps import Steps

Document = dict[str, Any]
Owed = TypeVar("Owed", LetterOwed, Silence)


def follow_up_document(follow_up: FollowUp) -> Document:
    row = asdict(follow_up)
    letter, silence = row["letter"], row["silence"]
    noted: Document = {
        "problems": [_noted_of(problem) for problem in row["problems"]],
        "letter_ended_at": letter["steps"].pop("ended_at") if letter else None,
        "silence_ended_at": silence["steps"].pop("ended_at") if silence else None,
    }
    # What the staff's queue is sorted by follows from the rest, and is never read back.
    beside = {"staff_since": follow_up.staff_since, "noted": noted}
    return {"_id": row.pop("campaign_id")} | row | {"problems": list(row["problems"])} | beside


def follow_up_from(row: Document) -> FollowUp:
    # The release before saves none; one of this release had them in their places.
    noted = row.get("noted", {})
    of_problems = {one["problem_id"]: one for one in noted.get("problems", [])}
    problems = [one | of_problems.get(one["problem_id"], {}) for one in row["problems"]]
    letter, silence = row["letter"], row["silence"]
    return FollowUp(
        campaign_id=row["_id"],
        problems=tuple(_problem(problem) for problem in problems),
        letter=_stepped(LetterOwed, letter, noted.get("letter_ended_at")) if letter else None,
        silence=_stepped(Silence, silence, noted.get("silence_ended_at")) if silence else None,
        last_said_at=row["last_said_at"],
        next_due=row["next_due"],
        version=row["version"],
    )


def _noted_of(problem: Document) -> Document:
    """Take out of a problem's fields what the release before does not know."""
    term = problem["term"]
    return {
        "problem_id": problem["problem_id"],
        "declared_promptly": problem.pop("declared_promptly"),
        "term_ended_at": term.pop("ended_at") if term else None,
    }


def _problem(row: Document) -> Problem:
    term, grade = row["term"], row["grade"]
    words = {
        "kind": ProblemKind(row["kind"]),
        "severity": _severity(row["severity"]),
        "term": _steps(term, row.get("term_ended_at")) if term else None,
        "grade": _grade(grade) if grade else None,
    }
    return read_as(Problem, row, **words)


def _stepped(kind: type[Owed], row: Document, ended_at: datetime | None) -> Owed:
    return read_as(kind, row, steps=_steps(row["steps"], ended_at))


def _steps(row: Document, ended_at: datetime | None) -> Steps:
    noted: Document = {"ended_at": ended_at}
    return read_as(Steps, noted | row)


def _grade(row: Document) -> Grade:
    kind, severity = ProblemKind(row["kind"]), _severity(row["severity"])
    return read_as(Grade, row, kind=kind, severity=severity)


def _severity(word: str | None) -> Severity | None:
    return Severity(word) if word else None
