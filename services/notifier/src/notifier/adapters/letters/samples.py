"""What each kind of cause may say: for looking at every letter before anybody gets one."""

from collections.abc import Mapping, Sequence

from notifier.domain.cause import CauseKind
from notifier.domain.kind import RULES, Audience, ToldAs, is_written
from notifier.domain.webhook_endpoint import SendOutcome

_REFUND = {"refund_id": "rf_2f8a41", "amount": 4_950, "currency": "EUR"}
_PLEDGE = {"pledge_id": "pledge-77", "amount": 4_950, "currency": "EUR"}

_VERDICT = {"title": "Sun lamp", "collected": 2_134_100, "goal": 2_000_000, "currency": "EUR"}
_UPDATE = {
    "texts": [
        {
            "language": "en",
            "title": "The first hundred lamps glow",
            "excerpt": "Last week the first hundred lamps came off the line.\n"
            "Each of them was lit for a night, and three went back.",
        }
    ],
    "url": "/campaigns/sun-lamp/updates/4",
}
_FOR_BACKERS = {"texts": [{"language": "de", "title": "Ein Blick in die Werkstatt"}], "url": "/u/5"}
_REASON = "The factory has closed, and no other one makes the glass."

_DUE = "2026-03-20T12:00:00+00:00"
_STAGE = {"stage": 2, "amount": 640_230, "currency": "EUR"}
_CLAIM = {"claim_id": "claim-9", "reason": "quality", "due_at": _DUE}
_DISPUTE = _PLEDGE | {"dispute_id": "du_41", "reason": "product_not_received"}

SAMPLES: Mapping[CauseKind, Sequence[Mapping[str, object]]] = {
    CauseKind.VERDICT_REACHED: (
        _VERDICT | {"verdict": "goal_met"},
        _VERDICT | {"verdict": "goal_missed", "goal": 3_000_000},
    ),
    CauseKind.CAMPAIGN_CANCELLED: ({"title": "Sun lamp", "reason": _REASON},),
    CauseKind.UPDATE_PUBLISHED: (_UPDATE, _FOR_BACKERS, _UPDATE | {"kind": "emergency"}),
    CauseKind.REFUND_SUCCEEDED: (_REFUND,),
    CauseKind.REFUND_FAILED: (_REFUND | {"reason": "lost_or_stolen_card"},),
    CauseKind.REFUND_CLAIMABLE: (_REFUND | {"reason": "lost_or_stolen_card"},),
    CauseKind.CLAIMABLE_REMINDER_DUE: (
        _REFUND | {"days": 30, "claimable_at": "2026-02-01T09:30:00+00:00"},
    ),
    CauseKind.REFUND_PAID_OTHERWISE: (_REFUND | {"method": "bank_transfer"},),
    CauseKind.PLEDGE_ERRORED: (_PLEDGE | {"reason": "card_declined"},),
    CauseKind.PLEDGE_REMINDER_DUE: (_PLEDGE | {"drops_at": "2026-03-08T22:30:00+00:00"},),
    CauseKind.PLEDGE_DROPPED: (_PLEDGE | {"because": "unpaid"},),
    CauseKind.REFUND_BLOCKED: (_REFUND | {"reason": "disputed"},),
    CauseKind.REFUND_REFUSED: (_REFUND | {"reason": "already-refunded"},),
    CauseKind.REFUND_RUN_FINISHED: ({"count": 320, "amount": 2_134_100, "currency": "EUR"},),
    CauseKind.PLAN_SCHEDULED: ({"base": 2_134_100, "currency": "EUR"},),
    CauseKind.STAGE_DUE: (_STAGE,),
    CauseKind.STAGE_HELD: (_STAGE | {"reason": "staff"},),
    CauseKind.STAGE_NOTHING_TO_PAY: (_STAGE | {"amount": 0},),
    CauseKind.STAGE_CANCELLED: (_STAGE,),
    CauseKind.STAGE_PAID: (_STAGE,),
    CauseKind.STAGE_FAILED: (_STAGE | {"reason": "account_closed"},),
    CauseKind.MILESTONE_APPROVED: ({"stage": 2},),
    CauseKind.MILESTONE_REJECTED: ({"stage": 2, "reason": "blurred"},),
    CauseKind.HOLDING_LIMIT_NEAR: (
        {"provider": "stripe", "limit_at": _DUE, "amount": 640_230, "currency": "EUR"},
    ),
    CauseKind.DISPUTE_OPENED: (_DISPUTE,),
    CauseKind.DISPUTE_LOST: (_DISPUTE | {"owed": 4_950},),
    CauseKind.CLAIM_OPENED: (_CLAIM,),
    CauseKind.CLAIM_ANSWERED: (
        _CLAIM | {"side": "staff", "what": "message"},
        _CLAIM | {"side": "staff", "what": "proposal", "amount": 2_000, "currency": "EUR"},
        {"claim_id": "claim-9", "reason": "quality", "side": "staff", "what": "acceptance"},
    ),
    CauseKind.CLAIM_ESCALATED: (_CLAIM | {"because": "creator_silent"},),
    CauseKind.CLAIM_RESOLVED: (
        {"claim_id": "claim-9", "reason": "quality", "outcome": "replacement"},
    ),
    CauseKind.PROBLEM_GRADED: (
        {"update_id": "u4", "kind": "emergency", "severity": "serious", "reason": _REASON},
        {"update_id": "u4", "kind": "delay_notice", "reason": _REASON},
    ),
    CauseKind.RECOVERY_PLAN_REMINDER_DUE: ({"update_id": "u4", "due_at": _DUE},),
    CauseKind.RECOVERY_PLAN_MISSING: ({"update_id": "u4", "due_at": _DUE},),
    CauseKind.LETTER_ASKED: (
        {"kind": "failure_letter", "occasion": "campaign_ended", "number": 2},
        {"kind": "thank_you", "occasion": "milestone", "number": 1, "stage": 2},
    ),
    CauseKind.PLAN_ASKED: ({"rewards_missing": 2, "missing_from": _DUE},),
    CauseKind.PROMISE_DUE: tuple(
        {"reward_id": "lamp", "batch": 1, "step": step, "date": "2026-03-20", "days_before": days}
        for step, days in (
            *((step, 7) for step in ("production", "packaging", "delivery", "start", "end")),
            ("packaging", 0),
        )
    ),
    CauseKind.COMMENT_ADDED: (
        {"update_id": "u4", "comment_id": "c-9", "by_team": False, "answers": "c-8"},
    ),
    CauseKind.SILENCE_STEP_REACHED: tuple(
        {"step": step, "since": "2026-01-01T12:00:00+00:00", "askers": 17}
        for step in ("creator_reminded", "backers_may_ask", "stage_held", "staff_told")
    ),
    CauseKind.SURVEY_OPENED: (
        {"title": "Which colour?", "language": "en", "url": "/s/3"},
        {"title": "Which colour?", "language": "en", "url": "/s/3", "closes_at": _DUE},
    ),
    CauseKind.CAMPAIGN_LAUNCHED: ({"title": "Sun lamp", "goal": 5, "relaunch_of": "lamp-1"},),
    CauseKind.UPDATE_CORRECTED: (_UPDATE | {"changes": ["date"]},),
    CauseKind.FOLLOW_ASKED: ({},),
    CauseKind.WEBHOOK_DISABLED: tuple(
        {
            "endpoint_id": "crm",
            "because": "gone" if what is SendOutcome.GONE else "failing",
            "last_failure": what.value,
            "failing_since": _DUE,
        }
        for what in SendOutcome
        if what is not SendOutcome.DELIVERED
    ),
    CauseKind.SURVEY_REMINDER_DUE: (
        {"survey_id": "s-3", "closes_at": _DUE},
        {"survey_id": "s-3"},
    ),
    CauseKind.QUESTIONNAIRE_ASKED: (
        {"reward_id": "one-lamp", "url": "/q/1"},
        {"reward_id": "one-lamp", "url": "/q/1", "locks_at": _DUE},
    ),
    CauseKind.DELIVERY_CHANGED: tuple(
        {"reward_id": "one-lamp", "state": state}
        for state in (
            *("preparing", "shipped", "partially_shipped", "delivered", "returned"),
            "received",
        )
    ),
    CauseKind.MILESTONE_SUBMITTED: ({"stage": 2, "revision": 1},),
    CauseKind.RECEIPT_ASKED: ({"reward_id": "one-lamp"},),
    CauseKind.DELIVERY_NOTICE_ASKED: ({"reward_id": "one-lamp", "platform_sends_at": _DUE},),
}

_ROLES = {
    Audience.CREATOR: ToldAs.CREATOR,
    Audience.STAFF: ToldAs.STAFF,
    Audience.FOLLOWERS: ToldAs.FOLLOWER,
    Audience.FORMER_BACKERS: ToldAs.FORMER_BACKER,
    Audience.OWNER: ToldAs.OWNER,
}


def roles_told(kind: CauseKind) -> list[ToldAs]:
    """Return in which roles people are written to of this kind."""
    told = {_ROLES.get(audience, ToldAs.BACKER) for audience in RULES[kind].told}
    return sorted(role for role in told if is_written(kind, role))
