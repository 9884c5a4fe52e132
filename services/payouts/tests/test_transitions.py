"""Every pair of states of every machine: allowed by the table below, or refused."""

from dataclasses import replace
from typing import Any

import pytest

from payouts.domain import (
    book_state,
    destination,
    dispute,
    milestone,
    payout_attempt,
    receivable,
    refund,
    stage,
)
from payouts.domain.errors import Refused
from services.payouts.tests.builders import (
    NOW,
    a_destination,
    a_dispute,
    a_receivable,
    some_money,
    the_stages,
)

# Written out a second time on purpose: a slip in the code's own tables must not go unnoticed.
ALLOWED: dict[str, set[str]] = {
    "refund": {
        "awaiting_approval>requested",
        "awaiting_approval>refused",
        "awaiting_approval>cancelled",
        "requested>awaiting_funds",
        "requested>submitted",
        "requested>claimable",
        "requested>cancelled",
        "awaiting_funds>submitted",
        "awaiting_funds>claimable",
        "awaiting_funds>cancelled",
        "submitted>unknown",
        "submitted>pending",
        "submitted>succeeded",
        "submitted>failed",
        "unknown>submitted",
        "unknown>succeeded",
        "unknown>failed",
        "pending>succeeded",
        "pending>failed",
        "succeeded>failed",
        "failed>awaiting_funds",
        "failed>submitted",
        "failed>claimable",
        "claimable>requested",
        "requested>blocked",
        "awaiting_funds>blocked",
        "failed>blocked",
        "claimable>blocked",
        "blocked>requested",
        "blocked>cancelled",
        "claimable>paid_by_other_means",
    },
    "stage": {
        "planned>due",
        *(f"{state}>cancelled" for state in ("planned", "due", "held", "approved")),
        *(f"{state}>cancelled" for state in ("awaiting_second_approval", "submitted", "failed")),
        "due>approved",
        "due>awaiting_second_approval",
        "due>held",
        "due>nothing_to_pay",
        "awaiting_second_approval>approved",
        "awaiting_second_approval>due",
        "awaiting_second_approval>held",
        "awaiting_second_approval>nothing_to_pay",
        "held>due",
        "approved>due",
        "approved>held",
        "approved>submitted",
        "approved>nothing_to_pay",
        "submitted>in_transit",
        "submitted>failed",
        "in_transit>paid",
        "in_transit>failed",
        "paid>failed",
        "failed>submitted",
        "failed>due",
        "failed>held",
        "failed>nothing_to_pay",
    },
    "attempt": {
        "intended>transfer_sent",
        "intended>transfer_refused",
        "transfer_sent>transfer_unknown",
        "transfer_sent>transfer_refused",
        "transfer_sent>transferred",
        "transfer_unknown>transfer_sent",
        "transfer_unknown>transfer_refused",
        "transfer_unknown>transferred",
        "transferred>payout_sent",
        "transferred>reversed",
        "payout_sent>payout_unknown",
        "payout_sent>in_transit",
        "payout_sent>failed",
        "payout_unknown>payout_sent",
        "payout_unknown>in_transit",
        "payout_unknown>failed",
        "in_transit>paid",
        "in_transit>failed",
        "paid>failed",
        "failed>reversed",
    },
    "dispute": {
        "unattributed>inquiry",
        "inquiry>closed",
        "inquiry>opened",
        "inquiry>prevented",
        "opened>won",
        "opened>lost",
    },
    "receivable": {
        "arisen>part_settled",
        "arisen>settled",
        "arisen>written_off",
        "part_settled>settled",
        "part_settled>written_off",
    },
    "book": {"open>closing", "closing>open", "closing>closed", "closed>open"},
    "milestone": {"submitted>approved", "submitted>rejected"},
    "destination": {
        "unverified>verified",
        "unverified>refused",
        "verified>refused",
        "refused>verified",
    },
}

MACHINES: dict[str, tuple[Any, Any, Any]] = {
    "refund": (
        refund.RefundState,
        refund.move,
        refund.request(some_money(), "verdict-reached/campaign-1", NOW).refund,
    ),
    "stage": (stage.StageState, stage.move, the_stages()[0]),
    "attempt": (
        payout_attempt.AttemptState,
        payout_attempt.move,
        payout_attempt.following(None, "acct_1", 1),
    ),
    "milestone": (
        milestone.MilestoneState,
        milestone.move,
        milestone.submit(None, "a" * 64, "creator-1", NOW),
    ),
    "dispute": (dispute.DisputeState, dispute.move, a_dispute()),
    "receivable": (receivable.ReceivableState, receivable.move, a_receivable()),
    "book": (book_state.BookState, book_state.move, book_state.BookLife()),
    "destination": (destination.DestinationState, destination.move, a_destination()),
}

PAIRS = [
    (name, before, after)
    for name, (states, _, _) in MACHINES.items()
    for before in states
    for after in states
]


@pytest.mark.parametrize(("name", "before", "after"), PAIRS)
def test_every_pair_of_states(name: str, before: Any, after: Any) -> None:
    """A machine moves along its table and refuses every other pair."""
    _, move, value = MACHINES[name]
    start = replace(value, state=before)
    if f"{before}>{after}" in ALLOWED[name]:
        assert move(start, after).state is after
        return
    with pytest.raises(Refused) as refused:
        move(start, after)
    assert refused.value.reason == "impossible-transition"


def test_tables_name_every_state() -> None:
    """No state is missing from its transition table."""
    for module, states in (
        (refund, refund.RefundState),
        (stage, stage.StageState),
        (payout_attempt, payout_attempt.AttemptState),
        (milestone, milestone.MilestoneState),
        (dispute, dispute.DisputeState),
        (receivable, receivable.ReceivableState),
        (book_state, book_state.BookState),
        (destination, destination.DestinationState),
    ):
        assert set(module.TRANSITIONS) == set(states)
