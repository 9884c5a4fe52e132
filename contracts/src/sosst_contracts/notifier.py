"""Facts of notifier: who was told, and whether a cause is complete."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Count,
    Event,
    Identifier,
    Instant,
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
    ),
]


class BackerNotified(Event):
    """A backer was told of a cause; known by its notification id, whatever is redelivered."""

    topic: ClassVar = "notifier.notifications"
    name: ClassVar = "backer-notified"
    version: ClassVar = "1.2"
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
    version: ClassVar = "1.2"

    planned_at: Instant = Field(description="When it was settled.")


class NoticeCompleted(_Notice):
    """Everybody has an outcome."""

    name: ClassVar = "notice-completed"
    version: ClassVar = "1.2"

    supplements: Count = Field(description="People added after the plan.")
    delivered: Count = Field(description="People told.")
    suppressed: Count = Field(description="People not told, for a reason.")
    failed: Count = Field(description="People who could not be told.")
    completed_at: Instant = Field(description="When the last outcome was known.")
