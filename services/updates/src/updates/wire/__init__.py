"""The only place that knows both a contract's event and this service's words for it."""

from sosst_contracts.codec import Draft
from updates.domain.comment import CommentAdded, CommentHidden, CommentRestored
from updates.domain.correction import UpdateCorrected
from updates.domain.delivery_plan import (
    PlanAsked,
    PlanPublished,
    PromiseAnswered,
    PromiseDue,
    PromiseMoved,
)
from updates.domain.follow_up import (
    LetterAsked,
    ProblemGraded,
    ProblemResolved,
    RecoveryPlanMissing,
    RecoveryPlanReminderDue,
    SilenceStepReached,
)
from updates.domain.milestone import MilestoneSubmitted
from updates.domain.questionnaire import QuestionnaireAsked
from updates.domain.survey import SurveyClosed, SurveyOpened, SurveyReminderDue
from updates.domain.tracking_facts import DeliveryChanged, DeliveryNoticeAsked, ReceiptAsked
from updates.domain.update import UpdateHidden, UpdatePublished, UpdateRestored
from updates.ports.unit import Fact
from updates.wire.claims import claim_draft
from updates.wire.comments import comment_draft
from updates.wire.deliveries import delivery_draft
from updates.wire.follow_up import owed
from updates.wire.hiding import hiding_draft
from updates.wire.milestones import milestone_draft
from updates.wire.plans import plan_draft
from updates.wire.posts import corrected, published
from updates.wire.questionnaires import questionnaire_draft
from updates.wire.surveys import survey_draft


def draft(fact: Fact) -> Draft:
    """Turn a fact of ours into the event that says it, ready for the outbox."""
    match fact:
        case UpdatePublished():
            return published(fact)
        case (
            ProblemResolved()
            | ProblemGraded()
            | RecoveryPlanReminderDue()
            | RecoveryPlanMissing()
            | LetterAsked()
            | SilenceStepReached()
        ):
            return owed(fact)
        case SurveyOpened() | SurveyReminderDue() | SurveyClosed():
            return survey_draft(fact)
        case PlanAsked() | PlanPublished() | PromiseMoved() | PromiseAnswered() | PromiseDue():
            return plan_draft(fact)
        case UpdateCorrected():
            return corrected(fact)
        case QuestionnaireAsked():
            return questionnaire_draft(fact)
        case UpdateHidden() | UpdateRestored():
            return hiding_draft(fact)
        case CommentAdded() | CommentHidden() | CommentRestored():
            return comment_draft(fact)
        case DeliveryChanged() | ReceiptAsked() | DeliveryNoticeAsked():
            return delivery_draft(fact)
        case MilestoneSubmitted():
            return milestone_draft(fact)
        case _:
            return claim_draft(fact)
