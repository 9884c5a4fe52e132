"""What is owed in words as events, and what other services decided that makes it owed."""

from collections.abc import Callable, Sequence

from servicekit.own_topics import Unexplained
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from updates.domain.follow_up import (
    FollowUp,
    FollowUpFact,
    FollowUpTerms,
    LetterAsked,
    ProblemGraded,
    ProblemResolved,
    RecoveryPlanMissing,
    RecoveryPlanReminderDue,
    SilenceStep,
    SilenceStepReached,
    Word,
)
from updates.domain.kinds import Severity, UpdateKind
from updates.domain.platform_notice import is_platforms
from updates.domain.problem import Grade, ProblemKind
from updates.domain.told_again import (
    grade_again,
    letter_asked_again,
    plan_asked_again,
    silence_again,
    word_again,
)
from updates.handlers.follow_up import Ended, GoalMet, LastStagePaid, MilestoneApproved, Turn
from updates.handlers.recover import Owed


def turn_from(fact: Decoded) -> Turn | None:
    """Read what makes something owed, None for any other fact."""
    match fact.event:
        case funding.VerdictReached(verdict="goal_met") as event:
            return GoalMet(event.campaign_id, event.reached_at)
        case funding.VerdictReached(verdict="goal_missed") as event:
            return Ended(event.campaign_id, event.reached_at)
        case funding.CampaignCancelled() as event:
            return Ended(event.campaign_id, event.cancelled_at)
        case payouts.MilestoneApproved() as event:
            return MilestoneApproved(event.campaign_id, event.stage, fact.envelope.time)
        case payouts.StagePaid(kind="last") as event:
            return LastStagePaid(event.campaign_id)
        case _:
            return None


def owed_from(unexplained: Sequence[Unexplained], terms: FollowUpTerms) -> list[Owed]:
    """Read our own facts back into what they made of what is owed, in the order of the topic."""
    found = []
    for one in sorted(unexplained, key=lambda one: one.sequence):
        fact = decode(one.record)
        move = _move(fact.event, terms) if isinstance(fact, Decoded) else None
        if move is not None:
            found.append(Owed(one.key, move))
    return found


def _move(event: Event, terms: FollowUpTerms) -> Callable[[FollowUp], FollowUp] | None:
    match event:
        case events.UpdatePublished(author_id=author) if is_platforms(author):
            return None
        case events.UpdatePublished():
            word = Word(
                event.update_id,
                UpdateKind(event.kind),
                event.published_at,
                Severity(event.severity) if event.severity else None,
                event.answers,
                tuple(event.resolves or ()),
                event.declared_promptly,
            )
            return lambda before: word_again(before, word)
        case events.ProblemGraded():
            kind, severity = ProblemKind(event.kind), event.severity
            named = Severity(severity) if severity else None
            grade = Grade(kind, named, event.by, event.reason, event.graded_at)
            return lambda before: grade_again(before, event.update_id, grade)
        case events.RecoveryPlanReminderDue():
            return lambda before: plan_asked_again(before, event.update_id, event.number)
        case events.RecoveryPlanMissing():
            taken = len(terms.plan_steps)
            return lambda before: plan_asked_again(before, event.update_id, taken)
        case events.LetterAsked(kind="failure_letter"):
            last = event.number == len(terms.failure_letter)
            number, at = event.number, event.asked_at
            return lambda before: letter_asked_again(before, number, at, last=last)
        case events.SilenceStepReached():
            step, since = SilenceStep(event.step), event.since
            return lambda before: silence_again(before, step, since, event.askers, event.reached_at)
        case _:
            return None


def owed(fact: FollowUpFact) -> Draft:
    """Turn a fact about what is owed into the event that says it."""
    match fact:
        case ProblemResolved(campaign_id, problem):
            assert problem.resolved_by is not None and problem.resolved_at is not None
            event: Event = events.ProblemResolved(
                campaign_id=campaign_id,
                update_id=problem.problem_id,
                kind=problem.kind.value,
                resolved_by=problem.resolved_by,
                opened_at=problem.opened_at,
                resolved_at=problem.resolved_at,
            )
            return Draft(event=event, occurred_at=problem.resolved_at)
        case ProblemGraded(campaign_id, problem_id, grade, audience):
            event = events.ProblemGraded(
                campaign_id=campaign_id,
                update_id=problem_id,
                kind=grade.kind.value,
                severity=grade.severity.value if grade.severity else None,
                by=grade.by,
                reason=grade.reason,
                graded_at=grade.at,
                pledges_sequence=audience.pledges_sequence if audience else None,
                audience_count=audience.count if audience else None,
                campaign_sequence=audience.campaign_sequence if audience else None,
            )
            return Draft(event=event, occurred_at=grade.at)
        case RecoveryPlanReminderDue():
            event = events.RecoveryPlanReminderDue(
                campaign_id=fact.campaign_id,
                update_id=fact.problem_id,
                number=fact.number,
                due_at=fact.due_at,
                reminded_at=fact.at,
            )
        case RecoveryPlanMissing():
            event = events.RecoveryPlanMissing(
                campaign_id=fact.campaign_id,
                update_id=fact.problem_id,
                due_at=fact.due_at,
                pledges_sequence=fact.audience.pledges_sequence,
                audience_count=fact.audience.count,
                campaign_sequence=fact.audience.campaign_sequence,
                missed_at=fact.at,
            )
        case LetterAsked():
            event = events.LetterAsked(
                campaign_id=fact.campaign_id,
                kind=fact.kind.value,
                occasion=fact.occasion.value,
                number=fact.number,
                stage=fact.stage,
                asked_at=fact.at,
            )
        case SilenceStepReached():
            event = events.SilenceStepReached(
                campaign_id=fact.campaign_id,
                step=fact.step.value,
                since=fact.since,
                askers=fact.askers,
                reached_at=fact.at,
            )
    return Draft(event=event, occurred_at=fact.at)
