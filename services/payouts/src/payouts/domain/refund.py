"""A refund: its states, its attempts, and what each answer of the provider makes of it.

States as in `money.md` 7, as far as this slice goes. Every decision is a value: the refund and the
pledge's money afterwards, the postings to seal, and the facts to publish, to be saved together.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain import postings
from payouts.domain.acts import Act, ActKind, OtherMeans
from payouts.domain.errors import Refused
from payouts.domain.ledger import Posting
from payouts.domain.pledge_money import PledgeMoney, reserve
from payouts.domain.postings import Payer


class RefundKind(StrEnum):
    """The pledge itself goes back, or its backer gets something beside the reward (row 20)."""

    REFUND = "refund"
    COMPENSATION = "compensation"


class RefundState(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    REQUESTED = "requested"
    AWAITING_FUNDS = "awaiting_funds"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CLAIMABLE = "claimable"
    PAID_BY_OTHER_MEANS = "paid_by_other_means"
    REFUSED = "refused"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


TRANSITIONS: dict[RefundState, frozenset[RefundState]] = {
    RefundState.AWAITING_APPROVAL: frozenset(
        {RefundState.REQUESTED, RefundState.REFUSED, RefundState.CANCELLED}
    ),
    RefundState.REQUESTED: frozenset(
        {
            RefundState.AWAITING_FUNDS,
            RefundState.SUBMITTED,
            RefundState.CLAIMABLE,
            RefundState.BLOCKED,
            RefundState.CANCELLED,
        }
    ),
    RefundState.AWAITING_FUNDS: frozenset(
        {
            RefundState.SUBMITTED,
            RefundState.CLAIMABLE,
            RefundState.BLOCKED,
            RefundState.CANCELLED,
        }
    ),
    RefundState.SUBMITTED: frozenset(
        {RefundState.UNKNOWN, RefundState.PENDING, RefundState.SUCCEEDED, RefundState.FAILED}
    ),
    RefundState.UNKNOWN: frozenset(
        {RefundState.SUBMITTED, RefundState.SUCCEEDED, RefundState.FAILED}
    ),
    RefundState.PENDING: frozenset({RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(
        {
            RefundState.AWAITING_FUNDS,
            RefundState.SUBMITTED,
            RefundState.CLAIMABLE,
            RefundState.BLOCKED,
        }
    ),
    RefundState.CLAIMABLE: frozenset(
        {RefundState.REQUESTED, RefundState.PAID_BY_OTHER_MEANS, RefundState.BLOCKED}
    ),
    RefundState.PAID_BY_OTHER_MEANS: frozenset(),
    RefundState.BLOCKED: frozenset({RefundState.REQUESTED, RefundState.CANCELLED}),
    RefundState.REFUSED: frozenset(),
    RefundState.CANCELLED: frozenset(),
}


# Nothing more to do until somebody hears something new about it.
RESTING = frozenset(
    {
        RefundState.AWAITING_APPROVAL,
        RefundState.SUCCEEDED,
        RefundState.CLAIMABLE,
        RefundState.BLOCKED,
        RefundState.PAID_BY_OTHER_MEANS,
        RefundState.REFUSED,
        RefundState.CANCELLED,
    }
)
# The provider was asked, and what comes of it is not known.
UNANSWERED = frozenset({RefundState.SUBMITTED, RefundState.UNKNOWN, RefundState.PENDING})


@dataclass(frozen=True, slots=True)
class RefundAttempt:
    """One try under one key; a new number is used only after a definite answer to the last.

    `balance_transaction` is the cash that left, `failure_balance_transaction` its coming back.
    `key_spent` says that the provider keeps an error under this key: sending it again would only
    replay that, so the refund must be looked up. By `acquirer_reference` the backer's bank finds it
    (`money.md` 10); the provider knows it days later, if at all.
    """

    number: int
    first_sent_at: datetime
    last_sent_at: datetime
    provider_refund_id: str | None = None
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    key_spent: bool = False
    acquirer_reference: str | None = None

    @property
    def cash_is_out(self) -> bool:
        return self.balance_transaction is not None and self.failure_balance_transaction is None


@dataclass(frozen=True, slots=True)
class ClaimLink:
    """The personal link that opens a refund; the next number takes its place."""

    number: int
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to one backer, for one cause; the amount never changes.

    `unpaid` is what a share leaves of the pledge: « restant dû par l'initiateur », not our debt.

    `failures` counts definite failures that used up a try; waiting for funds does not.
    `reason` says why it waits, failed or became claimable. `blocks` counts how often a dispute took
    its money back, each time with a cause of its own in the book. `version` guards every save.

    Where people asked for it, `acts` are all that they did. `advance_max` is how much of it the
    platform may lend where the campaign holds too little, `advanced` what it lent and
    has not back. `other_means` is how somebody says that a claimable one was paid; `remind_at` is
    when its backer is reminded next, None after the last time. After `refundable_until` the
    provider no longer returns the payment, None: without end. `claim_link` is its backer's
    personal link, None before the first. Of a compensation by the platform `recouped` is what the
    campaign bears after all.
    """

    refund_id: str
    campaign_id: str
    pledge_id: str
    backer_id: str
    amount: int
    currency: str
    provider: str
    payment_reference: str
    cause: str
    state: RefundState
    created_at: datetime
    attempts: tuple[RefundAttempt, ...] = ()
    failures: int = 0
    reason: str | None = None
    version: int = 0
    unpaid: int = 0
    acts: tuple[Act, ...] = ()
    advance_max: int = 0
    advanced: int = 0
    blocks: int = 0
    claimable_at: datetime | None = None
    remind_at: datetime | None = None
    other_means: OtherMeans | None = None
    refundable_until: datetime | None = None
    kind: RefundKind = RefundKind.REFUND
    payer: Payer = Payer.CAMPAIGN
    beyond: bool = False
    claim_link: ClaimLink | None = None
    recouped: int = 0

    @property
    def from_campaign(self) -> int:
        """How much of it comes out of what the campaign holds."""
        return self.amount if self.payer is Payer.CAMPAIGN else self.recouped

    @property
    def from_platform(self) -> int:
        """How much of it is the platform's own."""
        return self.amount - self.from_campaign

    @property
    def attempt(self) -> RefundAttempt:
        """The attempt whose cash is out, else the last; raises `Refused` before the first."""
        if not self.attempts:
            raise Refused("never-sent", f"refund {self.refund_id} was never sent")
        return next((one for one in self.attempts if one.cash_is_out), self.attempts[-1])

    @property
    def acquirer_reference(self) -> str | None:
        """By what the backer's bank finds the cash that is out; None while none is."""
        out = (one.acquirer_reference for one in self.attempts if one.cash_is_out)
        return next(out, None)

    def is_refundable(self, now: datetime) -> bool:
        """Whether the provider still returns its payment the way it came."""
        return self.refundable_until is None or now < self.refundable_until

    @property
    def attempt_id(self) -> str:
        """The provider's key, which is also the `metadata.attempt_id` to look it up by."""
        return f"{self.refund_id}/{self.attempt.number}"

    @property
    def came_back(self) -> int:
        """How often its cash had left and came back."""
        return sum(one.failure_balance_transaction is not None for one in self.attempts)


@dataclass(frozen=True, slots=True)
class RefundCreated:
    refund: Refund


@dataclass(frozen=True, slots=True)
class RefundSucceeded:
    refund: Refund
    fully_refunded: bool
    succeeded_at: datetime


@dataclass(frozen=True, slots=True)
class RefundFailed:
    refund: Refund
    reason: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class RefundClaimable:
    refund: Refund
    reason: str
    claimable_at: datetime


@dataclass(frozen=True, slots=True)
class RefundBlocked:
    refund: Refund
    reason: str
    blocked_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRefused:
    """It will never be tried: refused, satisfied, or taken back before it was sent."""

    refund: Refund
    reason: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class RefundPaidOtherwise:
    refund: Refund
    fully_refunded: bool
    means: OtherMeans
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimableReminderDue:
    """So many days after it became claimable its backer is told again."""

    refund: Refund
    days: int
    claimable_at: datetime
    due_at: datetime


RefundFact = (
    RefundCreated
    | RefundSucceeded
    | RefundFailed
    | RefundClaimable
    | RefundBlocked
    | RefundRefused
    | RefundPaidOtherwise
    | ClaimableReminderDue
)


@dataclass(frozen=True, slots=True)
class RefundDecision:
    """What to save together; no postings, no facts and an equal refund mean: nothing new."""

    refund: Refund
    money: PledgeMoney
    postings: tuple[Posting, ...] = ()
    facts: tuple[RefundFact, ...] = ()

    def then(self, step: "RefundDecision") -> "RefundDecision":
        """Return both as one: `step` was decided about this one's refund and money."""
        return replace(
            step, postings=(*self.postings, *step.postings), facts=(*self.facts, *step.facts)
        )


def refund_id_of(pledge_id: str, cause: str) -> str:
    """Return f(pledge, cause): whoever asks for the same refund again means the same one."""
    text = json.dumps([pledge_id, cause], ensure_ascii=True, separators=(",", ":"))
    return "rf_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def move(refund: Refund, state: RefundState, reason: str | None = None) -> Refund:
    """Return the refund in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[refund.state]:
        raise Refused("impossible-transition", f"{refund.state} does not become {state}")
    return replace(refund, state=state, reason=reason)


def did(refund: Refund, kind: ActKind, by: str) -> bool:
    """Whether this person has done that about it already."""
    return any((act.kind, act.by) == (kind, by) for act in refund.acts)


def noted(refund: Refund, act: Act) -> Refund:
    """Return the refund with one more act, which is kept for ever."""
    return replace(refund, acts=(*refund.acts, act))


def ends_rights(refund: Refund, money: PledgeMoney) -> bool:
    """Whether nothing of the pledge is left; who is compensated keeps the reward and all rights."""
    return refund.kind is RefundKind.REFUND and money.fully_returned


def owed_posting(refund: Refund) -> Posting:
    """Row 3, or 20 of a compensation: its money is set aside, after each dispute once more."""
    name, amount, blocks = refund.refund_id, refund.amount, refund.blocks
    if refund.kind is RefundKind.REFUND:
        return postings.refund_requested(name, amount, blocks=blocks)
    payers = refund.from_campaign, refund.from_platform
    return postings.compensation(name, *payers, claimable=refund.beyond, blocks=blocks)


def taken_back_posting(refund: Refund, name: str, repaid: int = 0, blocks: int = 0) -> Posting:
    """Row 8, or 20 undone, of what was not sent; `repaid` settles what the platform had lent."""
    if refund.kind is RefundKind.REFUND:
        return postings.refund_cancelled(name, refund.amount, repaid, blocks)
    payers = refund.from_campaign, refund.from_platform
    return postings.compensation_taken_back(name, *payers, blocks=blocks)


def made_of(
    money: PledgeMoney, refund_id: str, amount: int, cause: str, state: RefundState, now: datetime
) -> Refund:
    """Return a new refund of this pledge's payment; the amount in minor units."""
    return Refund(
        refund_id=refund_id,
        campaign_id=money.campaign_id,
        pledge_id=money.pledge_id,
        backer_id=money.backer_id,
        amount=amount,
        currency=money.currency,
        provider=money.provider,
        payment_reference=money.payment_reference,
        cause=cause,
        state=state,
        created_at=now,
        refundable_until=money.refundable_until,
    )


def request(money: PledgeMoney, cause: str, now: datetime) -> RefundDecision:
    """Ask for all that can be returned of a pledge (row 3); `Refused` when there is nothing."""
    return request_part(money, money.returnable, cause, now)


def request_part(
    money: PledgeMoney, amount: int, cause: str, now: datetime, unpaid: int = 0
) -> RefundDecision:
    """Ask for a part of what can be returned of a pledge (row 3)."""
    reserved = reserve(money, amount)
    refund_id = refund_id_of(money.pledge_id, cause)
    made = made_of(money, refund_id, amount, cause, RefundState.REQUESTED, now)
    refund = replace(made, unpaid=unpaid)
    posting = postings.refund_requested(refund.refund_id, amount)
    return RefundDecision(refund, reserved, (posting,), (RefundCreated(refund),))


def reopen(refund: Refund, money: PledgeMoney) -> RefundDecision:
    """Bring a claimable refund back to an attempt (row 6), with all its tries again."""
    reopened = replace(move(refund, RefundState.REQUESTED), failures=0)
    posting = postings.refund_reopened(refund.attempt_id, refund.amount)
    return RefundDecision(reopened, money, (posting,))
