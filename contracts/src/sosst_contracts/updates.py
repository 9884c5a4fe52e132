"""Facts of updates: what creators publish, and what is decided about rewards."""

from typing import Annotated, ClassVar

from pydantic import Field

from sosst_contracts.event import (
    Amount,
    Count,
    Currency,
    Event,
    Identifier,
    Instant,
    Part,
    Person,
    Sequence,
    Text,
    Title,
    Vocabulary,
)


class UpdateText(Part):
    """The update in one language."""

    language: Identifier = Field(description="BCP 47 tag of the language.")
    title: Title = Field(description="Title of the update.")
    excerpt: Text | None = Field(
        None, max_length=500, description="Beginning of the details; only of public updates."
    )


class UpdatePublished(Event):
    """A creator published an update; every backer as of the sequence is to be told."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "update-published"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that the update is about.")
    update_id: Identifier = Field(description="Id of the update.")
    author_id: Person = Field(description="Person who published it.")
    kind: Annotated[str, Vocabulary("progress_report")] = Field(description="Kind of update.")
    visibility: Annotated[str, Vocabulary("public", "backers")] = Field(
        description="Who may read it."
    )
    texts: list[UpdateText] = Field(min_length=1, description="The update in its languages.")
    url: Text = Field(description="Where it can be read, relative to the platform.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the audience knows (as of N)."
    )
    audience_count: Count = Field(description="Distinct backers as of the sequence.")
    published_at: Instant = Field(description="When it was published.")


class ClaimMoneyRequested(Event):
    """A claim about a reward ended in money: payouts gives it, or says why not."""

    topic: ClassVar = "updates.claims"
    name: ClassVar = "claim-money-requested"
    about_fields: ClassVar = ("claim_id", "pledge_id")

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    claim_id: Identifier = Field(
        max_length=150, description="Id of the claim: asked for once, answered once."
    )
    pledge_id: Identifier = Field(description="Pledge whose reward the claim is about.")
    backer_id: Person = Field(description="Person who gets the money.")
    reason: Annotated[str, Vocabulary("quality", "missing", "wrong", "late", "other")] = Field(
        description="What the claim is about."
    )
    kind: Annotated[str, Vocabulary("refund", "compensation")] = Field(
        description="A part of the pledge itself, or something in addition to the reward."
    )
    amount: Amount = Field(description="Amount in minor units.")
    currency: Currency = Field(description="ISO 4217 currency of the amount.")
    payer: Annotated[str, Vocabulary("campaign", "platform")] = Field(
        description="Whose money it is; a refund is always the campaign's."
    )
    decided_by: Person = Field(description="Person who decided it: the creator, or staff.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that was known when it was decided (as of N)."
    )
    requested_at: Instant = Field(description="When it was decided.")
