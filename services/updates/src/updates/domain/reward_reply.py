"""A backer's reply to the questionnaire of a reward, of which only the outside is known here.

What it says is sealed: whoever reads the database, a log or a backup learns nothing from it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from updates.domain.errors import Refused
from updates.domain.questionnaire import QuestionnaireTerms


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed, and which key opens it."""

    key_id: str
    box: bytes


@dataclass(frozen=True, slots=True)
class RewardReply:
    """The place of one pledge's reply, made when it is asked or replied to.

    `sealed` is None before there is a reply and after it was erased. `locks_at` is when it can be
    changed no more, None before the last notice. `next_due` is when it is erased. `version` is the
    compare-and-set guard of every save.
    """

    campaign_id: str
    reward_id: str
    pledge_id: str
    backer_id: str
    sealed: Sealed | None = None
    replied_at: datetime | None = None
    asked_at: datetime | None = None
    locks_at: datetime | None = None
    next_due: datetime | None = None
    erased_at: datetime | None = None
    version: int = 0

    def is_locked(self, now: datetime) -> bool:
        return self.locks_at is not None and now >= self.locks_at


def asked(reply: RewardReply, now: datetime) -> RewardReply:
    return replace(reply, asked_at=now)


def noticed(reply: RewardReply, now: datetime, terms: QuestionnaireTerms) -> RewardReply:
    """Its backer is told now for the last time, and has as long as everybody."""
    return replace(reply, asked_at=reply.asked_at or now, locks_at=now + terms.notice)


def check_open(reply: RewardReply, now: datetime) -> None:
    """Raise `Refused` where it can be changed no more."""
    if reply.erased_at is not None:
        raise Refused("reply-erased", "it was erased, as it is some time after the delivery")
    if reply.is_locked(now):
        raise Refused("reply-locked", "it was locked after the last notice")


def replied(reply: RewardReply, sealed: Sealed, now: datetime) -> RewardReply:
    check_open(reply, now)
    return replace(reply, sealed=sealed, replied_at=now)


def taken_back(reply: RewardReply, now: datetime) -> RewardReply:
    """Its backer takes it back while it may be changed: nothing of it is left, as if unasked."""
    check_open(reply, now)
    return replace(reply, sealed=None, replied_at=None)


def forgotten(reply: RewardReply, at: datetime) -> RewardReply:
    """Its backer was erased then: what was replied before is gone, whatever else is as it was."""
    if reply.sealed is None or reply.replied_at is None or reply.replied_at > at:
        return reply
    return replace(reply, sealed=None, replied_at=None)


def resealed(reply: RewardReply, sealed: Sealed) -> RewardReply:
    """The same words under another key."""
    return replace(reply, sealed=sealed)


def needed_until(
    reply: RewardReply, ended_at: datetime | None, terms: QuestionnaireTerms
) -> RewardReply:
    """Nothing more is to be sent since then, or something is (None): it is erased some time after.

    The first end counts: what is seen to be over is not put off by being looked at again.
    """
    if reply.erased_at is not None or (ended_at is None) == (reply.next_due is None):
        return reply
    return replace(reply, next_due=ended_at + terms.erased_after if ended_at else None)


def erased(reply: RewardReply, now: datetime) -> RewardReply:
    """Nothing of what it said is left; that there was one, and when, is kept."""
    return replace(reply, sealed=None, next_due=None, erased_at=now)
