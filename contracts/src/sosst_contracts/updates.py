"""Facts of updates: what creators publish, and what is decided about rewards."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from sosst_contracts.event import (
    LARGEST_TOTAL,
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

UpdateKind = Annotated[
    str,
    Vocabulary(
        "progress_report",
        "thank_you",
        "delay_notice",
        "emergency",
        "recovery_plan",
        "delivery_notice",
        "failure_letter",
        "plan_adjustment",
        "news",
    ),
]
FailureReason = Annotated[
    str, Vocabulary("market_demand", "product_design", "lack_of_promotion", "other")
]
Visibility = Annotated[str, Vocabulary("public", "backers", "rewards")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]


ProblemKind = Annotated[str, Vocabulary("delay_notice", "emergency")]


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
    version: ClassVar = "1.3"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that the update is about.")
    update_id: Identifier = Field(description="Id of the update.")
    author_id: Person = Field(description="Person who published it.")
    kind: UpdateKind = Field(description="Kind of update.")
    visibility: Visibility = Field(description="Who may read it.")
    texts: list[UpdateText] = Field(min_length=1, description="The update in its languages.")
    url: Text = Field(description="Where it can be read, relative to the platform.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the audience knows (as of N)."
    )
    audience_count: Count = Field(description="Distinct backers as of the sequence.")
    campaign_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.campaigns that was known then: how the "
        "collection had ended decides who is told.",
    )
    published_at: Instant = Field(description="When it was published.")
    severity: Annotated[str, Vocabulary("serious", "critical")] | None = Field(
        None, description="How bad it is; of an emergency."
    )
    declared_promptly: bool | None = Field(
        None, description="Whether it was declared within three days; of an emergency."
    )
    answers: Identifier | None = Field(
        None, description="Emergency that is answered, by its update; of a recovery plan."
    )
    occasion: Annotated[str, Vocabulary("milestone", "plan_step", "other")] | None = Field(
        None, description="What the letter is for; of a thank-you letter."
    )
    occasion_subject: Identifier | None = Field(
        None, description="The milestone or step of the plan that is the occasion."
    )
    dates: Annotated[str, Vocabulary("moved", "unchanged")] | None = Field(
        None, description="What becomes of the plan's dates; of a delay notice or recovery plan."
    )
    estimated_on: Day | None = Field(
        None, description="Estimated day of delivery; of a delivery notice."
    )
    mode: Annotated[str, Vocabulary("post", "pick_up", "digital", "service")] | None = Field(
        None, description="How it is delivered; of a delivery notice."
    )
    rewards: list[Identifier] | None = Field(
        None, description="Rewards concerned; absent where it is not about some of them."
    )
    reasons: list[FailureReason] | None = Field(
        None, min_length=1, description="Why the goal was missed; of a failure letter."
    )
    survey_id: Identifier | None = Field(
        None, description="Survey that is answered; of an adjustment of the plan."
    )
    event_starts_at: Instant | None = Field(
        None, description="When the event begins that the news carry."
    )
    resolves: list[Identifier] | None = Field(
        None, description="Problems that it ends, by the updates that opened them."
    )
    visible_to_rewards: list[Identifier] | None = Field(
        None, description="Rewards whose backers may read it; exactly where `visibility` says so."
    )


class UpdateCorrected(Event):
    """What a published update says was changed: whoever reads it now reads this revision."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "update-corrected"
    version: ClassVar = "1.1"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that the update is about.")
    update_id: Identifier = Field(description="Id of the update.")
    revision: Count = Field(description="Number of what it says now; 1 was published.")
    kind: UpdateKind = Field(description="Kind of update, which never changes.")
    visibility: Visibility = Field(description="Who may read it, which never changes.")
    visible_to_rewards: list[Identifier] | None = Field(
        None, description="Rewards whose backers may read it; exactly where `visibility` says so."
    )
    texts: list[UpdateText] = Field(min_length=1, description="The update in its languages.")
    url: Text = Field(description="Where it can be read, relative to the platform.")
    correction: bool = Field(
        description="Whether the change is shown; an edit within half an hour is not."
    )
    tells: bool = Field(
        description="Whether every backer is told, once for this revision, as a correction."
    )
    changes: list[Annotated[str, Vocabulary("date", "required_part", "right")]] = Field(
        description="What it changes that people must know of; empty for words alone."
    )
    reason: Text | None = Field(None, description="Why; only of public updates.")
    corrected_by: Person = Field(description="Person who changed it.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the audience knows (as of N)."
    )
    audience_count: Count = Field(description="Distinct backers as of the sequence.")
    campaign_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.campaigns that was known then: how the "
        "collection had ended decides who is told.",
    )
    corrected_at: Instant = Field(description="When it was changed.")


HidingReason = Annotated[
    str, Vocabulary("spam", "abuse", "personal_data", "illegal", "off_topic", "other")
]


class UpdateHidden(Event):
    """Staff hid a published update: whoever shows it elsewhere takes it away."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "update-hidden"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that the update is about.")
    update_id: Identifier = Field(description="Id of the update.")
    author_id: Person = Field(description="Person who published it.")
    revision: Count = Field(description="Number of what it said then; 1 was published.")
    reason: HidingReason = Field(description="Why it is hidden.")
    hidden_by: Person = Field(description="Person of the platform's staff who hid it.")
    hidden_at: Instant = Field(description="When it was hidden.")


class UpdateRestored(Event):
    """An appeal was granted by another person: the update is read again, and told to nobody."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "update-restored"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that the update is about.")
    update_id: Identifier = Field(description="Id of the update.")
    author_id: Person = Field(description="Person who published it.")
    hidden_at: Instant = Field(description="When it had been hidden.")
    restored_by: Person = Field(description="Person of the platform's staff who granted it.")
    restored_at: Instant = Field(description="When it was granted.")


class CommentAdded(Event):
    """Somebody commented on an update; the words are read where they stand."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "comment-added"
    about_fields: ClassVar = ("update_id", "comment_id")

    campaign_id: Identifier = Field(description="Campaign of the update.")
    update_id: Identifier = Field(description="Update that is commented on.")
    comment_id: Identifier = Field(description="Id of the comment, unique within its update.")
    author_id: Person = Field(description="Person who wrote it.")
    by_team: bool = Field(description="Whether the writer is of the campaign's team.")
    answers: Identifier | None = Field(None, description="Comment that it answers, if any.")
    answered_person_id: Person | None = Field(
        None, description="Person who wrote what is answered; told of the answer."
    )
    added_at: Instant = Field(description="When it was written.")


class CommentHidden(Event):
    """A comment is no longer shown; a marker stays in its place."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "comment-hidden"
    about_fields: ClassVar = ("update_id", "comment_id")

    campaign_id: Identifier = Field(description="Campaign of the update.")
    update_id: Identifier = Field(description="Update that is commented on.")
    comment_id: Identifier = Field(description="Id of the comment, unique within its update.")
    author_id: Person = Field(description="Person who wrote it.")
    reason: HidingReason = Field(description="Why it is hidden.")
    hidden_by: Person = Field(description="Moderator or staff who hid it.")
    hidden_at: Instant = Field(description="When it was hidden.")


class CommentRestored(Event):
    """An appeal was granted by another person: the comment is read again, and told to nobody."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "comment-restored"
    about_fields: ClassVar = ("update_id", "comment_id")

    campaign_id: Identifier = Field(description="Campaign of the update.")
    update_id: Identifier = Field(description="Update that is commented on.")
    comment_id: Identifier = Field(description="Id of the comment, unique within its update.")
    author_id: Person = Field(description="Person who wrote it.")
    hidden_at: Instant = Field(description="When it had been hidden.")
    restored_by: Person = Field(description="Person of the platform's staff who granted it.")
    restored_at: Instant = Field(description="When it was granted.")


class ProblemResolved(Event):
    """An update ended a problem that a delay notice or an emergency had opened."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "problem-resolved"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that had the problem.")
    update_id: Identifier = Field(description="Update that opened the problem.")
    kind: ProblemKind = Field(description="What it was when it ended.")
    resolved_by: Identifier = Field(description="Update that resolved it.")
    opened_at: Instant = Field(description="When it was opened.")
    resolved_at: Instant = Field(description="When it was resolved.")


class ProblemGraded(Event):
    """Staff raised a problem to an emergency, or lowered one.

    Every backer is to be told of what was a delay and is an emergency now: then it names N.
    """

    topic: ClassVar = "updates.posts"
    name: ClassVar = "problem-graded"
    version: ClassVar = "1.2"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that has the problem.")
    update_id: Identifier = Field(description="Update that opened the problem.")
    kind: ProblemKind = Field(description="What it is from now on.")
    severity: Annotated[str, Vocabulary("serious", "critical")] | None = Field(
        None, description="How bad it is; of an emergency."
    )
    by: Person = Field(description="Person of the platform's staff who decided it.")
    reason: Text = Field(description="Why.")
    graded_at: Instant = Field(description="When it was decided.")
    pledges_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.pledges that the audience knows (as of N); of a "
        "delay that became an emergency.",
    )
    audience_count: Count | None = Field(
        None, description="Distinct backers as of the sequence; where there is one."
    )
    campaign_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.campaigns that was known then: how the "
        "collection had ended decides who is told.",
    )


class RecoveryPlanReminderDue(Event):
    """An emergency's recovery plan is due soon; the creator is to be reminded."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "recovery-plan-reminder-due"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that has the emergency.")
    update_id: Identifier = Field(description="Update that is the emergency.")
    number: Count = Field(description="Which reminder it is, from 1.")
    due_at: Instant = Field(description="When the plan is due.")
    reminded_at: Instant = Field(description="When the reminder was due.")


class RecoveryPlanMissing(Event):
    """An emergency's term ended without a recovery plan; every backer is to be told so."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "recovery-plan-missing"
    version: ClassVar = "1.1"
    about_fields: ClassVar = ("update_id",)

    campaign_id: Identifier = Field(description="Campaign that has the emergency.")
    update_id: Identifier = Field(description="Update that is the emergency.")
    due_at: Instant = Field(description="When the plan was due.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the audience knows (as of N)."
    )
    audience_count: Count = Field(description="Distinct backers as of the sequence.")
    campaign_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.campaigns that was known then: how the "
        "collection had ended decides who is told.",
    )
    missed_at: Instant = Field(description="When it was noticed.")


class LetterAsked(Event):
    """The creator is asked for a letter to the backers, for the first time or again."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "letter-asked"
    about_fields: ClassVar = ("kind", "occasion")

    campaign_id: Identifier = Field(description="Campaign whose creator is asked.")
    kind: Annotated[str, Vocabulary("thank_you", "failure_letter")] = Field(
        description="Kind of update that is asked for."
    )
    occasion: Annotated[str, Vocabulary("verdict", "milestone", "campaign_ended")] = Field(
        description="Why it is asked for."
    )
    number: Count = Field(description="How often it was asked for with this one, from 1.")
    stage: Count | None = Field(None, description="Stage whose milestone is the occasion.")
    asked_at: Instant = Field(description="When it was asked for.")


class SilenceStepReached(Event):
    """Nothing was heard of a campaign for so long that something follows."""

    topic: ClassVar = "updates.posts"
    name: ClassVar = "silence-step-reached"
    about_fields: ClassVar = ("step",)

    campaign_id: Identifier = Field(description="Campaign whose creator is silent.")
    step: Annotated[
        str, Vocabulary("creator_reminded", "backers_may_ask", "stage_held", "staff_told")
    ] = Field(description="What follows; the next update ends all of it.")
    since: Instant = Field(description="When something was last heard.")
    askers: Count = Field(description="How many backers have asked since; nobody is named.")
    reached_at: Instant = Field(description="When the step was reached.")


BatchNumber = Annotated[int, Field(ge=1, le=999)]
StepName = Annotated[str, Vocabulary("production", "packaging", "delivery", "start", "end")]


class PlannedStep(Part):
    """A step of a delivery plan, with the day that is promised for it."""

    step: StepName = Field(description="Products are produced, packed, delivered; services run.")
    date: Day = Field(description="The promised day, in the campaign's zone.")


class PlanAsked(Event):
    """The goal is met: the creator is asked for a delivery plan. Told: the creator and team."""

    topic: ClassVar = "updates.plans"
    name: ClassVar = "plan-asked"

    campaign_id: Identifier = Field(description="Campaign whose rewards are to be planned.")
    rewards_missing: Count = Field(description="How many rewards have no plan yet.")
    asked_at: Instant = Field(description="When it was asked for: with the verdict.")
    missing_from: Instant = Field(
        description="From when on the page says that the plan is missing, unless it comes."
    )


class PlanPublished(Event):
    """The creator promised days for a batch of a reward."""

    topic: ClassVar = "updates.plans"
    name: ClassVar = "plan-published"
    version: ClassVar = "1.1"
    about_fields: ClassVar = ("reward_id",)

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    reward_id: Identifier = Field(description="The reward.")
    batch: BatchNumber = Field(description="Which batch of it, from 1.")
    provision: Annotated[str, Vocabulary("product", "service")] = Field(
        description="What is promised: something made and sent, or something done."
    )
    steps: list[PlannedStep] = Field(min_length=2, description="Its steps, in their order.")
    rewards_missing: Count | None = Field(
        None, description="How many rewards have no plan behind this one; with 0 the plan is whole."
    )
    published_by: Person = Field(description="Person who promised.")
    published_at: Instant = Field(description="When it was promised.")


class _PromiseFact(Event):
    """What facts about one promise share."""

    topic: ClassVar = "updates.plans"
    about_fields: ClassVar = ("reward_id",)

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    reward_id: Identifier = Field(description="The reward.")
    batch: BatchNumber = Field(description="Which batch of it, from 1.")
    step: StepName = Field(description="The step that the promise is about.")


class PromiseMoved(_PromiseFact):
    """A promised day became another one, with a reason that everybody may read."""

    name: ClassVar = "promise-moved"

    old: Day = Field(description="The day that was promised before.")
    new: Day = Field(description="The day that is promised now.")
    reason: Text = Field(min_length=1, description="Why, in the creator's words.")
    update_id: Identifier | None = Field(
        None, description="Update that explains it; absent where it moved without one."
    )
    number: Annotated[int, Field(ge=1, le=2**53 - 1)] = Field(
        description="Its place in the campaign's promise log, from 1."
    )
    moved_by: Person = Field(description="Person who moved it.")
    moved_at: Instant = Field(description="When it was moved.")


class PromiseAnswered(_PromiseFact):
    """The creator said that a promise stands, or that it is kept."""

    name: ClassVar = "promise-answered"

    answer: Annotated[str, Vocabulary("confirmed", "done")] = Field(
        description="The day stands, or the step is done."
    )
    answered_by: Person = Field(description="Person who said it.")
    answered_at: Instant = Field(description="When it was said.")


class PromiseDue(_PromiseFact):
    """A promised day is near or here: confirm, move or mark done. Told: the creator and team."""

    name: ClassVar = "promise-due"

    date: Day = Field(description="The promised day.")
    days_before: Annotated[int, Field(ge=0, le=365)] = Field(
        description="How many days before it the creator is asked; 0 on the day."
    )
    due_at: Instant = Field(description="When the question fell due.")


EvidenceHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class MilestoneSubmitted(Event):
    """A creator shows that a milestone is reached: payouts takes the hash, staff decide.

    Told: staff. What the evidence says and shows stays in updates.
    """

    topic: ClassVar = "updates.plans"
    name: ClassVar = "milestone-submitted"
    about_fields: ClassVar = ("stage", "revision")

    campaign_id: Identifier = Field(description="Campaign whose milestone it is.")
    stage: Count = Field(description="Number of the stage that it releases, 2 or 3.")
    revision: Annotated[int, Field(ge=1, le=LARGEST_TOTAL)] = Field(
        description="Revision of the evidence, from 1."
    )
    evidence: EvidenceHash = Field(description="SHA-256 of the evidence as it is shown.")
    used: Annotated[int, Field(ge=0, le=LARGEST_TOTAL)] = Field(
        description="Sum of the statement of use of funds, minor units; no more than was paid."
    )
    currency: Currency = Field(description="ISO 4217 currency of the sum.")
    submitted_by: Person = Field(description="Person who submitted it.")
    submitted_at: Instant = Field(description="When it was submitted.")


DeliveryState = Annotated[
    str,
    Vocabulary(
        "not_started",
        "preparing",
        "shipped",
        "partially_shipped",
        "delivered",
        "received",
        "returned",
    ),
]


class ChangedDelivery(Part):
    """One backer's reward came from one state to another."""

    backer_id: Person = Field(description="Backer whose reward it is.")
    old: DeliveryState = Field(description="How far it was.")
    new: DeliveryState = Field(description="How far it is now.")


class DeliveryChanged(Event):
    """A reward moved on its way to some backers; who is where they were is not among them.

    Told: the backers, but for one whose own word it was. Numbers of parcels stay in updates.
    """

    topic: ClassVar = "updates.deliveries"
    name: ClassVar = "delivery-changed"
    about_fields: ClassVar = ("change_id",)

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    change_id: Identifier = Field(description="Id of this change, equal on every retry.")
    reward_id: Identifier = Field(description="The reward.")
    state: DeliveryState = Field(description="How far it is now, for all of them.")
    changes: list[ChangedDelivery] = Field(
        min_length=1, max_length=1_000, description="Who has come from where, each of them once."
    )
    changed_by: Person = Field(
        description="Who moved it: one of the team, the backer, or `suite` where nobody did."
    )
    changed_at: Instant = Field(description="When it moved.")


class ReceiptAsked(Event):
    """Backers whose reward was sent a while ago are asked whether it came."""

    topic: ClassVar = "updates.deliveries"
    name: ClassVar = "receipt-asked"
    about_fields: ClassVar = ("question_id",)

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    question_id: Identifier = Field(description="Id of this question, equal on every retry.")
    reward_id: Identifier = Field(description="The reward.")
    backers: list[Person] = Field(
        min_length=1, max_length=1_000, description="Who is asked, each of them once."
    )
    asked_at: Instant = Field(description="When they were asked.")


class DeliveryNoticeAsked(Event):
    """A reward is on its way and no delivery notice says so: the creator is asked for one.

    Told: the creator and team. If none comes the platform publishes its own.
    """

    topic: ClassVar = "updates.deliveries"
    name: ClassVar = "delivery-notice-asked"
    about_fields: ClassVar = ("reward_id",)

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    reward_id: Identifier = Field(description="The reward.")
    asked_at: Instant = Field(description="When it was first sent to somebody.")
    platform_sends_at: Instant = Field(description="When the platform publishes its own.")


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


Reason = Annotated[str, Vocabulary("quality", "missing", "wrong", "late", "other")]
Outcome = Annotated[str, Vocabulary("replacement", "refund", "compensation", "refused")]
Entry = Annotated[int, Field(ge=1, le=LARGEST_TOTAL)]


class _Claim(Event):
    """What the facts of a claim share; what people wrote stays in updates."""

    topic: ClassVar = "updates.claims"
    about_fields: ClassVar[tuple[str, ...]] = ("claim_id", "pledge_id")

    campaign_id: Identifier = Field(description="Campaign that the reward belongs to.")
    claim_id: Identifier = Field(max_length=150, description="Id of the claim.")
    pledge_id: Identifier = Field(description="Pledge whose reward the claim is about.")
    backer_id: Person = Field(description="Person who claims.")
    reward_id: Identifier | None = Field(None, description="Reward, absent if none was chosen.")
    reason: Reason = Field(description="What the claim is about.")


class ClaimOpened(_Claim):
    """A backer has a problem with a reward; the creator is to answer."""

    name: ClassVar = "claim-opened"

    due_at: Instant = Field(description="Until when the creator is to answer.")
    opened_at: Instant = Field(description="When it was opened.")


class ClaimAnswered(_Claim):
    """Somebody wrote, proposed or agreed to something; the other side is to know."""

    name: ClassVar = "claim-answered"
    about_fields: ClassVar = ("claim_id", "pledge_id", "entry")

    entry: Entry = Field(description="Place in the claim's thread, from 1.")
    by: Person = Field(description="Person who answered.")
    side: Annotated[str, Vocabulary("backer", "creator", "staff")] = Field(
        description="On whose side the person stands."
    )
    what: Annotated[str, Vocabulary("message", "proposal", "acceptance")] = Field(
        description="What the answer is."
    )
    outcome: Outcome | None = Field(
        None, description="How the claim is to end; absent for a message."
    )
    amount: Amount | None = Field(
        None, description="Money proposed in minor units, absent where none is."
    )
    currency: Currency | None = Field(None, description="ISO 4217 currency of the amount.")
    due_at: Instant | None = Field(
        None, description="Until when whoever has the turn is to answer, absent if nobody."
    )
    answered_at: Instant = Field(description="When it was answered.")


class ClaimEscalated(_Claim):
    """A claim needs the platform's staff; between backer and creator it did not end."""

    name: ClassVar = "claim-escalated"
    about_fields: ClassVar = ("claim_id", "pledge_id", "entry")

    entry: Entry = Field(description="Place in the claim's thread, from 1.")
    because: Annotated[
        str,
        Vocabulary(
            "backer_asked",
            "creator_silent",
            "decision_asked",
            "replacement_not_sent",
            "money_refused",
        ),
    ] = Field(description="Why; after `backer_asked` the creator may still answer until it is due.")
    due_at: Instant = Field(description="Until when the creator, or else staff, are to answer.")
    escalated_at: Instant = Field(description="When it was escalated.")


class ClaimResolved(_Claim):
    """A claim ended; nothing more comes of it."""

    name: ClassVar = "claim-resolved"

    outcome: Annotated[
        str, Vocabulary("replacement", "refund", "compensation", "refused", "withdrawn")
    ] = Field(description="How it ended.")
    amount: Amount | None = Field(
        None, description="Money given in minor units, absent where none was."
    )
    currency: Currency | None = Field(None, description="ISO 4217 currency of the amount.")
    decided_by: Person = Field(description="Person whose word it was.")
    resolved_at: Instant = Field(description="When it ended.")


class _Survey(Event):
    """What the facts of a survey share; nothing of what anybody answered."""

    topic: ClassVar = "updates.surveys"
    about_fields: ClassVar[tuple[str, ...]] = ("survey_id",)

    campaign_id: Identifier = Field(description="Campaign whose backers are asked.")
    survey_id: Identifier = Field(description="Id of the survey.")
    kind: Annotated[str, Vocabulary("survey", "feedback")] = Field(
        description="A survey, or a feedback form, which stays open."
    )
    named: bool = Field(description="Whether the creator sees who answered what.")


class SurveyOpened(_Survey):
    """A creator asks; every backer as of the sequence may answer."""

    name: ClassVar = "survey-opened"
    version: ClassVar = "1.1"

    author_id: Person = Field(description="Person who opened it.")
    language: Identifier = Field(description="BCP 47 tag of the language of the title.")
    title: Title = Field(description="Title of the survey.")
    url: Text = Field(description="Where it can be answered, relative to the platform.")
    pledges_sequence: Sequence = Field(
        description="Last sequence of funding.pledges that the audience knows (as of N)."
    )
    audience_count: Count = Field(description="Distinct backers as of the sequence.")
    campaign_sequence: Sequence | None = Field(
        None,
        description="Last sequence of funding.campaigns that was known then: how the "
        "collection had ended decides who is told.",
    )
    closes_at: Instant | None = Field(None, description="When it closes, absent if it stays open.")
    opened_at: Instant = Field(description="When it was opened.")


class SurveyReminderDue(_Survey):
    """Backers who have not answered are to be reminded; whoever answered is not among them."""

    name: ClassVar = "survey-reminder-due"
    about_fields: ClassVar = ("survey_id", "reminder", "part")

    reminder: Entry = Field(description="Which reminder, from 1.")
    part: Entry = Field(description="Which part of its list, from 1.")
    backers: list[Person] = Field(
        min_length=1, max_length=1_000, description="Who is to be reminded."
    )
    closes_at: Instant | None = Field(None, description="When it closes, absent if it stays open.")
    due_at: Instant = Field(description="When the reminder fell due.")


class QuestionnaireAsked(Event):
    """Backers who chose a reward are asked for its options and where it is to be sent.

    With `locks_at` it is their last notice. What they reply is on no topic.
    """

    topic: ClassVar = "updates.surveys"
    name: ClassVar = "questionnaire-asked"
    about_fields: ClassVar = ("reward_id", "part")

    campaign_id: Identifier = Field(description="Campaign whose reward it is.")
    reward_id: Identifier = Field(description="Reward that they chose.")
    part: Entry = Field(description="Which part of what is told of it, from 1.")
    pledges: list[Identifier] = Field(
        min_length=1, max_length=1_000, description="Their pledges with it."
    )
    backers: list[Person] = Field(min_length=1, max_length=1_000, description="Who is asked.")
    locks_at: Instant | None = Field(
        None, description="Until when a reply can be changed, absent while there is no end."
    )
    url: Text = Field(description="Where it is replied to, relative to the platform.")
    asked_at: Instant = Field(description="When they were asked.")


class SurveyClosed(_Survey):
    """A survey takes no more answers."""

    name: ClassVar = "survey-closed"

    answers: Count = Field(description="How many people answered.")
    audience_count: Count = Field(description="How many could.")
    closed_at: Instant = Field(description="When it closed.")
