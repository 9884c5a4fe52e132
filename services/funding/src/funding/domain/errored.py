"""An errored pledge, step by step: its backer is reminded, it is tried a last time, then dropped.

Each gap between two steps is kept in full, also when a step comes late: a process that was down
for a week does not drop a pledge in the minute in which it reminds its backer.
"""

from dataclasses import replace
from datetime import datetime

from funding.domain.campaign import Campaign, CampaignState
from funding.domain.facts import Fact, PledgeDropped, PledgeLastTryDue, PledgeReminderDue
from funding.domain.patience import StepKind, left_after, steps_of
from funding.domain.pledge import DropReason, Pledge, PledgeState, Taken, move

# What can take no money any more waits for none.
OVER = frozenset({CampaignState.GOAL_MISSED, CampaignState.CANCELLED})


def take_step(campaign: Campaign, pledge: Pledge, now: datetime) -> Taken:
    """Take the step that is due; nothing changes where none is."""
    if pledge.state is not PledgeState.ERRORED or pledge.next_due is None or pledge.next_due > now:
        return Taken(pledge, campaign.totals, ())
    if campaign.state in OVER:
        return drop(campaign, pledge, DropReason.CAMPAIGN_OVER, now)
    steps = steps_of(campaign.launch.terms)
    step = steps[pledge.steps_taken]
    if step.kind is StepKind.DROP:
        return drop(campaign, pledge, DropReason.NEVER_PAID, now)
    taken = pledge.steps_taken + 1
    moved = replace(pledge, steps_taken=taken, next_due=now + steps[taken].gap)
    drops_at = now + left_after(steps, taken)
    fact: Fact = (
        PledgeReminderDue(pledge.payment, taken, drops_at, now)
        if step.kind is StepKind.REMINDER
        else PledgeLastTryDue(pledge.payment, drops_at, now)
    )
    return Taken(moved, campaign.totals, (fact,))


def drop(campaign: Campaign, pledge: Pledge, because: DropReason, now: datetime) -> Taken:
    """Give the pledge up; before the verdict the public total loses it too."""
    before_verdict = not campaign.is_over
    totals, amount = campaign.totals, pledge.payment.money.amount
    if before_verdict:
        totals = replace(totals, raised=totals.raised - amount)
    dropped = replace(move(pledge, PledgeState.DROPPED), next_due=None, raised=not before_verdict)
    fact = PledgeDropped(pledge.payment, because, before_verdict, now)
    return Taken(dropped, totals, (fact,))
