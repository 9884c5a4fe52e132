"""Who of a campaign's backers is told of a cause, and for which reason somebody is not.

The event exists for every one of them; whoever is not told has the outcome `suppressed`, for a
reason that stands here. What is told to everybody asks nobody: the fan-out pays nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.cause import CauseKind, Told

# For so long people are told of something; whoever learns of it later learns it from the page.
TOLD_FOR = timedelta(days=14)


class Ending(StrEnum):
    """How a campaign's collection ended; there is none before."""

    MET = "goal_met"
    MISSED = "goal_missed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class CampaignEnd:
    """How a campaign's collection ended, when, and which fact of the campaign said so.

    `at` and `sequence` are None where a release kept it that knew none. Without an instant it
    counts for every cause.
    """

    ending: Ending
    at: datetime | None
    sequence: int | None = None

    def is_behind(self, told: Told, campaign_sequence: int | None) -> bool:
        """Whether the cause was there first: its maker did not know of this end.

        What its maker knew is the same in whichever order we hear of the two (decision 0002). Where
        that was not said, the two instants decide.
        """
        if self.sequence is not None and campaign_sequence is not None:
            return self.sequence > campaign_sequence
        return self.at is not None and told.caused_at < self.at


class Consent(StrEnum):
    """What a backer wants to hear of a campaign that ended without its goal."""

    NOTHING = "nothing"
    RELAUNCH = "relaunch"
    KEEP_IN_TOUCH = "keep_in_touch"


# Whoever keeps in touch hears of a relaunch too.
TOLD_OF_RELAUNCH = frozenset({Consent.RELAUNCH, Consent.KEEP_IN_TOUCH})


class Limit(StrEnum):
    """Who of the audience as of N is told."""

    EVERYBODY = "everybody"
    NOT_REFUNDED = "not_refunded"
    CONSENTING = "consenting"


REFUNDED, NO_CONSENT, OTHER_REWARDS = "refunded", "no-consent", "other-rewards"

# What the verdict's backers are told whatever became of their money (trap 25).
_OWED = frozenset({CauseKind.VERDICT_REACHED, CauseKind.CAMPAIGN_CANCELLED})


def is_too_old(told: Told, now: datetime) -> bool:
    """Whether this happened so long ago that nobody is told any more."""
    return now - told.caused_at > TOLD_FOR


def limit_of(told: Told, end: CampaignEnd | None, campaign_sequence: int | None = None) -> Limit:
    """Return who of the audience is told of this cause (`domain.md` 7).

    What happened before a campaign failed is told to its backers of then, however late it is
    planned and whether the end was heard by then: nobody could have agreed to it yet.
    `campaign_sequence` is what the cause's maker knew of the campaign.
    """
    if told.kind in _OWED or told.content.get("kind") == "failure_letter":
        return Limit.EVERYBODY
    if end is None or end.ending is Ending.MET or end.is_behind(told, campaign_sequence):
        return Limit.NOT_REFUNDED
    return Limit.CONSENTING


def rewards_of(told: Told) -> frozenset[str] | None:
    """Return the rewards whose backers are told, None for all."""
    if told.content.get("visibility") != "rewards":
        return None
    rewards = told.content.get("rewards")
    return frozenset(rewards) if isinstance(rewards, list) else frozenset()


@dataclass(frozen=True, slots=True)
class Hushed:
    """Who of an audience is not told, and why; None where nothing of the kind was asked."""

    refunded: Collection[str] = ()
    consenting: Collection[str] | None = None
    rewarded: Collection[str] | None = None

    def __bool__(self) -> bool:
        """Return whether it may hush anybody at all."""
        return bool(self.refunded) or self.consenting is not None or self.rewarded is not None

    def among(self, recipients: Collection[str]) -> Mapping[str, str]:
        """Return the reasons of those of these who are not told."""
        reasons = {one: self._reason(one) for one in recipients}
        return {one: reason for one, reason in reasons.items() if reason}

    def _reason(self, backer_id: str) -> str:
        if backer_id in self.refunded:
            return REFUNDED
        if self.consenting is not None and backer_id not in self.consenting:
            return NO_CONSENT
        if self.rewarded is not None and backer_id not in self.rewarded:
            return OTHER_REWARDS
        return ""
