"""What each kind of cause is: whom it is told to, how urgent it is, what a person may ask of it.

This table is the only place that says so; a test holds it to the told column of the topics' files.
"""

from dataclasses import dataclass
from enum import StrEnum

from notifier.domain.cause import USUAL, CauseKind, Told

# Lower goes first. What cannot wait goes before one person's money, that before news for all.
EMERGENCY, MONEY, NEWS = 0, 20, USUAL


class Audience(StrEnum):
    """Whom a cause is told to, in the words of the topics' files."""

    BACKERS = "backers"
    BACKER = "backer"
    LIST = "list"
    CREATOR = "creator"
    STAFF = "staff"
    FOLLOWERS = "followers"
    FORMER_BACKERS = "former-backers"
    OWNER = "owner"


class ToldAs(StrEnum):
    """Why a person is told."""

    BACKER = "backer"
    CREATOR = "creator"
    STAFF = "staff"
    FOLLOWER = "follower"
    FORMER_BACKER = "former_backer"
    OWNER = "owner"


# Who is found by what this service knows of the campaign and of people, not named by the fact.
FOUND: dict[Audience, ToldAs] = {
    Audience.CREATOR: ToldAs.CREATOR,
    Audience.STAFF: ToldAs.STAFF,
    Audience.FOLLOWERS: ToldAs.FOLLOWER,
    Audience.FORMER_BACKERS: ToldAs.FORMER_BACKER,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a kind.

    What is not `mutable` reaches people whatever they asked for; what is not `digestible` neither
    waits for a digest nor for the end of the night.
    """

    told: frozenset[Audience]
    priority: int = NEWS
    mutable: bool = True
    digestible: bool = True


def _news(*told: Audience) -> Rules:
    return Rules(frozenset(told))


def _money(*told: Audience) -> Rules:
    return Rules(frozenset(told), MONEY, mutable=False, digestible=False)


def _between_people(*told: Audience) -> Rules:
    """Somebody waits for an answer, so that it does not wait for a digest."""
    return Rules(frozenset(told), MONEY, digestible=False)


def _emergency(*told: Audience) -> Rules:
    """About an emergency: like the emergency itself, nothing holds it back."""
    return Rules(frozenset(told), EMERGENCY, mutable=False, digestible=False)


_ALL, _ONE, _LIST = Audience.BACKERS, Audience.BACKER, Audience.LIST
_CREATOR, _STAFF, _FOLLOWERS = Audience.CREATOR, Audience.STAFF, Audience.FOLLOWERS

RULES: dict[CauseKind, Rules] = {
    CauseKind.VERDICT_REACHED: _news(_ALL, _CREATOR),
    CauseKind.CAMPAIGN_CANCELLED: _news(_ALL, _CREATOR),
    CauseKind.UPDATE_PUBLISHED: _news(_ALL, _FOLLOWERS),
    CauseKind.REFUND_SUCCEEDED: _money(_ONE),
    CauseKind.REFUND_FAILED: _money(_ONE, _STAFF),
    CauseKind.REFUND_CLAIMABLE: _money(_ONE),
    CauseKind.CLAIMABLE_REMINDER_DUE: _money(_ONE),
    CauseKind.REFUND_PAID_OTHERWISE: _money(_ONE),
    CauseKind.REFUND_BLOCKED: _money(_STAFF),
    CauseKind.REFUND_REFUSED: _money(_STAFF),
    CauseKind.REFUND_RUN_FINISHED: _money(_CREATOR, _STAFF),
    CauseKind.PLEDGE_ERRORED: _money(_ONE),
    CauseKind.PLEDGE_REMINDER_DUE: _money(_ONE),
    CauseKind.PLEDGE_DROPPED: _money(_ONE),
    CauseKind.PLAN_SCHEDULED: _money(_CREATOR),
    CauseKind.STAGE_DUE: _money(_CREATOR, _STAFF),
    CauseKind.STAGE_HELD: _money(_CREATOR),
    CauseKind.STAGE_NOTHING_TO_PAY: _money(_CREATOR),
    CauseKind.STAGE_CANCELLED: _money(_CREATOR),
    # For backers it is no more than news, and only in the inbox.
    CauseKind.STAGE_PAID: _money(_ALL, _CREATOR),
    CauseKind.STAGE_FAILED: _money(_CREATOR, _STAFF),
    CauseKind.MILESTONE_APPROVED: _between_people(_CREATOR),
    CauseKind.MILESTONE_REJECTED: _between_people(_CREATOR),
    CauseKind.HOLDING_LIMIT_NEAR: _money(_STAFF),
    CauseKind.DISPUTE_OPENED: _money(_CREATOR, _STAFF),
    CauseKind.DISPUTE_LOST: _money(_CREATOR, _STAFF),
    CauseKind.CLAIM_OPENED: _between_people(_CREATOR),
    CauseKind.CLAIM_ANSWERED: _between_people(_ONE, _CREATOR),
    CauseKind.CLAIM_ESCALATED: _between_people(_STAFF),
    CauseKind.CLAIM_RESOLVED: _between_people(_ONE, _CREATOR),
    CauseKind.PROBLEM_GRADED: _emergency(_ALL, _CREATOR, _STAFF),
    CauseKind.RECOVERY_PLAN_REMINDER_DUE: _between_people(_CREATOR),
    CauseKind.RECOVERY_PLAN_MISSING: _emergency(_ALL, _CREATOR, _STAFF),
    CauseKind.LETTER_ASKED: _between_people(_CREATOR),
    CauseKind.PLAN_ASKED: _between_people(_CREATOR),
    CauseKind.PROMISE_DUE: _between_people(_CREATOR),
    # Who is answered, and the team once a day.
    CauseKind.COMMENT_ADDED: _news(_ONE, _CREATOR),
    CauseKind.SILENCE_STEP_REACHED: _between_people(_CREATOR, _STAFF),
    CauseKind.SURVEY_OPENED: _news(_ALL),
    CauseKind.CAMPAIGN_LAUNCHED: _news(Audience.FORMER_BACKERS),
    CauseKind.UPDATE_CORRECTED: _news(_ALL),
    # What is not said in time is sent as it stands; who has answered by then is not asked again.
    CauseKind.QUESTIONNAIRE_ASKED: _between_people(_LIST),
    CauseKind.SURVEY_REMINDER_DUE: _between_people(_LIST),
    CauseKind.RECEIPT_ASKED: _between_people(_LIST),
    CauseKind.DELIVERY_CHANGED: _news(_LIST),
    CauseKind.MILESTONE_SUBMITTED: _between_people(_STAFF),
    CauseKind.DELIVERY_NOTICE_ASKED: _between_people(_CREATOR),
    CauseKind.FOLLOW_ASKED: Rules(frozenset({_FOLLOWERS}), MONEY, mutable=False, digestible=False),
    CauseKind.WEBHOOK_DISABLED: _money(Audience.OWNER),
}

# What takes their reason away stands on another topic, and may be heard before they are.
ANSWERED_ELSEWHERE = frozenset(
    {
        CauseKind.DELIVERY_NOTICE_ASKED,
        CauseKind.MILESTONE_SUBMITTED,
        CauseKind.PLAN_ASKED,
        CauseKind.PROMISE_DUE,
        CauseKind.RECOVERY_PLAN_REMINDER_DUE,
        CauseKind.SILENCE_STEP_REACHED,
    }
)

# Of these no fact of another service is behind it.
OUR_OWN = frozenset({CauseKind.FOLLOW_ASKED, CauseKind.WEBHOOK_DISABLED})

# Their content says of which kind the update is, or what it was raised to.
OF_UPDATES = frozenset(
    {CauseKind.UPDATE_PUBLISHED, CauseKind.UPDATE_CORRECTED, CauseKind.PROBLEM_GRADED}
)


def is_emergency(told: Told) -> bool:
    """Whether this is about what overtakes all and reaches everybody, a correction of it too."""
    return told.kind in OF_UPDATES and told.content.get("kind") == "emergency"


def rules_of(told: Told) -> Rules:
    """Return what holds for this cause; an emergency is an update that nothing holds back."""
    rules = RULES[told.kind]
    if is_emergency(told):
        return Rules(rules.told, EMERGENCY, mutable=False, digestible=False)
    return rules


def is_written(kind: CauseKind, role: ToldAs) -> bool:
    """Whether it leaves the inbox: backers read there alone that a stage was paid."""
    return not (kind is CauseKind.STAGE_PAID and role is ToldAs.BACKER)


def may_be_muted(told: Told, role: ToldAs) -> bool:
    """Whether its reader may have no more of this: of a project whose money is not theirs, all."""
    follows = role is ToldAs.FOLLOWER and told.kind is not CauseKind.FOLLOW_ASKED
    return follows or rules_of(told).mutable


def may_be_merged(told: Told, role: ToldAs) -> bool:
    """Whether it may be read in one mail with what else waits of its project.

    What cannot be muted goes at once and alone, and so does what somebody waits for an answer to.
    """
    return may_be_muted(told, role) and rules_of(told).digestible


# Of these a backer may want to read, answer or claim something; news are what people forward.
_ASKS_OR_TELLS_OF_OWN = frozenset(
    {
        CauseKind.VERDICT_REACHED,
        CauseKind.CLAIM_ANSWERED,
        CauseKind.CLAIM_RESOLVED,
        CauseKind.SURVEY_OPENED,
        CauseKind.SURVEY_REMINDER_DUE,
        CauseKind.DELIVERY_CHANGED,
        CauseKind.RECEIPT_ASKED,
        CauseKind.REFUND_SUCCEEDED,
    }
)


def leads_to_own_pages(kind: CauseKind, role: ToldAs) -> bool:
    """Whether its letter has the reader's own link to the pages of their pledge."""
    return role is ToldAs.BACKER and kind in _ASKS_OR_TELLS_OF_OWN


def has_own_link(kind: CauseKind, role: ToldAs) -> bool:
    """Whether its letter may have a link by which whoever holds it acts for the reader."""
    choice = role is ToldAs.BACKER and kind is CauseKind.CAMPAIGN_CANCELLED
    return choice or leads_to_own_pages(kind, role)


def merged_as(told: Told, role: ToldAs) -> str:
    """Return the name that notices share which may stand in one mail, empty for what goes alone.

    News are what people forward: no mail of news has in it what acts for its reader.
    """
    if not may_be_merged(told, role):
        return ""
    return f"{role.value}-with-link" if has_own_link(told.kind, role) else role.value


# What becomes of a campaign's money: its refunds and its first stage follow within minutes.
_DECIDES = frozenset({CauseKind.VERDICT_REACHED, CauseKind.CAMPAIGN_CANCELLED})


def waits_for_more(told: Told, role: ToldAs) -> bool:
    """Whether its first mail waits a little for what else comes of its project.

    What decides does not: the mail about a refund would come before the one that says why.
    """
    return may_be_merged(told, role) and told.kind not in _DECIDES


def is_decisive(told: Told, role: ToldAs) -> bool:
    """Whether it is not left at a mail that did not come: money, rights, what cannot wait."""
    return role in (ToldAs.BACKER, ToldAs.CREATOR) and not may_be_muted(told, role)


def is_gathered(kind: CauseKind, role: ToldAs) -> bool:
    """Whether it waits for the day's digest whatever was asked for: comments, for the team."""
    return kind is CauseKind.COMMENT_ADDED and role is ToldAs.CREATOR


def roles_of(told: Told) -> tuple[ToldAs, ...]:
    """Return in which roles people are told who are not named by the fact, in a fixed order."""
    return tuple(FOUND[a] for a in FOUND if a in rules_of(told).told and _concerns(a, told))


def _concerns(audience: Audience, told: Told) -> bool:
    """Whether this very cause is for them: followers get public news, a word the other side."""
    if audience is Audience.FORMER_BACKERS:
        return "relaunch_of" in told.content
    if audience is Audience.FOLLOWERS:
        return told.content.get("visibility") == "public"
    if told.kind is CauseKind.CLAIM_ANSWERED and audience is Audience.CREATOR:
        return told.content.get("side") != "creator"
    if told.kind is CauseKind.COMMENT_ADDED and audience is Audience.CREATOR:
        return told.content.get("by_team") is False
    return True
