"""A link that shows one update for backers to whoever has it, until it ends or is taken back.

Who may read an update stays what it was at its publication: a guest who has no link any more reads
nothing, and whoever reads by one does nothing else (decision 0043).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from updates.domain.errors import Refused
from updates.domain.update import Update, UpdateState, Visibility

LINKS_MAX = 50
AHEAD_MAX = timedelta(days=90)
NOTE_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class ShareLink:
    """One link; `note` says to the team for whom it was made. `version` guards every save."""

    campaign_id: str
    update_id: str
    link_id: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    note: str = ""
    revoked_by: str | None = None
    revoked_at: datetime | None = None
    version: int = 0

    def opens(self, now: datetime) -> bool:
        """Whether it shows the update."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Uses:
    """How often an update was read by a link, and how often in the hour of `last_at`."""

    total: int = 0
    in_hour: int = 0
    last_at: datetime | None = None

    def at(self, now: datetime) -> "Uses":
        """Return what they come to with another one now."""
        same_hour = self.last_at is not None and hour_of(self.last_at) == hour_of(now)
        return Uses(self.total + 1, self.in_hour + 1 if same_hour else 1, now)


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def make(update: Update, known: Sequence[ShareLink], wanted: ShareLink, now: datetime) -> ShareLink:
    """Return the link; the same again under its id is the same, whatever became of it."""
    for link in known:
        if link.link_id == wanted.link_id:
            if (link.expires_at, link.note) != (wanted.expires_at, wanted.note):
                raise Refused("link-exists", "this id stands for another link")
            return link
    if update.state is not UpdateState.PUBLISHED:
        raise Refused("not-published", "what is not published is shown to nobody")
    if update.content.visibility is Visibility.PUBLIC:
        raise Refused("public-already", "everybody reads it without a link")
    if not now < wanted.expires_at <= now + AHEAD_MAX:
        raise Refused("invalid-time", f"a link ends ahead, and within {AHEAD_MAX.days} days")
    if len(wanted.note) > NOTE_CHARACTERS_MAX:
        raise Refused("invalid-text", f"a note has at most {NOTE_CHARACTERS_MAX} characters")
    if len(known) >= LINKS_MAX:
        raise Refused("too-many-links", f"an update has at most {LINKS_MAX} links")
    return wanted


def revoke(link: ShareLink, by: str, now: datetime) -> ShareLink:
    """Take it back; taken back already is the same, whoever asks."""
    if link.revoked_at is not None:
        return link
    return replace(link, revoked_by=by, revoked_at=now)
