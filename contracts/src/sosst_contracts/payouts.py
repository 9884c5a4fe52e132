"""Facts of payouts: refunds and the stages in which a creator is paid."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Amount,
    BasisPoints,
    Count,
    Currency,
    Event,
    Identifier,
    Instant,
    Part,
    Person,
    Text,
    Total,
    Vocabulary,
)

RefundKind = Annotated[str, Vocabulary("refund")]
StageKind = Annotated[str, Vocabulary("first", "second", "last")]
RefundMethod = Annotated[str, Vocabulary("original_payment")]


class _Refund(Event):
    """What the refund facts share."""

    topic: ClassVar = "payouts.refunds"
    about_fields: ClassVar = ("refund_id", "pledge_id")

    campaign_id: Identifier = Field(description="Campaign that the money was for.")
    refund_id: Identifier = Field(description="Id of the refund, made of pledge and cause.")
    kind: RefundKind = Field(description="What is returned.")
    pledge_id: Identifier = Field(description="Pledge that is returned.")
    backer_id: Person = Field(description="Person who gets it.")
    amount: Amount = Field(description="Amount in minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    cause: Identifier = Field(description="Why, such as verdict-reached/<campaign>.")


class RefundCreated(_Refund):
    """A refund is owed and will be tried."""

    name: ClassVar = "refund-created"

    created_at: Instant = Field(description="When it became owed.")


class RefundSucceeded(_Refund):
    """The provider returned the money."""

    name: ClassVar = "refund-succeeded"

    fully_refunded: bool = Field(description="Whether nothing of the pledge is left.")
    method: RefundMethod = Field(description="Way the money took.")
    succeeded_at: Instant = Field(description="When the provider confirmed it.")


class RefundFailed(_Refund):
    """An attempt failed, or a refund that had succeeded came back."""

    name: ClassVar = "refund-failed"

    reason: Text = Field(description="The provider's reason code.")
    failed_at: Instant = Field(description="When it failed.")


class RefundClaimable(_Refund):
    """The original means of payment does not take the money; the backer may claim it."""

    name: ClassVar = "refund-claimable"

    reason: Text = Field(description="The last attempt's reason code.")
    claimable_at: Instant = Field(description="When it became claimable.")


class PlannedStage(Part):
    """One stage of the plan."""

    stage: Count = Field(description="Number of the stage, from 1.")
    kind: StageKind = Field(description="Which of the stages it is.")
    share_basis_points: BasisPoints = Field(description="Its share of the base.")
    planned_amount: Total = Field(description="Share of the base before fees, minor units.")


class PlanScheduled(Event):
    """The stages of a campaign that met its goal are planned."""

    topic: ClassVar = "payouts.stages"
    name: ClassVar = "plan-scheduled"

    campaign_id: Identifier = Field(description="Campaign that met its goal.")
    currency: Currency = Field(description="ISO 4217 currency of all amounts.")
    base: Total = Field(description="The verdict's collected, frozen, minor units.")
    stages: list[PlannedStage] = Field(description="The stages in order.")
    scheduled_at: Instant = Field(description="When it was planned.")


class _Stage(Event):
    """What the stage facts share."""

    topic: ClassVar = "payouts.stages"
    about_fields: ClassVar = ("stage",)

    campaign_id: Identifier = Field(description="Campaign whose creator is paid.")
    stage: Count = Field(description="Number of the stage, from 1.")
    kind: StageKind = Field(description="Which of the stages it is.")
    amount: Total = Field(description="Amount of the stage, minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")


class StageDue(_Stage):
    """The stage's milestone is reached."""

    name: ClassVar = "stage-due"

    due_at: Instant = Field(description="When it became due.")


class StageApproved(_Stage):
    """The stage may be paid."""

    name: ClassVar = "stage-approved"

    by: Identifier = Field(description="Who approved it; `verdict` for a first stage.")
    destination_version: Count = Field(description="Version of the destination it is for.")
    approved_at: Instant = Field(description="When it was approved.")


class StageSubmitted(_Stage):
    """The provider was asked to pay."""

    name: ClassVar = "stage-submitted"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    destination_version: Count = Field(description="Version of the destination it goes to.")
    submitted_at: Instant = Field(description="When it was submitted.")


class StagePaid(_Stage):
    """The creator's bank has the money."""

    name: ClassVar = "stage-paid"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    paid_at: Instant = Field(description="When the bank confirmed it.")


class StageFailed(_Stage):
    """An attempt failed, or a stage that had been paid came back."""

    name: ClassVar = "stage-failed"

    attempt: Count = Field(description="Number of the attempt, from 1.")
    reason: Text = Field(description="The provider's reason code.")
    failed_at: Instant = Field(description="When it failed.")
