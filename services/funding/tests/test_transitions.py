"""Every pair of states of a campaign and of a pledge."""

from dataclasses import replace

import pytest

from funding.domain import campaign as campaigns
from funding.domain.campaign import Campaign, CampaignState, Totals, launch_campaign, move
from funding.domain.errors import Refused
from funding.domain.pledge import (
    TRANSITIONS,
    PaymentStatus,
    Pledge,
    PledgeState,
    Standing,
    take_payment,
)
from funding.domain.pledge import move as move_pledge
from funding.domain.terms import Terms, check_smallest_pledge
from services.funding.tests.conftest import LAUNCH, NOW, other_launch, payment

LIVE = launch_campaign(LAUNCH, NOW)
STATUS_OF = {
    PledgeState.PENDING: PaymentStatus.PENDING,
    PledgeState.COLLECTED: PaymentStatus.CAPTURED,
    PledgeState.ERRORED: PaymentStatus.FAILED,
    PledgeState.WITHDRAWN: PaymentStatus.WITHDRAWN,
}
# What a pledge knows of its payment in each state, also in those that no payment leads to.
KNOWN_OF = STATUS_OF | {
    PledgeState.DROPPED: PaymentStatus.FAILED,
    PledgeState.WITHDRAWN: PaymentStatus.CAPTURED,
}
KEPT = frozenset({PledgeState.COLLECTED, PledgeState.WITHDRAWN})


@pytest.mark.parametrize("target", CampaignState)
@pytest.mark.parametrize("state", CampaignState)
def test_a_campaign_moves_only_as_the_table_says(
    state: CampaignState, target: CampaignState
) -> None:
    """live → settling → goal_met | goal_missed, cancelled from all but the last; no way back."""
    campaign = replace(LIVE, state=state)
    ends = {CampaignState.LIVE, CampaignState.SETTLING, CampaignState.GOAL_MET}
    if target is CampaignState.CANCELLED:
        assert (target in campaigns.TRANSITIONS[state]) is (state in ends)
    if target in campaigns.TRANSITIONS[state]:
        assert move(campaign, target).state is target
    else:
        with pytest.raises(Refused, match="does not become"):
            move(campaign, target)


@pytest.mark.parametrize("told", PaymentStatus)
@pytest.mark.parametrize("state", PledgeState)
def test_a_payment_moves_a_pledge_or_says_nothing_new(
    state: PledgeState, told: PaymentStatus
) -> None:
    """Facts come in any order: what the pledge is past changes neither it nor the totals."""
    standing = Standing.COUNTED if state in KEPT else None
    known = Pledge(payment(1, KNOWN_OF[state]), state, NOW, standing)
    if told is PaymentStatus.WITHDRAWN and state not in KEPT:
        with pytest.raises(Refused, match="no collected money"):
            take_payment(LIVE, known, payment(1, told))
        return
    taken = take_payment(LIVE, known, payment(1, told))
    target = {status: s for s, status in STATUS_OF.items()}[told]
    if target in TRANSITIONS[state]:
        assert taken.pledge.state is target and taken.facts
    else:
        assert (taken.pledge, taken.totals, taken.facts) == (known, LIVE.totals, ())


@pytest.mark.parametrize("target", PledgeState)
@pytest.mark.parametrize("state", PledgeState)
def test_a_pledge_moves_only_as_the_table_says(state: PledgeState, target: PledgeState) -> None:
    """Withdrawn is an end; dropped is left for collected alone, as errored and pending may be."""
    pledge = Pledge(payment(1, KNOWN_OF[state]), state, NOW)
    if target in TRANSITIONS[state]:
        assert move_pledge(pledge, target).state is target
    else:
        with pytest.raises(Refused, match="does not become"):
            move_pledge(pledge, target)


FIXED = replace(
    LAUNCH.terms,
    stage_shares_basis_points=(2_000, 3_000, 5_000),
    platform_fee_basis_points=500,
    processing_fee_basis_points=290,
    processing_fee_fixed=30,
    tax_basis_points=0,
)
LATE = replace(FIXED, stage_shares_basis_points=(4_000, 4_000, 2_000))


@pytest.mark.trap(4)
@pytest.mark.parametrize(
    ("terms", "least"),
    [(FIXED, 71), (replace(FIXED, tax_basis_points=2_000), 89), (LATE, 241)],
)
def test_the_smallest_pledge_pays_its_own_fees(terms: Terms, least: int) -> None:
    """5 % + (2.9 % + 0.30): below half of it, and within what its last stage gets."""
    check_smallest_pledge(terms, least)
    with pytest.raises(Refused) as refused:
        check_smallest_pledge(terms, least - 1)
    assert refused.value.reason == "smallest-pledge-too-small"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"goal": 0}, "invalid-goal"),
        ({"goal": 2**53}, "invalid-goal"),
        ({"currency": "XXX"}, "unknown-currency"),
        ({"currency": "ISK"}, "currency-counted-otherwise"),
        ({"currency": "UGX"}, "currency-counted-otherwise"),
        ({"currency": "MGA"}, "currency-counted-otherwise"),
        ({"currency": "KWD"}, "currency-counted-otherwise"),
        ({"zone": "Mars/Olympus"}, "unknown-zone"),
        ({"zone": "../etc/passwd"}, "unknown-zone"),
        ({"rewards": LAUNCH.rewards * 2}, "duplicate-reward"),
        ({"terms": replace(LAUNCH.terms, stage_shares_basis_points=(1, 2, 3))}, "invalid-terms"),
        ({"terms": replace(LAUNCH.terms, settle_seconds=-1)}, "invalid-terms"),
        (
            {"terms": replace(LAUNCH.terms, other_pending_window_seconds=-1)},
            "invalid-terms",
        ),
        (
            {"terms": replace(LAUNCH.terms, dispute_reserve_basis_points=10_001)},
            "invalid-terms",
        ),
        ({"terms": replace(LAUNCH.terms, errored_reminders_seconds=(-1,))}, "invalid-terms"),
        ({"terms": replace(LAUNCH.terms, errored_reminders_seconds=(2, 1))}, "invalid-terms"),
        ({"terms": replace(LAUNCH.terms, errored_last_try_seconds=1)}, "invalid-terms"),
        ({"terms": replace(LAUNCH.terms, errored_drop_seconds=518_399)}, "invalid-terms"),
        ({"terms": replace(LAUNCH.terms, platform_fee_basis_points=5_000)}, "fees-too-high"),
        (
            {"terms": replace(LAUNCH.terms, stage_shares_basis_points=(0, 9_500, 500))},
            "fees-too-high",
        ),
    ],
)
def test_a_launch_that_cannot_be_paid_out_is_refused(
    changes: dict[str, object], reason: str
) -> None:
    """Each rule of a launch alone refuses it and is named."""
    with pytest.raises(Refused) as refused:
        launch_campaign(other_launch(**changes), NOW)
    assert refused.value.reason == reason


def test_collected_money_is_counted_once() -> None:
    """raised rises with the pledge, counted and count with its capture in time."""
    pending = take_payment(LIVE, None, payment(1, PaymentStatus.PENDING))
    assert pending.totals == Totals(raised=600)
    campaign: Campaign = replace(LIVE, totals=pending.totals)
    captured = take_payment(campaign, pending.pledge, payment(1))
    assert captured.totals == Totals(raised=600, counted=600, count=1)
