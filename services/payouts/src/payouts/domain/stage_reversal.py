"""A transfer that somebody took back at the provider (`money.md` 3, row 18; decision 0046).

We ask for none: staff do so in the provider's dashboard, where an account can never pay out. What
came back is booked, and a person approves the stage anew.
"""

from dataclasses import replace

from payouts.domain import payout_attempt, postings
from payouts.domain.errors import Refused
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.stage import Stage, StageDecision, StageState
from payouts.domain.stage_approval import take_back_reversed
from payouts.domain.stage_outcome import TransferSeen
from payouts.domain.stage_sending import with_attempt


def observe_reversal(stage: Stage, seen: TransferSeen) -> StageDecision:
    """Fold in that the transfer was taken back, on its balance transaction; the same again is none.

    Only of a stage that failed: elsewhere a payout may have left with the money. Raises `Refused`
    where it came back in part, or part by part: a person must look.
    """
    failed = stage.state is StageState.FAILED and stage.attempt.state is AttemptState.FAILED
    if not failed or stage.attempt.transfer_id != seen.transfer_id or not seen.reversed_amount:
        return StageDecision(stage)
    if seen.reversed_in is None or seen.reversed_amount != stage.sent:
        detail = f"of {seen.transfer_id} over {stage.sent} {seen.reversed_amount} came back"
        raise Refused("reversed-in-part", detail)
    noted = replace(
        payout_attempt.move(stage.attempt, AttemptState.REVERSED),
        reversal_balance_transaction=seen.reversed_in,
    )
    reversal = postings.stage_reversed(stage.sent, seen.reversed_in)
    return take_back_reversed(with_attempt(stage, noted), reversal)
