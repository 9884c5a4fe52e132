"""The gate in front of a stage: every condition as a line that says why it is not yet paid.

`money.md` 8. The gate is evaluated for people to read, again inside the transaction that writes
`submitted`, and again inside the one that notes that the transfer leaves: a brake, the provider's
pace or a crash may have kept it for days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from payouts.domain.approval import VERDICT
from payouts.domain.book import Agreement, Book, agreement
from payouts.domain.destination import Destination, DestinationState
from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds, top_up_needed
from payouts.domain.holds import HoldKind, open_holds, waits_for_plan
from payouts.domain.ledger import Account
from payouts.domain.milestone import MilestoneState
from payouts.domain.plan import StageKind
from payouts.domain.provider_keys import ATTEMPTS_MAX
from payouts.domain.reconciliation import Shortfall
from payouts.domain.stage import OVER, UNAPPROVED, Stage, StageState
from payouts.domain.stage_amount import amount_now, check_left
from payouts.domain.stage_cancelling import money_has_left, nothing_left, was_reversed
from payouts.domain.stopping import Stopped
from sosst_contracts.money import floor_share


class LineState(StrEnum):
    """A waiting line passes by itself; a blocked one needs somebody."""

    PASSED = "passed"
    WAITING = "waiting"
    BLOCKED = "blocked"


class Actor(StrEnum):
    CREATOR = "creator"
    STAFF = "staff"
    PROVIDER = "provider"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Line:
    """One condition: its state, why, since when, who must act, and when it is expected to pass."""

    name: str
    state: LineState
    why: str
    since: datetime | None = None
    who: Actor | None = None
    expected_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateView:
    """Everything the gate looks at, read at `now`.

    `fresh_since` is when our own positions had passed the ends that the input topics had after the
    approval, and a minute ago at most, None while they have not. `approval_limit` is the verdict's,
    in minor units. `stopped` says who has stopped the money, None while it runs. `dispute_reserve`
    is how much of the base may be charged back and undecided before stages wait, in basis points,
    where the campaign's terms do not say it. `kept_back` of what the campaign holds waits for
    banks, for its backers (decision 0025). `shortfall` of what its book holds the provider was
    found not to have, None where it has all. `set_aside` facts of the campaign could not be used,
    or wait behind one that could not. `at_most` is what a supplement got before a restored backup.
    """

    book: Book
    stage: Stage
    previous: tuple[Stage, ...]
    destination: Destination | None
    funds: ProviderFunds | None
    fresh_since: datetime | None
    cooling_off_seconds: int
    approval_limit: int
    stopped: Stopped | None
    now: datetime
    dispute_reserve: int = 0
    kept_back: int = 0
    shortfall: Shortfall | None = None
    set_aside: int = 0
    at_most: int | None = None


LINES = (
    "verdict_and_pledges",
    "previous_stages",
    "milestone",
    "destination",
    "holds",
    "emergency",
    "silence",
    "cancellation",
    "disputes",
    "refund_blocked",
    "approval",
    "attempts",
    "booked_cash",
    "provider_funds",
    "view_fresh",
    "facts_set_aside",
    "cooling_off",
    "money_runs",
)


def evaluate(view: GateView) -> tuple[Line, ...]:
    """Return all lines, those of `LINES` in their order."""
    return (
        _verdict_and_pledges(view),
        _previous_stages(view),
        _milestone(view),
        _destination(view),
        _holds(view),
        _emergency(view),
        _silence(view),
        _cancellation(view),
        _disputes(view),
        _refund_blocked(view),
        _approval(view),
        _attempts(view),
        _booked_cash(view),
        _provider_funds(view),
        _view_fresh(view),
        _facts_set_aside(view),
        _cooling_off(view),
        _money_runs(view),
    )


def closed(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that keep the gate shut."""
    return tuple(line for line in lines if line.state is not LineState.PASSED)


def _verdict_and_pledges(view: GateView) -> Line:
    name, verdict = "verdict_and_pledges", view.book.verdict
    if verdict is None:
        why = "the verdict is not known yet"
        return Line(name, LineState.WAITING, why, who=Actor.PLATFORM)
    found = agreement(view.book)
    if found is Agreement.AGREES:
        why = f"{verdict.count} pledges and {verdict.collected} in total, as the verdict says"
        return Line(name, LineState.PASSED, why, since=verdict.reached_at)
    if found is Agreement.WAITING:
        why = f"pledges known up to {view.book.pledges_sequence} of {verdict.pledges_sequence}"
        return Line(name, LineState.WAITING, why, verdict.reached_at, Actor.PLATFORM)
    why = (
        f"the verdict says {verdict.count} pledges and {verdict.collected} in total, "
        f"the book {view.book.count} and {view.book.counted}"
    )
    return Line(name, LineState.BLOCKED, why, verdict.reached_at, Actor.STAFF)


def _previous_stages(view: GateView) -> Line:
    name = "previous_stages"
    missing = [stage for stage in view.previous if stage.state not in OVER]
    if not missing:
        why = "every stage before is paid" if view.previous else "it is the first stage"
        return Line(name, LineState.PASSED, why)
    why = f"stage {missing[0].number} is {missing[0].state}"
    return Line(name, LineState.WAITING, why, missing[0].due_at, Actor.PLATFORM)


def _milestone(view: GateView) -> Line:
    name = "milestone"
    if view.stage.kind is StageKind.FIRST:
        return Line(name, LineState.PASSED, "the first stage follows from the verdict")
    if view.stage.kind is StageKind.SUPPLEMENT:
        return Line(name, LineState.PASSED, "it is money that came back after the last stage")
    milestone = view.stage.milestone
    if milestone is None:
        why = "no evidence is submitted for the milestone of this stage"
        return Line(name, LineState.BLOCKED, why, who=Actor.CREATOR)
    revision = f"revision {milestone.revision} of the evidence"
    if milestone.state is MilestoneState.APPROVED:
        why = f"{revision} is approved by {milestone.decided_by}"
        return Line(name, LineState.PASSED, why, milestone.decided_at)
    if milestone.state is MilestoneState.REJECTED:
        why = f"{revision} is rejected: {milestone.reason}"
        return Line(name, LineState.BLOCKED, why, milestone.decided_at, Actor.CREATOR)
    why = f"{revision} waits for a decision"
    return Line(name, LineState.BLOCKED, why, milestone.submitted_at, Actor.STAFF)


def _holds(view: GateView) -> Line:
    name, holding = "holds", open_holds(view.book.holds, HoldKind.STAFF)
    if not holding:
        return Line(name, LineState.PASSED, "nobody holds it")
    why = "; ".join(f"held by {hold.by}: {hold.reason}" for hold in holding)
    return Line(name, LineState.BLOCKED, why, holding[0].since, Actor.STAFF)


def _emergency(view: GateView) -> Line:
    name, holding = "emergency", open_holds(view.book.holds, HoldKind.EMERGENCY)
    if not holding:
        return Line(name, LineState.PASSED, "no emergency holds it")
    waiting = [hold for hold in holding if waits_for_plan(hold)]
    if waiting:
        names = ", ".join(str(hold.about) for hold in waiting)
        why = f"held by the emergency {names}: its recovery plan must be published first"
        return Line(name, LineState.BLOCKED, why, waiting[0].since, Actor.CREATOR)
    why = "; ".join(
        f"held by the emergency {hold.about}, answered by {hold.answered_by}: staff may lift it"
        for hold in holding
    )
    return Line(name, LineState.BLOCKED, why, holding[0].since, Actor.STAFF)


def _silence(view: GateView) -> Line:
    name, holding = "silence", open_holds(view.book.holds, HoldKind.SILENCE)
    if not holding:
        return Line(name, LineState.PASSED, "the creator is heard of")
    why = f"{holding[0].reason}: the next update lifts it"
    return Line(name, LineState.BLOCKED, why, holding[0].since, Actor.CREATOR)


def _cancellation(view: GateView) -> Line:
    name, ended = "cancellation", view.book.cancellation
    if ended is None:
        return Line(name, LineState.PASSED, "nobody has cancelled the campaign")
    if money_has_left(view.stage):
        why = "the money lay on the creator's account before the campaign was cancelled"
        return Line(name, LineState.PASSED, why, ended.cancelled_at)
    why = "the campaign is cancelled: what is left goes back to its backers"
    return Line(name, LineState.BLOCKED, why, ended.cancelled_at)


def _disputes(view: GateView) -> Line:
    name, verdict = "disputes", view.book.verdict
    charged_back = view.book.balances.get(Account.DISPUTED_AT_SCHEME, 0)
    if not charged_back:
        return Line(name, LineState.PASSED, "no chargeback is undecided")
    base, term = (verdict.collected, verdict.reserve_basis_points) if verdict else (0, None)
    reserve = floor_share(base, view.dispute_reserve if term is None else term)
    why = f"{charged_back} is charged back and undecided, the reserve is {reserve}"
    if charged_back <= reserve:
        return Line(name, LineState.PASSED, why)
    return Line(name, LineState.BLOCKED, why, who=Actor.PROVIDER)


def _refund_blocked(view: GateView) -> Line:
    name, kept = "refund_blocked", view.kept_back
    if not kept:
        return Line(name, LineState.PASSED, "no money waits here for a bank's decision")
    if view.stage.state not in UNAPPROVED:
        return Line(name, LineState.PASSED, f"{kept} wait for a bank, and none of this stage")
    try:
        check_left(view.book, amount_now(view.book, view.stage, view.previous, view.at_most), kept)
    except Refused as refusal:
        if refusal.reason == "refund-blocked":
            return Line(name, LineState.BLOCKED, refusal.detail, who=Actor.PROVIDER)
        why = "what it gets is not known yet"
        return Line(name, LineState.WAITING, why, who=Actor.PLATFORM)
    return Line(name, LineState.PASSED, f"{kept} wait for a bank, and none of this stage")


def _destination(view: GateView) -> Line:
    name, given = "destination", view.destination
    if money_has_left(view.stage):
        # Another account given since changes nothing: the payout goes out from where it lies.
        why = f"the money lies on {view.stage.attempt.account}, which was approved"
        return Line(name, LineState.PASSED, why)
    if given is None:
        return Line(name, LineState.BLOCKED, "no destination is given", who=Actor.CREATOR)
    if given.state is DestinationState.REFUSED:
        why = f"the provider refuses the destination: {given.reason}"
        return Line(name, LineState.BLOCKED, why, given.changed_at, Actor.CREATOR)
    if not given.usable:
        why = "the provider has not verified the destination yet"
        return Line(name, LineState.WAITING, why, given.changed_at, Actor.PROVIDER)
    approval = view.stage.approval
    if approval is not None and approval.destination_version != given.version:
        why = f"version {approval.destination_version} was approved, {given.version} is current"
        return Line(name, LineState.BLOCKED, why, given.changed_at, Actor.STAFF)
    return Line(name, LineState.PASSED, f"version {given.version} verified", given.verified_at)


def _approval(view: GateView) -> Line:
    name, stage, approval = "approval", view.stage, view.stage.approval
    if approval is not None and stage.state is StageState.AWAITING_SECOND_APPROVAL:
        why = f"approved by {approval.by}, a second person must"
        return Line(name, LineState.BLOCKED, why, approval.approved_at, Actor.STAFF)
    if approval is not None:
        people = f"{approval.by} and {approval.second_by}" if approval.second_by else approval.by
        return Line(name, LineState.PASSED, f"approved by {people}", approval.approved_at)
    if stage.kind is not StageKind.FIRST:
        return Line(name, LineState.BLOCKED, "nobody has approved it", who=Actor.STAFF)
    if was_reversed(stage):
        why = "its transfer was taken back at the provider: a person must approve it anew"
        return Line(name, LineState.BLOCKED, why, who=Actor.STAFF)
    if stage.amount is not None and stage.amount > view.approval_limit:
        why = f"{stage.amount} is above {view.approval_limit}: two people must approve"
        return Line(name, LineState.BLOCKED, why, stage.due_at, Actor.STAFF)
    why = "the verdict approves it once it is due and the destination is verified"
    return Line(name, LineState.WAITING, why, stage.due_at, Actor.PLATFORM)


def _attempts(view: GateView) -> Line:
    name, stage = "attempts", view.stage
    if stage.failures < ATTEMPTS_MAX:
        return Line(name, LineState.PASSED, f"{stage.failures} of {ATTEMPTS_MAX} tries failed")
    why = f"{stage.failures} tries failed, the last one: {stage.reason}"
    return Line(name, LineState.BLOCKED, why, who=Actor.STAFF)


def _booked_cash(view: GateView) -> Line:
    """Cash that only the book has: the stage would be paid out of other campaigns' money.

    Whatever the sum, since shares were taken of it: two people say what it is, or the provider
    lists it after all.
    """
    name, short = "booked_cash", view.shortfall
    if short is None:
        return Line(name, LineState.PASSED, "no booked cash is known to be missing there")
    if money_has_left(view.stage):
        why = f"the money lies on the creator's account, {short.amount} of the rest is missing"
        return Line(name, LineState.PASSED, why, short.since)
    why = f"{short.amount} of what the campaign's book holds is not at the provider"
    return Line(name, LineState.BLOCKED, why, short.since, Actor.STAFF)


def _provider_funds(view: GateView) -> Line:
    name = "provider_funds"
    if money_has_left(view.stage):
        return Line(name, LineState.PASSED, "the money lies on the creator's account")
    if view.funds is None:
        why = "the provider's balance is not known"
        return Line(name, LineState.WAITING, why, who=Actor.PROVIDER)
    amount = view.stage.planned_amount if view.stage.amount is None else view.stage.sent
    owed = view.book.balances.get(Account.CREATOR_RECEIVABLE, 0)
    # The debt is set off by a submission; the one that is running has done so.
    failed = view.stage.state is StageState.FAILED and nothing_left(view.stage)
    set_off = min(amount, owed) if failed or not view.stage.is_submitted else 0
    missing = top_up_needed(view.funds, amount - set_off, set_off)
    if not missing:
        return Line(name, LineState.PASSED, "the provider's balance covers it")
    why = f"a top-up of {missing} is needed at the provider"
    return Line(name, LineState.BLOCKED, why, who=Actor.STAFF)


def _view_fresh(view: GateView) -> Line:
    name = "view_fresh"
    if view.fresh_since is not None:
        why = "everything that was published up to then has been read"
        return Line(name, LineState.PASSED, why, view.fresh_since)
    why = "facts that were published are still being read"
    return Line(name, LineState.WAITING, why, who=Actor.PLATFORM)


def _facts_set_aside(view: GateView) -> Line:
    """Facts that were read and not taken in: an emergency, a withdrawal, an end may be of them."""
    name, waiting = "facts_set_aside", view.set_aside
    if not waiting:
        return Line(name, LineState.PASSED, "no fact of the campaign is set aside")
    if money_has_left(view.stage):
        why = f"the money lies on the creator's account, {waiting} facts are set aside"
        return Line(name, LineState.PASSED, why)
    why = f"{waiting} facts of the campaign are set aside: staff replay them or give them up"
    return Line(name, LineState.BLOCKED, why, who=Actor.STAFF)


def _cooling_off(view: GateView) -> Line:
    name, starts = "cooling_off", _cooling_starts(view)
    if starts is None:
        why = "it begins when the stage is due, approved, and the destination given"
        return Line(name, LineState.WAITING, why, who=Actor.PLATFORM)
    ends = starts + timedelta(seconds=view.cooling_off_seconds)
    if view.now >= ends:
        return Line(name, LineState.PASSED, "the time to object is over", ends)
    return Line(name, LineState.WAITING, "time to object", starts, Actor.PLATFORM, ends)


def _money_runs(view: GateView) -> Line:
    name, stopped = "money_runs", view.stopped
    if stopped is None:
        return Line(name, LineState.PASSED, "nobody has stopped the money")
    return Line(name, LineState.BLOCKED, str(stopped), stopped.since, Actor.STAFF, stopped.until)


def _cooling_starts(view: GateView) -> datetime | None:
    # From the stage being due where the verdict approves it, else from the last person's approval,
    # but never from before the last change of the destination: that is what the time is for.
    stage, approval = view.stage, view.stage.approval
    if stage.due_at is None or view.destination is None:
        return None
    starts = max(stage.due_at, view.destination.changed_at)
    if approval is None:
        return starts if stage.kind is StageKind.FIRST else None
    if approval.by == VERDICT:
        return starts
    if stage.state is StageState.AWAITING_SECOND_APPROVAL:
        return None
    return max(starts, approval.second_at or approval.approved_at)
