"""From the domain to what people see, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from servicekit.cursors import cursor_of
from updates.domain.correction import Revision
from updates.domain.errors import Refused
from updates.domain.follow_up import FollowUp
from updates.domain.hiding import Hiding
from updates.domain.kinds import PARTS, News, Parts, UpdateKind
from updates.domain.problem import emergency_open
from updates.domain.update import Audience, Content, Update, UpdateState, UpdateText, Visibility
from updates.domain.video_card import card_of
from updates.http.bodies import Draft
from updates.http.models import (
    AudienceView,
    HidingView,
    LinkView,
    PreviewView,
    RevisionView,
    ShownText,
    TextBody,
    UpdateView,
    VideoView,
)
from updates.wire.markdown import MARKS_MAX, has_image, has_too_many_marks, html, links

_PARTS: dict[UpdateKind, TypeAdapter[Parts]] = {
    kind: TypeAdapter(parts) for kind, parts in PARTS.items()
}


def content_from(body: Draft, author_id: str) -> Content:
    for text in body.texts:
        check_markdown(text.details, *text.sections.values())
    return Content(
        author_id=author_id,
        parts=_PARTS[UpdateKind(body.kind)].validate_python(body.parts.model_dump()),
        visibility=Visibility(body.visibility),
        texts=tuple(UpdateText(**dict(text)) for text in body.texts),
        resolves=tuple(body.resolves),
        rewards=tuple(body.rewards),
        attachments=tuple(body.attachments),
        videos=tuple(card_of(one.url, one.title) for one in body.videos),
    )


def check_markdown(*written: str) -> None:
    """Refuse what cannot be shown as its writer means it."""
    if any(has_too_many_marks(words) for words in written):
        detail = f"a text has at most {MARKS_MAX} marks of Markdown"
        raise Refused("too-many-marks", detail)
    if any(has_image(words) for words in written):
        detail = "an image in a text is another host's, who would learn who reads: attach it"
        raise Refused("image-in-text", detail)


def shown(text: UpdateText) -> ShownText:
    return ShownText(
        language=text.language,
        details_html=html(text.details),
        sections_html={section.value: html(words) for section, words in text.sections.items()},
    )


def update_view(update: Update, follow_up: FollowUp | None = None) -> UpdateView:
    """Show it; `follow_up` says whether what is scheduled waits for the end of an emergency."""
    content = update.content
    return UpdateView(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        author_id=content.author_id,
        kind=content.kind.value,
        visibility=content.visibility.value,
        parts=parts_view(content.parts, content.kind),
        texts=[TextBody(**asdict(text)) for text in content.texts],
        shown=[shown(text) for text in content.texts],
        resolves=list(content.resolves),
        rewards=list(content.rewards),
        attachments=list(content.attachments),
        videos=[VideoView(**asdict(one)) for one in content.videos],
        state=update.state.value,
        drafted_at=update.drafted_at,
        published_at=update.published_at,
        audience=AudienceView(**asdict(update.audience)) if update.audience else None,
        publish_at=update.schedule.publish_at if update.schedule else None,
        unscheduled_because=update.unscheduled_because,
        paused_because=_pause_of(update, follow_up),
        revision=update.revision,
        corrected_at=update.corrected_at,
        hidings=[hiding_view(one) for one in update.hidings] if update.hidden else [],
        url=update.url,
    )


def hiding_view(hiding: Hiding) -> HidingView:
    return HidingView(
        state=hiding.state.value,
        reason=hiding.statement.reason.value,
        facts=hiding.statement.facts,
        hidden_at=hiding.statement.at,
        appeal=hiding.appeal.words if hiding.appeal else None,
        ruling=hiding.ruling.words if hiding.ruling else None,
    )


def _pause_of(update: Update, follow_up: FollowUp | None) -> str | None:
    braked = follow_up is not None and emergency_open(follow_up.problems)
    return "emergency" if braked and update.state is UpdateState.SCHEDULED else None


def parts_view(parts: Parts, kind: UpdateKind) -> dict[str, Any]:
    found: dict[str, Any] = _PARTS[kind].dump_python(parts, mode="json", exclude_none=True)
    return found


def preview_view(update: Update, audience: Audience, by_reward: Mapping[str, int]) -> PreviewView:
    held = {reward: count for reward, count in by_reward.items() if count}
    return PreviewView(
        update=update_view(update),
        audience=AudienceView(**asdict(audience)),
        without_reward=held.pop("", 0),
        by_reward=held,
        links=_links(update.content),
    )


def _links(content: Content) -> list[LinkView]:
    """Return where its texts, its event and its cards lead to."""
    written = [words for t in content.texts for words in (t.details, *t.sections.values())]
    found = [LinkView(**asdict(one)) for words in written for one in links(words)]
    event = content.parts.event if isinstance(content.parts, News) else None
    if event is not None and event.link is not None:
        found.append(LinkView(url=event.link, words="", opens=True))
    found += [LinkView(url=one.url, words=one.title, opens=True) for one in content.videos]
    first: dict[str, LinkView] = {}
    for link in found:
        first.setdefault(link.url, link)
    return list(first.values())


def revision_view(revision: Revision) -> RevisionView:
    content = revision.content
    return RevisionView(
        number=revision.number,
        parts=parts_view(content.parts, content.kind),
        texts=[TextBody(**asdict(text)) for text in content.texts],
        shown=[shown(text) for text in content.texts],
        replaced_at=revision.replaced_at,
        reason=revision.reason,
        correction=revision.correction,
        changes=[change.value for change in revision.changes],
    )


def behind(update: Update) -> str:
    """Return the cursor of the page behind this update."""
    return cursor_of((update.published_at or update.drafted_at, update.update_id))
