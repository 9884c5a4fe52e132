"""Comments on an update (`domain.md` 6): by backers and the team, answers of one level, paced.

Nothing that was written is deleted: it is hidden as updates are, and a marker stays.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from updates.domain.after_failure import AFTER_FAILURE, has_failed, is_over_for_backers
from updates.domain.errors import Refused
from updates.domain.hiding import Hidings, forget_appeals, is_hidden
from updates.domain.project import Project
from updates.domain.update import Update, UpdateState

CHARACTERS_MAX = 2_000
# So many of one person in one campaign within so long: more is no conversation.
PACE, PACE_WINDOW = 10, timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment; `answers` is another one's id, `version` the guard of every save.

    `erased_at` says that its writer was erased then: its words are gone, its place stays.
    """

    campaign_id: str
    update_id: str
    comment_id: str
    author_id: str
    by_team: bool
    text: str
    written_at: datetime
    answers: str | None = None
    hidings: Hidings = ()
    version: int = 0
    erased_at: datetime | None = None

    @property
    def readable(self) -> bool:
        """Whether its words and its writer are shown."""
        return not self.hidden and self.erased_at is None

    @property
    def hidden(self) -> bool:
        return is_hidden(self.hidings)


@dataclass(frozen=True, slots=True)
class CommentAdded:
    """The fact that somebody wrote; `answered` is who wrote what is answered."""

    comment: Comment
    answered: str | None


@dataclass(frozen=True, slots=True)
class CommentHidden:
    comment: Comment


@dataclass(frozen=True, slots=True)
class CommentRestored:
    """The fact that another person granted the appeal against its hiding."""

    comment: Comment


CommentFact = CommentAdded | CommentHidden | CommentRestored


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: of the team, or a backer; of whose pledges something is left, or nothing."""

    by_team: bool
    keeps_a_pledge: bool


def check_may_comment(
    project: Project,
    update: Update,
    writer: Writer,
    now: datetime,
    after_failure: timedelta = AFTER_FAILURE,
) -> None:
    """Raise `Refused` where this update takes no comment of this person now.

    Whose money went back in full reads on, and talks on only where the campaign failed.
    """
    if update.state is not UpdateState.PUBLISHED:
        raise Refused("update-unknown", "there is no such update")
    if update.comments_closed:
        raise Refused("comments-closed", "comments on this update are closed")
    if writer.by_team:
        return
    if not has_failed(project):
        if not writer.keeps_a_pledge:
            raise Refused("fully-refunded", "nothing of your pledge is left")
    elif is_over_for_backers(project, now, after_failure):
        raise Refused("comments-ended", "the campaign ended too long ago")


def check_pace(last_but_nine: datetime | None, now: datetime) -> None:
    """Raise `Refused` while the comment that is `PACE` back, where there is one, is so young."""
    if last_but_nine is not None and (wait := last_but_nine + PACE_WINDOW - now) > timedelta():
        raise Refused("too-many-comments", "you have written a lot; wait a few minutes", wait)


def check_text(comment: Comment) -> None:
    if not 1 <= len(comment.text.strip()) <= CHARACTERS_MAX:
        raise Refused("invalid-text", f"a comment has 1 to {CHARACTERS_MAX} characters")


def check_answers(comment: Comment, answered: Comment | None) -> None:
    """Raise `Refused` for an answer to nothing, to something hidden, or to an answer."""
    if comment.answers is None:
        return
    if answered is None or not answered.readable:
        raise Refused("comment-unknown", "there is no such comment to answer")
    if answered.answers is not None:
        raise Refused("answer-to-an-answer", "answers have one level")


def forget(comment: Comment, at: datetime) -> Comment:
    """Its writer was erased then: what was written before is gone.

    What somebody wrote for a campaign's team is the campaign's word and stays.
    """
    if comment.by_team or comment.written_at > at or comment.erased_at is not None:
        return comment
    return replace(comment, text="", hidings=forget_appeals(comment.hidings), erased_at=at)
