"""From the domain to what people see, and back."""

from dataclasses import asdict
from datetime import UTC, datetime

from servicekit.problems import Problem
from updates.domain.errors import Refused
from updates.domain.project import Project
from updates.domain.update import Content, Update, UpdateKind, UpdateText, Visibility
from updates.http.models import (
    AsOfView,
    AudienceView,
    DraftBody,
    FiguresView,
    ProjectView,
    TextBody,
    UpdateView,
)

_NOT_FOUND = frozenset({"campaign-unknown", "update-unknown"})
_INVALID = frozenset({"no-text", "duplicate-language", "invalid-title", "invalid-details"})


def problem(refusal: Refused) -> Problem:
    """Turn a refusal of the rules into the answer for the caller."""
    status = 404 if refusal.reason in _NOT_FOUND else 422 if refusal.reason in _INVALID else 409
    return Problem(status, refusal.reason, "Refused by the rules of updates", refusal.detail)


def content_from(body: DraftBody, author_id: str) -> Content:
    return Content(
        author_id=author_id,
        kind=UpdateKind(body.kind),
        visibility=Visibility(body.visibility),
        texts=tuple(UpdateText(text.language, text.title, text.details) for text in body.texts),
    )


def update_view(update: Update) -> UpdateView:
    content = update.content
    return UpdateView(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        author_id=content.author_id,
        kind=content.kind.value,
        visibility=content.visibility.value,
        texts=[TextBody(**asdict(text)) for text in content.texts],
        state=update.state.value,
        drafted_at=update.drafted_at,
        published_at=update.published_at,
        audience=AudienceView(**asdict(update.audience)) if update.audience else None,
        url=update.url,
    )


def cursor_of(update: Update) -> str:
    """Return the cursor of the page behind this update."""
    assert update.published_at is not None
    return f"{update.published_at.isoformat()}~{update.update_id}"


def place_of(cursor: str) -> tuple[datetime, str] | None:
    """Read a cursor back; raises a problem for one that is not ours."""
    if not cursor:
        return None
    at, _, update_id = cursor.partition("~")
    try:
        found = datetime.fromisoformat(at)
        # The database keeps UTC, where the first and the last hours of all time have no place.
        instant = found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None or not update_id:
        raise Problem(422, "invalid-cursor", "The cursor is not one of ours")
    return instant, update_id


def project_view(project: Project, updates: list[Update]) -> ProjectView:
    profile, figures = project.profile, project.figures
    assert profile is not None
    return ProjectView(
        campaign_id=project.campaign_id,
        creator_id=profile.creator_id,
        title=profile.title,
        goal=profile.goal,
        deadline=profile.deadline,
        verdict=project.verdict.value if project.verdict else None,
        backers=project.backers,
        figures=FiguresView(
            currency=profile.currency,
            held=figures.held,
            **asdict(figures),
        ),
        as_of={t: AsOfView(sequence=a.sequence, at=a.at) for t, a in project.as_of.items()},
        updates=[update_view(update) for update in updates],
    )
