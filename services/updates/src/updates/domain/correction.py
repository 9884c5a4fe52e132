"""Changing what is published: edited for a while, later only visible corrections.

Each change is a revision, and what the one before said is kept. Nothing is published anew, so
nobody is told the update twice (trap 10); a correction of a date, of a required part or of a
right is told once, as a correction.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from updates.domain.errors import Refused
from updates.domain.kinds import (
    SECTIONS,
    DeliveryNotice,
    Emergency,
    News,
    Parts,
    schedule_of,
)
from updates.domain.update import Audience, Content, Update, UpdateState, check_content

EDIT_WINDOW = timedelta(minutes=30)


class Change(StrEnum):
    """What a correction changes that people must be told of."""

    DATE = "date"
    REQUIRED_PART = "required_part"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Revision:
    """What an update said before it was changed, and what is said of the change.

    `correction` is false for an edit within the window, which is nobody's business.
    """

    campaign_id: str
    update_id: str
    number: int
    content: Content
    replaced_at: datetime
    replaced_by: str
    reason: str
    correction: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Correcting:
    """What is asked for; only whoever corrects can know that a right changes."""

    number: int
    content: Content
    reason: str
    changes_a_right: bool
    by: str


@dataclass(frozen=True, slots=True)
class UpdateCorrected:
    """The fact that a published update was changed; `audience` is whom a telling one is for."""

    update: Update
    revision: Revision
    audience: Audience

    @property
    def tells(self) -> bool:
        """Whether every backer is told of it."""
        return tells(self.revision)


def tells(revision: Revision) -> bool:
    """Whether every backer is told of the change that replaced this revision."""
    return revision.correction and bool(revision.changes)


def already_corrected(update: Update, asked: Correcting) -> bool:
    """Whether the update says just this, as of this revision."""
    content = replace(asked.content, author_id=update.content.author_id)
    return (update.revision, update.content) == (asked.number, content)


def correct(
    update: Update, asked: Correcting, now: datetime, window: timedelta = EDIT_WINDOW
) -> tuple[Update, Revision]:
    """Return the update as it says now, and what it said before; an edit until `window` is over."""
    if update.state is not UpdateState.PUBLISHED or update.published_at is None:
        raise Refused("not-published", "a draft is rewritten, not corrected")
    if asked.number != update.revision + 1:
        raise Refused("revision-taken", f"the next revision is {update.revision + 1}")
    content = replace(asked.content, author_id=update.content.author_id)
    check_content(content)
    _check_fixed(update.content, content)
    correction = now >= update.published_at + window
    if correction and not asked.reason.strip():
        raise Refused("reason-missing", "a correction says why")
    before = Revision(
        campaign_id=update.campaign_id,
        update_id=update.update_id,
        number=update.revision,
        content=update.content,
        replaced_at=now,
        replaced_by=asked.by,
        reason=asked.reason,
        correction=correction,
        changes=_changes(update.content, content, asked.changes_a_right),
    )
    changed = replace(
        update,
        content=content,
        revision=asked.number,
        corrected_at=now if correction else update.corrected_at,
    )
    return changed, before


def _check_fixed(before: Content, after: Content) -> None:
    """Refuse what was fixed at publication: its effects cannot be told differently."""
    if after == before:
        raise Refused("nothing-changed", "this is what it says already")
    fixed = (before.kind, before.visibility, before.rewards, before.resolves)
    if fixed != (after.kind, after.visibility, after.rewards, after.resolves):
        raise Refused("fixed-at-publication", "kind, readers and ended problems stay")
    if (before.attachments, before.videos) != (after.attachments, after.videos):
        raise Refused("fixed-at-publication", "attachments stay; a file can be withdrawn")
    if schedule_of(before.parts) != schedule_of(after.parts):
        raise Refused("fixed-at-publication", "dates of the plan move in an update of their own")
    if isinstance(before.parts, Emergency) and before.parts != after.parts:
        raise Refused("fixed-at-publication", "only staff raise or lower an emergency")


def _changes(before: Content, after: Content, a_right: bool) -> tuple[Change, ...]:
    found = set()
    if _dates(before.parts) != _dates(after.parts):
        found.add(Change.DATE)
    if _undated(before.parts) != _undated(after.parts) or _required(before) != _required(after):
        found.add(Change.REQUIRED_PART)
    if a_right:
        found.add(Change.RIGHT)
    return tuple(sorted(found))


def _dates(parts: Parts) -> object:
    match parts:
        case DeliveryNotice(estimated_on=day):
            return day
        case News(event=event):
            return (event.starts_at, event.ends_at) if event else None
        case _:
            return None


def _undated(parts: Parts) -> object:
    """Return the parts without their dates."""
    match parts:
        case DeliveryNotice(mode=mode, rewards=rewards):
            return mode, rewards
        case News(event=event):
            return (event.zone, event.place, event.link) if event else None
        case _:
            return parts


def _required(content: Content) -> object:
    rule = SECTIONS[content.kind]
    needed = rule.required | rule.one_of
    return {
        (text.language, section): text.sections.get(section)
        for text in content.texts
        for section in needed
    }
