"""What goes in and out about reports over HTTP: nowhere who made one."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from updates.domain.report import WORDS_MAX, Case, Report
from updates.http.models import Body, OwnSecret

Reason = Literal["spam", "abuse", "personal_data", "illegal", "off_topic", "other"]
NumberBefore = Annotated[int | None, Query(ge=1, description="`next_before` of the page before.")]


class ReportBody(Body):
    """Why it should not be read; the words are for staff alone."""

    reason: Reason
    words: Annotated[str, Field(max_length=WORDS_MAX)] = ""


class GuestReportBody(ReportBody):
    """The same by somebody without an account, who makes a receipt and keeps it.

    The same again, under the same receipt, says what became of it; nobody can find it otherwise.
    """

    receipt: OwnSecret


class DismissalBody(Body):
    """Why it stays; whoever reported it reads that."""

    words: Annotated[str, Field(min_length=1, max_length=WORDS_MAX)]


class OwnReportView(BaseModel):
    """One's own report, and what became of it: `open`, `hidden`, or `dismissed` with words."""

    reason: str
    words: str
    reported_at: datetime
    state: str
    answer: str | None
    answered_at: datetime | None


class CaseView(BaseModel):
    """All reports of one thing that no decision answers: how many, why, since when.

    `guests` of them were made without an account.
    """

    campaign_id: str
    update_id: str
    comment_id: str | None
    state: str
    reported_at: datetime
    count: int
    guests: int
    reasons: dict[str, int]


class CasePage(BaseModel):
    items: list[CaseView]
    next_cursor: str | None


class GivenReportView(BaseModel):
    """A report as staff read it."""

    number: int
    reason: str
    words: str
    reported_at: datetime


class GivenReportPage(BaseModel):
    items: list[GivenReportView]
    next_before: int | None


def own_report_view(case: Case, report: Report) -> OwnReportView:
    answer = case.answer_to(report)
    return OwnReportView(
        reason=report.reason.value,
        words=report.words,
        reported_at=report.at,
        state=answer.state.value if answer else "open",
        answer=answer.words or None if answer else None,
        answered_at=answer.at if answer else None,
    )


def case_view(case: Case) -> CaseView:
    return CaseView(
        campaign_id=case.thing.campaign_id,
        update_id=case.thing.update_id,
        comment_id=case.thing.comment_id,
        state=case.state.value,
        reported_at=case.reported_at,
        count=case.count,
        guests=case.guests,
        reasons={reason.value: count for reason, count in sorted(case.reasons.items())},
    )


def given_report_view(report: Report) -> GivenReportView:
    return GivenReportView(
        number=report.number,
        reason=report.reason.value,
        words=report.words,
        reported_at=report.at,
    )
