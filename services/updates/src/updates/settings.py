"""Every environment variable of updates."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from servicekit.guests import GuestSettings
from servicekit.secret_files import SECRET, all_of, first_line
from servicekit.settings import LISTED, made_of, makes
from updates.adapters.media_links import SignedMediaLinks
from updates.adapters.media_objects import StoredObjects, object_store
from updates.adapters.reply_sealer import AesReplySealer
from updates.adapters.share_link_signer import HmacShareLinkSigner
from updates.domain.after_failure import AFTER_FAILURE
from updates.domain.claim_turns import Patience
from updates.domain.correction import EDIT_WINDOW
from updates.domain.emergency import FORM_KEPT
from updates.domain.follow_up import FollowUpTerms
from updates.domain.media_type import MEBIBYTE, USUAL_LIMITS, UploadLimits
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.domain.questionnaire import QuestionnaireTerms
from updates.domain.survey_terms import SurveyTerms
from updates.domain.tracking import TrackingTerms
from updates.handlers.publish import PublishingTerms
from updates.handlers.questionnaires import QuestionnaireDesk
from updates.handlers.take_upload import UPLOADS_AT_ONCE

DAY = 86_400.0
# What passes in the half hour of an upload by a line of three megabytes a second.
MEDIA_BYTES_MAX = 5 * 1024 * MEBIBYTE
# As many as the event of a question may say.
DAYS_BEFORE_MAX = 365
# No survey is open for longer.
REMINDER_SECONDS_MAX = 366 * 86_400


class UpdatesSettings(GuestSettings):
    """Variables are named `UPDATES_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="UPDATES_")

    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+)?$",
        description="Where people read the platform (https://host), before the links in feeds.",
    )
    link_token_jwks_url: str = Field(
        "",
        pattern=r"^$|^https?://",
        description="Where `notifier` publishes the keys that sign tokens of personal links "
        "(JWKS); empty: such links open nothing here.",
    )
    edit_window_seconds: float = Field(
        EDIT_WINDOW.total_seconds(),
        ge=0,
        description="How long what is published is edited without a trace for its readers; "
        "later it is corrected.",
    )
    claim_answer_seconds: float = Field(
        7 * DAY, gt=0, description="Time for a claim's next answer; a silent creator's is staff's."
    )
    claim_escalated_seconds: float = Field(
        3 * DAY, gt=0, description="Time for an escalated claim: the creator's, then staff's."
    )
    claim_replacement_seconds: float = Field(
        30 * DAY, gt=0, description="Time to send a replacement that was agreed on."
    )
    claim_money_seconds: float = Field(
        14 * DAY, gt=0, description="Time for payouts to answer a claim's request before an alarm."
    )
    claim_window_seconds: float = Field(
        60 * DAY, gt=0, description="How long after its receipt a reward's faults may be claimed."
    )

    reply_keys: Annotated[str, makes(AesReplySealer)] = Field(
        "",
        json_schema_extra=SECRET,
        description="Keys that seal replies to questionnaires, at least 32 characters each, "
        "separated by commas; the first seals, all open. Empty: no questionnaires.",
    )
    platform_collects_addresses: bool = Field(
        False, description="The platform asks for addresses itself: questionnaires never do."
    )
    last_notice_seconds: float = Field(
        2 * DAY, gt=0, description="Time to change a reply after its backer's last notice."
    )
    questionnaire_look_seconds: float = Field(
        DAY / 4, gt=0, description="Pause between two looks for backers who are to be asked."
    )
    replies_erased_seconds: float = Field(
        180 * DAY, gt=0, description="How long after the delivery a reply is erased."
    )

    @field_validator("link_token_jwks_url")
    @classmethod
    def _are_fetched_safely(cls, url: str, info: ValidationInfo) -> str:
        if url and not url.startswith("https://") and info.data.get("mode") != "development":
            raise ValueError("keys must come by https in production")
        return url

    def questionnaire_desk(self) -> QuestionnaireDesk:
        """Return by what questionnaires are asked, and what seals replies to them."""
        terms = QuestionnaireTerms(
            notice=timedelta(seconds=self.last_notice_seconds),
            look=timedelta(seconds=self.questionnaire_look_seconds),
            erased_after=timedelta(seconds=self.replies_erased_seconds),
            platform_collects=self.platform_collects_addresses,
        )
        return QuestionnaireDesk(made_of(self.reply_keys, AesReplySealer), terms)

    def patience(self) -> Patience:
        """Return how long each turn of a claim may take."""
        return Patience(
            answer=timedelta(seconds=self.claim_answer_seconds),
            escalated=timedelta(seconds=self.claim_escalated_seconds),
            replacement=timedelta(seconds=self.claim_replacement_seconds),
            money=timedelta(seconds=self.claim_money_seconds),
            window=timedelta(seconds=self.claim_window_seconds),
        )

    recovery_plan_seconds: int = Field(
        604_800, ge=0, description="Time in which an emergency is answered by a recovery plan."
    )
    recovery_reminders_seconds: Annotated[tuple[int, ...], *LISTED] = Field(
        (345_600, 518_400),
        max_length=20,
        validate_default=True,  # Else a short term would come before the usual reminders.
        description="Times of reminders of it, after the emergency.",
    )
    failure_letter_seconds: Annotated[tuple[int, ...], *LISTED] = Field(
        (0, 259_200, 604_800, 1_209_600),
        min_length=1,
        max_length=20,
        description="Times at which a failure letter is asked for, after the end; after the last "
        "the page says that no reasons were given.",
    )
    silence_seconds: Annotated[tuple[int, int, int, int], *LISTED] = Field(
        (2_592_000, 3_196_800, 5_184_000, 5_788_800),
        description="Silence after which the creator is reminded, backers may ask, the next stage "
        "is held, and staff are told.",
    )

    media_store: str = Field(
        "",
        description="Where files of updates are kept: `file:///folder` (of one instance, or shared "
        "by all) or `s3://bucket/prefix`; empty: no files are taken.",
    )
    media_s3_endpoint: str = Field("", description="Of an S3 that is not Amazon's.")
    media_s3_region: str = Field("", description="Region of the bucket.")
    media_s3_access_key_id: str = Field(
        "", description="As whom; empty: as the machine.", json_schema_extra=SECRET
    )
    media_s3_secret_access_key: str = Field(
        "", description="That key's secret.", json_schema_extra=SECRET
    )
    media_link_secrets: str = Field(
        "",
        description="Sign links to files for backers only, and share links of updates, of at least "
        "16 characters each; the first signs, all verify. Needed where files are taken; without "
        "them no update is shared by a link.",
        json_schema_extra=SECRET,
        validate_default=True,
    )
    media_link_seconds: int = Field(
        3_600, ge=60, le=86_400, description="How long such a link is good for."
    )
    media_image_bytes: int = Field(
        USUAL_LIMITS.image, gt=0, le=MEDIA_BYTES_MAX, description="Largest image that is taken."
    )
    media_video_bytes: int = Field(
        USUAL_LIMITS.video,
        gt=0,
        le=MEDIA_BYTES_MAX,
        description="Largest video that is taken; an upload ends after half an hour.",
    )
    media_file_bytes: int = Field(
        USUAL_LIMITS.file,
        gt=0,
        le=MEDIA_BYTES_MAX,
        description="Largest document, table or archive that is taken.",
    )
    media_uploads_at_once: int = Field(
        UPLOADS_AT_ONCE,
        ge=1,
        le=100,
        description="Uploads that this process reads at once, of 20 MiB of memory each; others "
        "wait.",
    )
    media_scanner: str = Field(
        "",
        pattern=r"^(/.+|[^/:]+:\d+)?$",
        description="clamd, as `host:port` or the path of its socket; empty: nothing is scanned.",
    )

    @field_validator("media_store")
    @classmethod
    def _is_a_store(cls, store: str) -> str:
        if store and not store.startswith(("file:///", "s3://")):
            raise ValueError("a store is file:///folder or s3://bucket/prefix")
        return store

    @field_validator("media_link_secrets")
    @classmethod
    def _sign_links(cls, secrets: str, info: ValidationInfo) -> str:
        if secrets or info.data.get("media_store"):
            SignedMediaLinks(all_of(secrets), 60)
        return secrets

    def media_links(self) -> SignedMediaLinks:
        """Return what signs links to files."""
        return SignedMediaLinks(all_of(self.media_link_secrets), self.media_link_seconds)

    def share_link_signer(self) -> HmacShareLinkSigner | None:
        """Return what signs share links, None where nothing is shared by one."""
        if not self.media_link_secrets:
            return None
        return HmacShareLinkSigner(all_of(self.media_link_secrets))

    def upload_limits(self) -> UploadLimits:
        """Return how large uploads may be."""
        return UploadLimits(self.media_image_bytes, self.media_video_bytes, self.media_file_bytes)

    def media_objects(self) -> StoredObjects:
        """Return where files are kept; makes the folder, where it is one."""
        s3 = {
            "endpoint": self.media_s3_endpoint,
            "region": self.media_s3_region,
            "access_key_id": first_line(self.media_s3_access_key_id),
            "secret_access_key": first_line(self.media_s3_secret_access_key),
        }
        return StoredObjects(object_store(self.media_store, s3))

    def follow_up_terms(self) -> FollowUpTerms:
        """Return when what is owed in words is asked for."""
        return FollowUpTerms(
            plan_reminders=_after(self.recovery_reminders_seconds),
            plan=timedelta(seconds=self.recovery_plan_seconds),
            failure_letter=_after(self.failure_letter_seconds),
            silence=_after(self.silence_seconds),
        )

    receipt_undo_seconds: float = Field(
        14 * DAY, gt=0, description="How long a backer may take back that a reward came."
    )
    receipt_question_seconds: float = Field(
        14 * DAY, gt=0, description="How long after a reward was sent its backer is asked for it."
    )
    delivery_notice_seconds: float = Field(
        2 * DAY,
        gt=0,
        description="Time for a notice of a reward that is sent unannounced, before the "
        "platform's own.",
    )

    emergency_form_seconds: float = Field(
        FORM_KEPT.total_seconds(), gt=0, description="How long an emergency's form is kept."
    )
    plan_free_seconds: float = Field(
        USUAL_PLAN_TERMS.freely.total_seconds(),
        ge=0,
        description="How long after a day was promised it moves later without an update.",
    )
    plan_missing_seconds: float = Field(
        USUAL_PLAN_TERMS.missing_after.total_seconds(),
        ge=0,
        description="How long after the verdict the page says that the delivery plan is missing.",
    )
    promise_question_days: Annotated[tuple[int, ...], *LISTED] = Field(
        USUAL_PLAN_TERMS.asked_before,
        max_length=20,
        description="On which days before a promised one, 0 being itself, its creator is asked "
        "about it; empty: never. A plan knows of other days from its next question or move on.",
    )
    survey_reminders_seconds: Annotated[tuple[int, ...], *LISTED] = Field(
        (259_200, 86_400),
        max_length=20,
        description="Times before a survey's end at which the silent are reminded; empty: never. "
        "A survey that is open knows of other times from its next reminder on.",
    )
    feedback_reminders_seconds: Annotated[tuple[int, ...], *LISTED] = Field(
        (604_800,),
        max_length=20,
        description="Times after a feedback form's opening at which the silent are reminded.",
    )
    survey_answers_fewest: int = Field(
        5,
        ge=2,
        le=1_000,
        description="With fewer anonymous answers nothing of them is shown.",
    )
    after_failure_seconds: float = Field(
        AFTER_FAILURE.total_seconds(),
        ge=0,
        description="How long after a failure backers comment and answer surveys.",
    )

    @field_validator("promise_question_days")
    @classmethod
    def _are_days_before(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 <= one <= DAYS_BEFORE_MAX for one in days) or len(set(days)) != len(days):
            raise ValueError(f"different days from 0 to {DAYS_BEFORE_MAX}")
        return days

    @field_validator("survey_reminders_seconds", "feedback_reminders_seconds")
    @classmethod
    def _are_times(cls, times: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 < one <= REMINDER_SECONDS_MAX for one in times) or len(set(times)) < len(
            times
        ):
            raise ValueError(f"different times from 1 to {REMINDER_SECONDS_MAX} seconds")
        return times

    @field_validator("recovery_reminders_seconds", "failure_letter_seconds", "silence_seconds")
    @classmethod
    def _follow_each_other(cls, times: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise((-1, *times))):
            raise ValueError("times that are not below 0, each later than the one before")
        return times

    @field_validator("recovery_reminders_seconds")
    @classmethod
    def _come_before_the_plan(cls, times: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        if times and times[-1] >= info.data.get("recovery_plan_seconds", times[-1] + 1):
            raise ValueError("all of them before UPDATES_RECOVERY_PLAN_SECONDS")
        return times

    def plan_terms(self) -> PlanTerms:
        """Return how the days of delivery plans move and are asked about."""
        return PlanTerms(
            freely=timedelta(seconds=self.plan_free_seconds),
            missing_after=timedelta(seconds=self.plan_missing_seconds),
            asked_before=self.promise_question_days,
        )

    def publishing_terms(self) -> PublishingTerms:
        """Return what of publishing is set."""
        return PublishingTerms(timedelta(seconds=self.emergency_form_seconds), self.plan_terms())

    def survey_terms(self) -> SurveyTerms:
        """Return when surveys are reminded of, and how few answers are hidden."""
        return SurveyTerms(
            before_end=_after(self.survey_reminders_seconds),
            after_opening=_after(self.feedback_reminders_seconds),
            fewest=self.survey_answers_fewest,
        )

    def tracking_terms(self) -> TrackingTerms:
        """Return the times by which rewards on their way are asked about."""
        return TrackingTerms(
            undo=timedelta(seconds=self.receipt_undo_seconds),
            question=timedelta(seconds=self.receipt_question_seconds),
            notice=timedelta(seconds=self.delivery_notice_seconds),
        )


def _after(seconds: tuple[int, ...]) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=number) for number in seconds)
