"""Facts of notifier: who was told, and whether a cause is complete."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Count,
    Event,
    Identifier,
    Instant,
    Part,
    Person,
    Sequence,
    Vocabulary,
)

NoticeKind = Annotated[
    str,
    Vocabulary(
        "verdict-reached",
        "update-published",
        "refund-succeeded",
        "pledge-errored",
        "pledge-reminder-due",
        "pledge-dropped",
        "campaign-cancelled",
        "refund-failed",
        "refund-claimable",
        "claimable-reminder-due",
        "refund-paid-otherwise",
        "campaign-launched",
        "refund-blocked",
        "refund-refused",
        "refund-reversed",
        "refund-run-finished",
        "plan-scheduled",
        "stage-due",
        "stage-held",
        "stage-nothing-to-pay",
        "stage-cancelled",
        "stage-paid",
        "stage-failed",
        "milestone-submitted",
        "milestone-approved",
        "milestone-rejected",
        "holding-limit-near",
        "dispute-opened",
        "dispute-lost",
        "update-corrected",
        "comment-added",
        "silence-step-reached",
        "problem-graded",
        "recovery-plan-reminder-due",
        "recovery-plan-missing",
        "letter-asked",
        "delivery-changed",
        "receipt-asked",
        "claim-opened",
        "claim-answered",
        "claim-escalated",
        "claim-resolved",
        "survey-opened",
        "survey-reminder-due",
        "questionnaire-asked",
        "follow-asked",
        "plan-asked",
        "promise-due",
        "delivery-notice-asked",
        "webhook-disabled",
    ),
]


class BackerNotified(Event):
    """A backer was told of a cause; known by its notification id, whatever is redelivered."""

    topic: ClassVar = "notifier.notifications"
    name: ClassVar = "backer-notified"
    version: ClassVar = "1.8"
    key_field: ClassVar = "recipient_id"
    about_fields: ClassVar = ("cause",)
    sequenced: ClassVar = False

    notification_id: Identifier = Field(description="Id made of cause and recipient.")
    cause: Identifier = Field(description="What is told, such as update-published/<update>.")
    campaign_id: Identifier = Field(description="Campaign that it is about.")
    recipient_id: Person = Field(description="Person who is told.")
    kind: NoticeKind = Field(description="Kind of the cause.")
    role: Annotated[str, Vocabulary("backer")] = Field(description="Why this person is told.")
    notified_at: Instant = Field(description="When the notification was planned.")


class PersonNotified(Event):
    """Somebody was told of a cause for another reason than backing its campaign.

    Whoever is told of a cause as a backer is not told again in another role.
    """

    topic: ClassVar = "notifier.notifications"
    name: ClassVar = "person-notified"
    version: ClassVar = "1.5"
    key_field: ClassVar = "recipient_id"
    about_fields: ClassVar = ("cause",)
    sequenced: ClassVar = False

    notification_id: Identifier = Field(description="Id made of cause and recipient.")
    cause: Identifier = Field(description="What is told, such as stage-due/<campaign>:<stage>.")
    campaign_id: Identifier = Field(description="Campaign that it is about.")
    recipient_id: Person = Field(description="Person who is told.")
    kind: NoticeKind = Field(description="Kind of the cause.")
    role: Annotated[str, Vocabulary("creator", "staff", "follower", "former_backer", "owner")] = (
        Field(description="Why this person is told; `owner` is who registered a webhook endpoint.")
    )
    notified_at: Instant = Field(description="When the notification was planned.")


class _Notice(Event):
    """What the notice facts share."""

    topic: ClassVar = "notifier.notices"
    about_fields: ClassVar = ("cause",)

    campaign_id: Identifier = Field(description="Campaign that it is about.")
    cause: Identifier = Field(description="What is told, such as update-published/<update>.")
    kind: NoticeKind = Field(description="Kind of the cause.")
    pledges_sequence: Sequence = Field(description="The audience is as of this sequence.")
    audience: Count = Field(description="Distinct people who are to be told.")


class NoticePlanned(_Notice):
    """It is settled who is told."""

    name: ClassVar = "notice-planned"
    version: ClassVar = "1.8"

    planned_at: Instant = Field(description="When it was settled.")


class ChannelTotals(Part):
    """How many people of a cause came to which outcome on one channel."""

    channel: Annotated[str, Vocabulary("inbox", "email")] = Field(description="The channel.")
    delivered: Count = Field(description="People reached.")
    suppressed: Count = Field(description="People not told there, for a reason.")
    failed: Count = Field(description="People who could not be reached there.")
    pending: Count = Field(description="People whose outcome there is still to come.")


class NoticeCompleted(_Notice):
    """Everybody has an outcome."""

    name: ClassVar = "notice-completed"
    version: ClassVar = "1.9"

    supplements: Count = Field(description="People added after the plan.")
    delivered: Count = Field(description="People told.")
    suppressed: Count = Field(description="People not told, for a reason.")
    failed: Count = Field(description="People who could not be told.")
    completed_at: Instant = Field(description="When the last outcome was known.")
    channels: list[ChannelTotals] | None = Field(
        None, description="The same people by channel, as it was then; absent before it was kept."
    )


class _Delivery(Event):
    """What the outcomes of deliveries share; one that comes again has the same id."""

    topic: ClassVar = "notifier.deliveries"
    key_field: ClassVar = "recipient_id"
    about_fields: ClassVar = ("cause",)
    sequenced: ClassVar = False

    notification_id: Identifier = Field(
        description="Notification that was on its way; for a webhook, the id of the fact."
    )
    cause: Identifier = Field(
        description="What is told, such as update-published/<update>; for a webhook, its type."
    )
    campaign_id: Identifier = Field(description="Campaign that it is about.")
    recipient_id: Person = Field(
        description="Person who is told; for a webhook, its endpoint as webhook:<endpoint>."
    )
    channel: Annotated[str, Vocabulary("email", "webhook")] = Field(
        description="How it was on its way. The inbox has every notification and no outcome here."
    )
    decided_at: Instant = Field(description="When the outcome was known.")


class DeliverySucceeded(_Delivery):
    """The next station took it: the recipient's mail server, or the endpoint."""

    name: ClassVar = "delivery-succeeded"
    version: ClassVar = "1.1"

    merged_into: Identifier | None = Field(
        default=None,
        description="Notification in whose mail this one went; absent where it had its own.",
    )


class DeliverySuppressed(_Delivery):
    """It is not sent on this channel, for a reason of ours or of the recipient."""

    name: ClassVar = "delivery-suppressed"
    version: ClassVar = "1.1"

    reason: Annotated[
        str,
        Vocabulary(
            "no-address",
            "address-suppressed",
            "unsubscribed",
            "muted",
            "refunded",
            "not-in-rewards",
            "no-consent",
            "reason-gone",
            "too-old",
            "erased",
            "channel-off",
            "merged",
            "hidden",
        ),
    ] = Field(description="Why, as a code.")


class DeliveryFailed(_Delivery):
    """It was tried and is given up."""

    name: ClassVar = "delivery-failed"

    reason: Annotated[
        str,
        Vocabulary(
            "address-refused",
            "content-refused",
            "expired",
            "gone",
            "forbidden-address",
            "redirected",
            "too-large",
        ),
    ] = Field(description="Why, as a code; never the server's text.")


class PersonErased(Event):
    """A person was erased: whoever keeps words or addresses of theirs forgets what came before."""

    topic: ClassVar = "notifier.erasures"
    name: ClassVar = "person-erased"
    key_field: ClassVar = "person_id"

    person_id: Person = Field(description="Person who was erased.")
    erased_at: Instant = Field(
        description="What came from the person up to then is forgotten, what comes later is not."
    )
