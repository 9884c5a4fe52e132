"""The bodies of drafts: one shape per kind, told apart by `kind`, so that a 422 names its place."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    RootModel,
    TypeAdapter,
    model_validator,
)

from servicekit.instants import Day, Instant
from updates.domain.kinds import (
    DeliveryMode,
    FailureReason,
    OccasionKind,
    Severity,
)
from updates.domain.media import ATTACHMENTS_MAX
from updates.domain.video_card import TITLE_CHARACTERS_MAX
from updates.http.models import Body, Identifier, TextBody

Words = Annotated[str, Field(min_length=1, max_length=1_000)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # An unknown name is a KeyError, an odd one fails as a path.
        raise ValueError("not a zone of the IANA database") from None
    return name


def _address(text: str) -> str:
    _ADDRESS.validate_python(text)
    return text


_ADDRESS = TypeAdapter(HttpUrl)
Link = Annotated[str, Field(max_length=500), AfterValidator(_address)]
Zone = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_known_zone)]


class NoParts(Body):
    """A progress report: nothing but its texts is required."""


class ThankYouParts(Body):
    occasion: OccasionKind
    subject: Identifier | None = Field(None, description="The milestone or step of the plan.")


class MoveBody(Body):
    """One date of the delivery plan that moves."""

    reward_id: Identifier
    batch: Annotated[int, Field(ge=1, le=1_000)] = 1
    step: Identifier
    old: Day
    new: Day
    reason: Words


class ScheduleBody(Body):
    """The dates that move; an empty list says that all dates are unchanged."""

    moves: Annotated[list[MoveBody], Field(max_length=200)]


class DelayParts(Body):
    schedule: ScheduleBody


class EmergencyParts(Body):
    severity: Severity
    happened_on: Day = Field(description="When it happened; within three days is promptly.")


class RecoveryParts(Body):
    answers: Identifier = Field(description="The emergency, by its update's id.")
    schedule: ScheduleBody


class DeliveryParts(Body):
    estimated_on: Day
    mode: DeliveryMode
    rewards: Annotated[list[Identifier], Field(min_length=1, max_length=200)]


class FailureParts(Body):
    reasons: Annotated[list[FailureReason], Field(min_length=1, max_length=len(FailureReason))]


class AdjustmentParts(Body):
    survey_id: Identifier


class EventBody(Body):
    starts_at: Instant
    ends_at: Instant
    zone: Zone
    place: Words | None = None
    link: Link | None = None


class NewsParts(Body):
    event: EventBody | None = None


class VideoBody(Body):
    """A video at a known host: YouTube, Vimeo, Dailymotion. Nothing is fetched from there."""

    url: Link
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARACTERS_MAX)]


class _Draft(Body):
    """A draft; details and sections are Markdown. Its author is whoever the token names."""

    visibility: Literal["public", "backers", "rewards"] = "public"
    rewards: Annotated[list[Identifier], Field(max_length=200)] = Field(
        default_factory=list, description="Whose backers may read it, where it is for `rewards`."
    )
    texts: Annotated[list[TextBody], Field(min_length=1, max_length=20)]
    attachments: Annotated[list[Identifier], Field(max_length=ATTACHMENTS_MAX)] = Field(
        default_factory=list, description="Images, videos and files that it shows, by their ids."
    )
    videos: Annotated[list[VideoBody], Field(max_length=ATTACHMENTS_MAX)] = Field(
        default_factory=list, description="Videos elsewhere, which it shows as cards."
    )
    resolves: Annotated[list[Identifier], Field(max_length=20)] = Field(
        default_factory=list, description="Open problems that it ends, by their updates' ids."
    )


class ProgressReportDraft(_Draft):
    kind: Literal["progress_report"] = "progress_report"
    parts: NoParts = NoParts()


class ThankYouDraft(_Draft):
    kind: Literal["thank_you"]
    parts: ThankYouParts


class DelayNoticeDraft(_Draft):
    kind: Literal["delay_notice"]
    parts: DelayParts


class EmergencyDraft(_Draft):
    kind: Literal["emergency"]
    parts: EmergencyParts


class RecoveryPlanDraft(_Draft):
    kind: Literal["recovery_plan"]
    parts: RecoveryParts


class DeliveryNoticeDraft(_Draft):
    kind: Literal["delivery_notice"]
    parts: DeliveryParts


class FailureLetterDraft(_Draft):
    kind: Literal["failure_letter"]
    parts: FailureParts


class PlanAdjustmentDraft(_Draft):
    kind: Literal["plan_adjustment"]
    parts: AdjustmentParts


class NewsDraft(_Draft):
    kind: Literal["news"]
    parts: NewsParts = NewsParts()


Draft = (
    ProgressReportDraft
    | ThankYouDraft
    | DelayNoticeDraft
    | EmergencyDraft
    | RecoveryPlanDraft
    | DeliveryNoticeDraft
    | FailureLetterDraft
    | PlanAdjustmentDraft
    | NewsDraft
)


class CorrectionBody(Body):
    """What a published update says from now on, whole; `draft` names its kind.

    Only whoever writes it knows that a right changes, such as how long something may be returned.
    """

    draft: Annotated[Draft, Field(discriminator="kind")]
    reason: Annotated[str, Field(max_length=1_000)] = ""
    changes_a_right: bool = False


class DraftBody(RootModel[Annotated[Draft, Field(discriminator="kind")]]):
    """A draft of any kind; one that names none is a progress report."""

    @model_validator(mode="before")
    @classmethod
    def _with_kind(cls, body: Any) -> Any:
        return {"kind": "progress_report"} | body if isinstance(body, dict) else body
