"""What the routes of updates stand on."""

from dataclasses import dataclass
from datetime import timedelta

from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.guests import GuestPace
from servicekit.link_tokens import LinkTokenVerifier
from servicekit.units import UnitsOfWork
from updates.domain.after_failure import AFTER_FAILURE
from updates.domain.correction import EDIT_WINDOW
from updates.domain.follow_up import FollowUpTerms
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.domain.tracking import TrackingTerms
from updates.handlers.claims import ClaimDesk
from updates.handlers.publish import USUAL_PUBLISHING_TERMS, PledgesPosition, PublishingTerms
from updates.handlers.questionnaires import QuestionnaireDesk
from updates.http.media import MediaShelf
from updates.http.share_links import ShareShelf
from updates.ports.appeals import AppealQueries
from updates.ports.claims import ClaimQueries
from updates.ports.comments import CommentQueries
from updates.ports.queries import Queries
from updates.ports.questionnaires import QuestionnaireQueries
from updates.ports.reports import ReportQueries
from updates.ports.surveys import SurveyQueries
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the application.

    `media` None: no files are taken. `shares` None: no update is shared by a link. `links` None:
    nobody is known but callers with a token of the platform's issuer. `guests` None: what stands
    in front limits whoever has no account.
    """

    guard: Guard
    units: UnitsOfWork[UpdatesUnit]
    clock: Clock
    queries: Queries
    claims: ClaimQueries
    surveys: SurveyQueries
    comments: CommentQueries
    reports: ReportQueries
    appeals: AppealQueries
    questionnaires: QuestionnaireQueries
    pledges: PledgesPosition
    claim_desk: ClaimDesk
    questionnaire_desk: QuestionnaireDesk
    tracking: TrackingTerms
    follow_up: FollowUpTerms
    media: MediaShelf | None = None
    shares: ShareShelf | None = None
    links: LinkTokenVerifier | None = None
    public_url: str = ""
    edit_window: timedelta = EDIT_WINDOW
    publishing: PublishingTerms = USUAL_PUBLISHING_TERMS
    surveying: SurveyTerms = USUAL_SURVEY_TERMS
    after_failure: timedelta = AFTER_FAILURE
    guests: GuestPace | None = None
