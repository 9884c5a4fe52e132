"""Bringing a stage of a restored database on to what the provider did meanwhile.

As for refunds: every leg that the provider holds is taken over under its attempt's number, through
the same transitions and postings that it went through before the backup was restored.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain import payout_attempt
from payouts.domain.approval import LEDGER, Approval
from payouts.domain.destination import Destination, give, verify
from payouts.domain.errors import Refused
from payouts.domain.fees import Fees, LastStage
from payouts.domain.ledger import Account, Posting
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.plan import StageKind
from payouts.domain.stage import (
    UNAPPROVED,
    Stage,
    StageDecision,
    StageState,
    StageSubmitted,
    make_due,
    move,
)
from payouts.domain.stage_approval import approve_by_verdict
from payouts.domain.stage_outcome import (
    PayoutSeen,
    TransferSeen,
    observe_payout,
    observe_transfer,
    refuse,
)
from payouts.domain.stage_reversal import observe_reversal
from payouts.domain.stage_sending import send, set_off, submission


@dataclass(frozen=True, slots=True)
class TransferMade:
    """A transfer with what was asked for: to which account, how much."""

    seen: TransferSeen
    account: str
    amount: int


def destination_of(
    current: Destination | None, campaign_id: str, provider: str, account: str, now: datetime
) -> Destination:
    """Return the destination that the transfer went to: the one we know, or the next version."""
    given = give(current, campaign_id, provider, account, now)
    # The provider moved money there, so it had verified the account.
    return verify(given, now)


def in_the_way(
    stage: Stage, transfers: Iterable[TransferMade], let_be: Collection[str] = ()
) -> list[TransferMade]:
    """Return the transfers that the stage does not know: another one would pay its creator twice.

    `let_be` are balance transactions of which two people said that they stay as they are.
    """
    known = {attempt.transfer_id for attempt in stage.attempts}
    return [
        one for one in transfers if one.seen.transfer_id not in known and not _at_rest(one, let_be)
    ]


def _at_rest(made: TransferMade, let_be: Collection[str]) -> bool:
    """Whether all of it came back, or a part did and two people let the rest be.

    The platform bears that rest (decision 0022). Of one that nobody took back nothing is let be:
    all of the stage would be paid a second time.
    """
    back = made.seen.reversed_amount
    return back == made.amount or (back > 0 and made.seen.balance_transaction in let_be)


def standing(
    stage: Stage,
    transfers: Iterable[TransferMade],
    let_be: Collection[str] = (),
    booked: Collection[str] = (),
) -> list[TransferMade]:
    """Return the transfers that may be what this stage stands on; a list shows all for ever.

    Not one that was taken back and booked so, nor one of an attempt that was given up, which
    showed up later and was taken back by people, or let be where not all of it came back. A backup
    may be older than the attempt that was given up: there it is one that the ledger never had.
    `booked` are the balance transactions that the ledger has and this database does not.
    """
    found = _unsettled(stage, transfers, let_be)
    known = {one.transfer_id for one in stage.attempts}
    never_booked = [
        one
        for one in found
        if one.seen.transfer_id not in known
        and one.seen.balance_transaction not in booked
        and _at_rest(one, let_be)
    ]
    # Where all of them are, the last is booked and taken back: people approve the stage anew.
    return [one for one in found if one not in never_booked] or found[-1:]


def in_turn(transfers: Sequence[TransferMade]) -> list[list[TransferMade]]:
    """Return the transfers that are taken over together, in the order of what happened.

    One that came back whole was booked so before the next one was made: the stage stood on it
    first, was due again, and stands on the next one now (decision 0046).
    """
    turns: list[list[TransferMade]] = [[]]
    for one in transfers:
        if turns[-1] and turns[-1][-1].seen.reversed_amount == turns[-1][-1].amount:
            turns.append([])
        turns[-1].append(one)
    return turns


def take_back(
    decision: StageDecision, made: TransferMade, *, followed: bool = False
) -> StageDecision:
    """Fold in that all of the transfer came back, if no payout can have left with it.

    Raises `Refused` where one may have, and another transfer `followed`: its creator was paid
    twice.
    """
    if made.seen.reversed_amount != made.amount:
        return decision
    back = decision.then(observe_reversal(decision.stage, made.seen))
    if followed and back.stage.attempt.state is not AttemptState.REVERSED:
        detail = f"{made.seen.transfer_id} of {back.stage.stage_id} was paid out and taken back"
        raise Refused("transferred-twice", detail)
    return back


def _unsettled(
    stage: Stage, transfers: Iterable[TransferMade], let_be: Collection[str] = ()
) -> list[TransferMade]:
    """Return those of which the stage does not know that they are over, in order of attempts."""
    back = {one.transfer_id for one in stage.attempts if one.state is AttemptState.REVERSED}
    refused = AttemptState.TRANSFER_REFUSED
    given_up = {one.number for one in stage.attempts if one.state is refused}
    return [
        one
        for one in sorted(transfers, key=lambda one: one.seen.attempt)
        if one.seen.transfer_id not in back
        and not (one.seen.attempt in given_up and _at_rest(one, let_be))
    ]


def adopt(
    stage: Stage,
    destination: Destination,
    transfers: Sequence[TransferMade],
    payouts: Sequence[PayoutSeen],
    now: datetime,
    owed: int = 0,
    quantum: int = 1,
    sealed: Posting | None = None,
    approval: Posting | None = None,
) -> StageDecision:
    """Fold both legs of all attempts, in order; the same again changes nothing.

    `transfers` are those that may be what the stage stands on, `payouts` those of their account.
    `owed` is the creator's debt, which the first attempt set off as any first attempt does; where
    the ledger has its submission, that is `sealed` and says what was set off. Where it has the
    stage's next `approval`, people gave it, and nobody is asked again. Raises `Refused` where what
    is known cannot all be true; then a person must look.
    """
    transfers = _unsettled(stage, transfers)
    if len(transfers) > 1:
        raise Refused("transferred-twice", f"{stage.stage_id} has {len(transfers)} transfers")
    if transfers and not stage.is_submitted and sealed is not None:
        stage = replace(stage, set_off=set_off_in(sealed))
    elif transfers and not stage.is_submitted and stage.amount is not None:
        stage = set_off(stage, owed, quantum)
    decision = StageDecision(stage)
    for transfer in transfers:
        if decision.stage.state in UNAPPROVED and approval is not None:
            decision = decision.then(_approved_before(decision.stage, approval, destination, now))
        decision = _approved(decision, transfer.amount, destination, now)
        decision = _reach(decision, transfer.seen.attempt, destination, now)
        if decision.stage.attempt.number == transfer.seen.attempt:
            decision = _sent(decision, AttemptState.INTENDED, now)
        decision = decision.then(observe_transfer(decision.stage, transfer.seen))
    # What was asked for of a transfer that was taken back was of another amount, perhaps.
    back = [one.number for one in stage.attempts if one.state is AttemptState.REVERSED]
    asked = [one for one in payouts if one.attempt > max(back, default=0)]
    for payout in sorted(asked, key=lambda one: one.attempt):
        decision = _reach(decision, payout.attempt, destination, now)
        if decision.stage.attempt.number == payout.attempt:
            decision = _sent(decision, AttemptState.TRANSFERRED, now)
        decision = decision.then(observe_payout(decision.stage, payout, now))
    return decision


def set_off_in(submission: Posting) -> int:
    """Return how much of the creator's debt a stage's submission paid (row 15)."""
    return _moved(submission, Account.CREATOR_PAYABLE, Account.CREATOR_RECEIVABLE)


def _approved_before(
    stage: Stage, approval: Posting, destination: Destination, now: datetime
) -> StageDecision:
    """Approve it as the ledger has it (row 13, 14 or 22): its transfer was made upon that.

    Who gave it is not known any more; its fact is published already.
    """
    amount = _moved(approval, Account.BACKER_FUNDS, Account.CREATOR_PAYABLE)
    if stage.state is StageState.PLANNED:
        stage = make_due(stage, amount, now).stage
    elif stage.state is not StageState.DUE:
        stage = move(stage, StageState.DUE)
    given = Approval(LEDGER, amount, destination.version, now)
    divided = None
    if stage.kind is StageKind.LAST:
        covered, owed = (
            _fees(approval, payer) for payer in (Account.BACKER_FUNDS, Account.CREATOR_RECEIVABLE)
        )
        divided = LastStage(covered, owed, amount)
    approved = replace(
        move(stage, StageState.APPROVED),
        amount=amount,
        approval=given,
        approvals=stage.approvals + 1,
        divided=divided,
    )
    return StageDecision(approved, (approval,))


def _fees(approval: Posting, payer: Account) -> Fees:
    return Fees(
        platform=_moved(approval, payer, Account.PLATFORM_FEE_INCOME),
        processing=_moved(approval, payer, Account.PROCESSING_FEE_INCOME),
        tax=_moved(approval, payer, Account.TAX_PAYABLE),
    )


def _moved(posting: Posting, debit: Account, credit: Account) -> int:
    between = [one for one in posting.entries if (one.debit, one.credit) == (debit, credit)]
    return sum(one.amount for one in between)


def _approved(
    decision: StageDecision, amount: int, destination: Destination, now: datetime
) -> StageDecision:
    stage = decision.stage
    if stage.state not in (StageState.DUE, StageState.PLANNED) and stage.sent != amount:
        raise Refused("other-amount", f"{stage.stage_id} is {stage.sent}, made was {amount}")
    if stage.state is not StageState.DUE:
        return decision
    whole = amount + stage.set_off
    return decision.then(approve_by_verdict(stage, whole, destination, whole, now))


def _reach(
    decision: StageDecision, number: int, destination: Destination, now: datetime
) -> StageDecision:
    """Take over attempts up to this number; those before it had a definite answer."""
    while len(decision.stage.attempts) < number:
        stage = decision.stage
        if stage.state is StageState.SUBMITTED:
            decision = _sent(decision, stage.attempt.state, now)
            decision = decision.then(
                refuse(decision.stage, "answered-before-restore", now, for_funds=True)
            )
            stage = decision.stage
        before = stage.attempts[-1] if stage.attempts else None
        attempt = payout_attempt.following(before, destination.account, destination.version)
        submitted = replace(move(stage, StageState.SUBMITTED), attempts=(*stage.attempts, attempt))
        first = () if stage.is_submitted else (submission(stage),)
        fact = StageSubmitted(submitted, attempt, now)
        decision = decision.then(StageDecision(submitted, first, (fact,)))
    return decision


def _sent(decision: StageDecision, expected: AttemptState, now: datetime) -> StageDecision:
    """Note that the leg was sent, where this database did not know it."""
    unsent = {AttemptState.INTENDED, AttemptState.TRANSFERRED}
    if decision.stage.attempt.state is not expected or expected not in unsent:
        return decision
    return replace(decision, stage=send(decision.stage, now))
