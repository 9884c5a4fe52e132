"""Every pair of states of a reward on its way, its parcels, and its backer's word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from updates.domain.errors import Refused
from updates.domain.reward_tracking import open_by_move, open_by_notice
from updates.domain.tracking import (
    HISTORY_MAX,
    PARCELS_MAX,
    RECEIPTS_MAX,
    TRANSITIONS,
    Tracking,
    TrackingState,
    TrackingTerms,
    add_parcel,
    asked,
    move,
    move_by_team,
    open_digital,
    receive,
    take_back_receipt,
)
from updates.domain.tracking_facts import changes_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = TrackingTerms()
S = TrackingState
TEAM = "fulfilment-1"


def tracking_in(state: TrackingState) -> Tracking:
    return Tracking("campaign-1", "reward-1", "backer-1", state, version=1)


def refusal(tracking: Tracking, state: TrackingState) -> str | None:
    try:
        move_by_team(tracking, state, TEAM, NOW, TERMS)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("target", S)
@pytest.mark.parametrize("state", S)
def test_a_state_moves_by_the_table_alone(state: TrackingState, target: TrackingState) -> None:
    """Every pair is in the table or refused; where it goes, its history says so."""
    if target in TRANSITIONS[state]:
        moved = move(tracking_in(state), target, TEAM, NOW)
        assert moved.state is target and moved.changed_at == NOW
        assert (moved.history[-1].old, moved.history[-1].new) == (state, target)
    else:
        with pytest.raises(Refused) as refused:
            move(tracking_in(state), target, TEAM, NOW)
        assert refused.value.reason == "impossible-transition"


@pytest.mark.parametrize("state", S)
def test_that_it_came_is_the_backers_word_alone(state: TrackingState) -> None:
    """The team neither says it nor overrules it, except that it came back."""
    if state is not S.RECEIVED:
        assert refusal(tracking_in(state), S.RECEIVED) == "backers-word"
    has = replace(tracking_in(S.RECEIVED), received_from=S.SHIPPED)
    allowed = state in {S.RECEIVED, S.RETURNED}
    assert refusal(has, state) == (None if allowed else "received")


@pytest.mark.trap(17)
def test_only_who_moved_is_told() -> None:
    """Of a whole reward that is marked as shipped, those who were there already are in no fact."""
    before = [
        replace(tracking_in(state), backer_id=f"backer-{number}")
        for number, state in enumerate([S.SHIPPED, S.PREPARING, S.SHIPPED, S.NOT_STARTED])
    ]
    after = [move_by_team(one, S.SHIPPED, TEAM, NOW, TERMS) for one in before]
    (fact,) = changes_of(zip(before, after, strict=True), TEAM, NOW)
    assert fact.before == (("backer-1", S.PREPARING), ("backer-3", S.NOT_STARTED))
    assert changes_of(zip(after, after, strict=True), TEAM, NOW) == []
    # Another number of a parcel is no other state.
    added = add_parcel(after[0], "Poste", "1", TEAM, NOW)
    assert changes_of([(after[0], added)], TEAM, NOW) == []


def test_a_change_has_a_name_of_its_own() -> None:
    """Equal on every retry, another one for other people, states and instants."""
    names = set()
    for backer, target, at in (
        ("anna", S.SHIPPED, NOW),
        ("anna", S.SHIPPED, NOW),
        ("ben", S.SHIPPED, NOW),
        ("anna", S.PREPARING, NOW),
        ("anna", S.SHIPPED, NOW + timedelta(milliseconds=1)),
    ):
        before = Tracking("campaign-1", "reward-1", backer)
        (fact,) = changes_of([(before, move(before, target, TEAM, at))], TEAM, at)
        names.add(fact.change_id)
    assert len(names) == 4


@pytest.mark.trap(18)
def test_a_parcel_is_added_and_replaces_none() -> None:
    """Two parcels are two, the same one again is one; no other carrier's number is taken for it."""
    tracking = tracking_in(S.SHIPPED)
    for carrier, number in (("Poste", "1"), ("Poste", "2"), (" Poste ", "1"), ("DHL", "1")):
        tracking = add_parcel(tracking, carrier, number, TEAM, NOW)
    said = [(one.carrier, one.number) for one in tracking.parcels]
    assert said == [("Poste", "1"), ("Poste", "2"), ("DHL", "1")]
    for carrier, number in (("", "1"), ("Poste", " "), ("Poste", "a\nb"), ("P" * 101, "1")):
        with pytest.raises(Refused) as refused:
            add_parcel(tracking, carrier, number, TEAM, NOW)
        assert refused.value.reason == "invalid-parcel"
    for number in range(PARCELS_MAX - 3):
        tracking = add_parcel(tracking, "UPS", str(number), TEAM, NOW)
    with pytest.raises(Refused, match="parcels"):
        add_parcel(tracking, "UPS", "more", TEAM, NOW)


@pytest.mark.row("S11")
@pytest.mark.parametrize("state", S)
def test_a_receipt_is_undone_for_fourteen_days(state: TrackingState) -> None:
    """It restores what was before, once; whatever the team said, but not of what came back."""
    tracking = tracking_in(state)
    assert take_back_receipt(tracking, NOW, TERMS) == tracking
    if state is S.RECEIVED:
        assert receive(tracking, NOW) == tracking
        return
    if state is S.RETURNED:
        with pytest.raises(Refused, match="returned"):
            receive(tracking, NOW)
        return
    received = receive(tracking, NOW)
    assert (received.state, received.received_at) == (S.RECEIVED, NOW)
    assert receive(received, NOW + timedelta(days=1)) == received
    last = NOW + timedelta(days=14, microseconds=-1)
    restored = take_back_receipt(received, last, TERMS)
    assert restored.state is state and restored.received_at is None
    assert take_back_receipt(restored, last, TERMS) == restored
    with pytest.raises(Refused) as refused:
        take_back_receipt(received, NOW + timedelta(days=14), TERMS)
    assert refused.value.reason == "receipt-final"


def test_a_backer_is_asked_once_each_time_that_it_was_sent() -> None:
    """Not of what is only packed, not who was asked, not who has it; sent again is asked again."""
    preparing = move_by_team(tracking_in(S.NOT_STARTED), S.PREPARING, TEAM, NOW, TERMS)
    assert preparing.next_due is None
    shipped = move_by_team(preparing, S.SHIPPED, TEAM, NOW, TERMS)
    assert shipped.next_due == NOW + TERMS.question
    assert asked(shipped).next_due is None and receive(shipped, NOW).next_due is None
    back = move_by_team(asked(shipped), S.RETURNED, TEAM, NOW, TERMS)
    later = NOW + timedelta(days=30)
    assert move_by_team(back, S.SHIPPED, TEAM, later, TERMS).next_due == later + TERMS.question


def test_what_is_digital_is_delivered_when_it_is_first_opened() -> None:
    """By its backer, who is not asked whether it came; opened again it stays."""
    opened = open_digital(tracking_in(S.NOT_STARTED), NOW)
    assert (opened.state, opened.next_due) == (S.DELIVERED, None)
    assert open_digital(opened, NOW + timedelta(days=1)) == opened
    received = receive(opened, NOW)
    assert open_digital(received, NOW) == received


@pytest.mark.row("S11")
def test_a_notice_is_asked_for_once_where_none_told_of_it() -> None:
    """By the first that is sent, never for what is announced, and not again."""
    place = ("campaign-1", "reward-1")
    packed, none = open_by_move(None, *place, S.PREPARING, NOW, TERMS)
    assert none is None and packed.next_due is None and packed.opened_at == NOW
    sent, fact = open_by_move(packed, *place, S.SHIPPED, NOW, TERMS)
    assert fact is not None and fact.platform_sends_at == sent.next_due == NOW + TERMS.notice
    assert open_by_move(sent, *place, S.DELIVERED, NOW, TERMS) == (sent, None)
    told = open_by_notice(sent, *place, "u7", NOW)
    assert (told.notice_id, told.next_due) == ("u7", None)
    assert open_by_notice(told, *place, "u8", NOW) == told
    announced = open_by_notice(None, *place, "u1", NOW)
    assert open_by_move(announced, *place, S.SHIPPED, NOW, TERMS) == (announced, None)


def test_a_team_that_moves_it_on_and_on_leaves_its_backer_free() -> None:
    """Moved so often it stays where it is, and its backer has the last word all the same."""
    tracking = tracking_in(S.PREPARING)
    for _ in range(HISTORY_MAX // 2):
        for state in (S.SHIPPED, S.PREPARING):
            tracking = move_by_team(tracking, state, TEAM, NOW, TERMS)
    assert refusal(tracking, S.PREPARING) is None
    assert refusal(tracking, S.SHIPPED) == "too-many-moves"
    received = receive(tracking, NOW)
    assert received.state is S.RECEIVED
    assert take_back_receipt(received, NOW, TERMS).state is S.PREPARING
    assert open_digital(tracking, NOW).state is S.DELIVERED


def test_a_receipt_said_over_and_over_leaves_its_team_free() -> None:
    """Said and taken back twenty times it is said no more, and is sent as before."""
    tracking = tracking_in(S.PREPARING)
    for _ in range(RECEIPTS_MAX):
        tracking = take_back_receipt(receive(tracking, NOW), NOW, TERMS)
    with pytest.raises(Refused, match="at most 20 times"):
        receive(tracking, NOW)
    assert move_by_team(tracking, S.SHIPPED, TEAM, NOW, TERMS).state is S.SHIPPED
