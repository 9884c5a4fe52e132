"""Money that its original means of payment does not take: it waits for its backer, for ever.

It may be tried again, or be paid outside the provider, which two people say with proof. Reminders
end after half a year, the debt never does (`money.md` 3, rows 6 and 7).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from payouts.domain import postings
from payouts.domain.acts import Act, ActKind, OtherMeans
from payouts.domain.errors import Refused
from payouts.domain.pledge_money import PledgeMoney, give_back
from payouts.domain.refund import (
    ClaimableReminderDue,
    Refund,
    RefundDecision,
    RefundPaidOtherwise,
    RefundState,
    did,
    ends_rights,
    move,
    noted,
    reopen,
)
from payouts.domain.refund_blocking import block_where_charged_back
from payouts.domain.refund_request import check_person
from payouts.domain.two_people import standing

REMINDER_DAYS = (7, 30, 90, 180)
# Each wish is up to three attempts, so that nobody wears the provider's patience out.
BETWEEN_TRIES = timedelta(days=1)


def begin_reminding(refund: Refund, now: datetime) -> Refund:
    """Note since when it is claimable, and when its backer is reminded first."""
    first = now + timedelta(days=REMINDER_DAYS[0])
    return replace(refund, claimable_at=now, remind_at=first, other_means=None)


def remind(refund: Refund, now: datetime) -> ClaimableReminderDue | None:
    """Return the refund with the reminder noted, as a fact; None while none is due.

    After a long stop only the latest one is told.
    """
    if refund.state is not RefundState.CLAIMABLE or refund.claimable_at is None:
        return None
    if refund.remind_at is None or now < refund.remind_at:
        return None
    times = [(days, refund.claimable_at + timedelta(days=days)) for days in REMINDER_DAYS]
    days = max(days for days, due in times if due <= now)
    later = [due for _, due in times if due > now]
    reminded = replace(refund, remind_at=later[0] if later else None)
    return ClaimableReminderDue(reminded, days, refund.claimable_at, now)


def try_again(
    refund: Refund,
    money: PledgeMoney,
    after_attempt: int,
    by: str,
    now: datetime,
    how: str = "",
) -> RefundDecision:
    """Bring it back to an attempt, as its backer or staff wish; the same again changes nothing.

    `after_attempt` is the last attempt that the person saw: a wish that is told twice is one.
    `how` is by which way the wish came.
    """
    if after_attempt > len(refund.attempts):
        raise Refused("attempt-unknown", f"there were {len(refund.attempts)} attempts")
    if refund.state is not RefundState.CLAIMABLE or after_attempt < len(refund.attempts):
        if any(act.kind is ActKind.TRIED_AGAIN for act in refund.acts):
            return RefundDecision(refund, money)
        raise Refused("not-claimable", f"a {refund.state} refund is not tried again by hand")
    if not refund.is_refundable(now):
        raise Refused("window-closed", "the provider no longer returns this payment")
    if refund.beyond:
        raise Refused("beyond-pledge", "more than was paid by it never goes to a means of payment")
    if refund.other_means is not None:
        raise Refused("told-paid", "somebody says that it is paid by other means")
    if money.disputed or money.over:
        raise Refused("disputed", f"pledge {money.pledge_id} is charged back")
    tries = [act.at for act in refund.acts if (act.kind, act.by) == (ActKind.TRIED_AGAIN, by)]
    if tries and now < tries[-1] + BETWEEN_TRIES:
        raise Refused("too-soon", "one person's wish is taken once a day")
    decision = reopen(refund, money)
    tried = replace(decision.refund, remind_at=None)
    return replace(decision, refund=noted(tried, Act(ActKind.TRIED_AGAIN, by, now, how)))


def pay_otherwise(
    refund: Refund, money: PledgeMoney, told: OtherMeans, creator: str | None, now: datetime
) -> RefundDecision:
    """Take one person's word that it was paid, or believe it when a second one says the same.

    Until then nobody tries it again. The same person's same word again changes nothing.
    """
    if _confirmed(refund, told):
        return RefundDecision(refund, money)
    if refund.state is not RefundState.CLAIMABLE:
        raise Refused("not-claimable", f"a {refund.state} refund is not paid by other means")
    first = standing(refund.other_means, now)
    if first is not None and (first.by, first.said) == (told.by, told.said):
        return RefundDecision(refund, money)
    check_person(told.by, money, creator)
    if first is None or first.by == told.by:
        waiting = noted(replace(refund, other_means=told), _act(ActKind.TOLD_PAID, told))
        return RefundDecision(waiting, money)
    if first.said != told.said:
        raise Refused("other-proof", f"{first.by} told of another payment; deny it first")
    paid = move(refund, RefundState.PAID_BY_OTHER_MEANS, first.method)
    confirmed = noted(paid, _act(ActKind.CONFIRMED_PAID, told))
    returned = money if refund.beyond else give_back(money, refund.amount)
    posting = postings.paid_otherwise(refund.refund_id, refund.amount)
    fact = RefundPaidOtherwise(confirmed, ends_rights(refund, returned), first, now)
    return RefundDecision(confirmed, returned, (posting,), (fact,))


def deny_payment(
    refund: Refund, money: PledgeMoney, by: str, creator: str | None, reason: str, now: datetime
) -> RefundDecision:
    """Say that it was not paid by other means after all, so that it can be tried again.

    A chargeback that came meanwhile takes it back only now.
    """
    if refund.state is not RefundState.CLAIMABLE or refund.other_means is None:
        if did(refund, ActKind.DENIED_PAID, by):
            return RefundDecision(refund, money)
        raise Refused("not-told", "nobody tells of a payment that waits for a second person")
    check_person(by, money, creator)
    denied = noted(replace(refund, other_means=None), Act(ActKind.DENIED_PAID, by, now, reason))
    return RefundDecision(denied, money).then(block_where_charged_back(denied, money, now))


def _confirmed(refund: Refund, told: OtherMeans) -> bool:
    """Whether it is paid by what is told again, by one of the two who said so."""
    paid = refund.state is RefundState.PAID_BY_OTHER_MEANS
    if not paid or refund.other_means is None or refund.other_means.said != told.said:
        return False
    kinds = (ActKind.TOLD_PAID, ActKind.CONFIRMED_PAID)
    return any(act.kind in kinds and act.by == told.by for act in refund.acts)


def _act(kind: ActKind, told: OtherMeans) -> Act:
    return Act(kind, told.by, told.at, told.note)
