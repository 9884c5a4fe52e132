"""A transfer that somebody took back at the provider (`money.md` 3, row 18; decision 0046).

We ask for none: staff do so in the provider's dashboard, where an account can never pay out. What
came back is booked, and a person approves the stage anew.
"""

from collections.abc import Iterable
from dataclasses import replace

from payouts.domain import payout_attempt, postings
from payouts.domain.errors import Refused
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import Stage, StageDecision, StageState, move
from payouts.domain.stage_approval import take_back_reversed
from payouts.domain.stage_outcome import TransferSeen
from payouts.domain.stage_sending import with_attempt


def observe_reversal(stage: Stage, seen: TransferSeen) -> StageDecision:
    """Fold in that the transfer was taken back, on its balance transaction; the same again is none.

    Only where no payout can have left with the money: it failed, or none was asked for. What comes
    back part by part is booked with the last part, each on its own cash. Raises `Refused` before
    that: of a part nobody can say what the stage is now, and a person must look.
    """
    if not taken_back([seen], stage) or not _lies_there(stage):
        return StageDecision(stage)
    if not stage.sent == seen.reversed_amount == sum(part.amount for part in seen.reversals):
        detail = f"of {seen.transfer_id} over {stage.sent} {seen.reversed_amount} came back"
        raise Refused("reversed-in-part", detail)
    noted = replace(
        payout_attempt.move(stage.attempt, AttemptState.REVERSED),
        reversal_balance_transaction=seen.reversals[-1].balance_transaction,
    )
    reversals = [
        postings.stage_reversed(part.amount, part.balance_transaction) for part in seen.reversals
    ]
    if stage.state is StageState.SUBMITTED:
        # Nobody is told of a failure: no bank has refused anything.
        stage = move(stage, StageState.FAILED)
    return take_back_reversed(with_attempt(stage, noted), reversals)


def taken_back(transfers: Iterable[TransferSeen], stage: Stage) -> list[TransferSeen]:
    """Return the stage's own transfer, if any of it was taken back."""
    own = stage.attempt.transfer_id
    return [one for one in transfers if one.transfer_id == own and one.reversed_amount]


def _lies_there(stage: Stage) -> bool:
    return (stage.state, stage.attempt.state) in (
        (StageState.FAILED, AttemptState.FAILED),
        # A restored backup may have forgotten the payouts that failed, and why somebody took it.
        (StageState.SUBMITTED, AttemptState.TRANSFERRED),
    )
