"""What keeps a stage that is due from being on its way, and since when nothing but we do.

The promise begins here (`operations.md` 4): from the gate being open to the stage being sent.
"""

from collections.abc import Sequence
from datetime import datetime

from payouts.domain.gate import Line, LineState, closed
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_cancelling import nothing_left

# Due, and neither on its way to the bank nor over.
NOT_ON_ITS_WAY = (
    StageState.DUE,
    StageState.AWAITING_SECOND_APPROVAL,
    StageState.HELD,
    StageState.APPROVED,
    StageState.SUBMITTED,
    StageState.FAILED,
)
_BRAKE = "money_runs"
# Reading on and the verdict's approval are our own work: who waits for them alone waits for us.
_FRESH = "view_fresh"
_OURS = frozenset({_FRESH, "approval"})


def kept_by(stage: Stage, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the shut lines of the gate that keep the stage; `lines` are all of them, as of now.

    Once a leg may have left, the gate is behind it: only stopped money keeps the rest of it.
    """
    shut = closed(lines)
    if stage.state is StageState.SUBMITTED and not nothing_left(stage):
        return tuple(line for line in shut if line.name == _BRAKE)
    return shut


def ready_since(stage: Stage, lines: Sequence[Line]) -> datetime | None:
    """Return since when only we ourselves keep it, None where something else does.

    By the latest of the lines that say since when they are passed, and the stage's being due: one
    that says nothing, like a top-up or the end of a hold, may have passed later.
    """
    if not all(_is_ours(line) for line in kept_by(stage, lines)):
        return None
    passed = [line for line in lines if line.state is LineState.PASSED and line.name != _FRESH]
    return max([stage.waits_since, *(line.since for line in passed if line.since is not None)])


def _is_ours(line: Line) -> bool:
    return line.name in _OURS and line.state is LineState.WAITING
