"""The operators' brake: no call that moves money leaves while it is pulled, and nothing breaks."""

from datetime import datetime

import pytest

from payouts.adapters.brake import STOP_MONEY, SwitchedBrake
from payouts.domain.book import Outcome
from payouts.domain.refund import Refund, RefundState
from payouts.domain.refund_sending import send
from payouts.domain.stage import StageState
from payouts.domain.stopping import Stopped
from payouts.handlers import pay_stages, send_refunds
from payouts.handlers.pay_stages import StageDecision, StageView
from servicekit.mongo import Database
from servicekit.switches import Switches
from services.payouts.tests.builders import HOUR, NOW
from services.payouts.tests.conftest import CAMPAIGN, Payouts

STOPPED = Stopped("sre-1", NOW, NOW + HOUR)
MOVES = {"create_refund", "create_transfer", "create_payout"}


def moved(payouts: Payouts) -> list[str]:
    return [operation for operation, _ in payouts.provider.calls if operation in MOVES]


async def turns(payouts: Payouts, count: int = 12) -> None:
    for _ in range(count):
        await payouts.turn()
        payouts.clock.advance(seconds=20)


@pytest.mark.parametrize("campaign", [None, CAMPAIGN])
async def test_stopped_refunds_say_so_and_go_on_afterwards(
    payouts: Payouts, campaign: str | None
) -> None:
    """For all campaigns or for this one: nothing is sent, the reason names who, since and until."""
    payouts.brake.pulled[campaign] = STOPPED
    await payouts.collect(1, 2, 3)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 3)
    await turns(payouts)
    refunds = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert [refund.state for refund in refunds] == [RefundState.REQUESTED] * 3
    for refund in refunds:
        assert refund.reason is not None
        assert refund.reason.startswith("money is stopped by sre-1 since 2026-03-01T12:00:00")
        assert "until 2026-03-01T13:00:00" in refund.reason and refund.attempts == ()
    assert moved(payouts) == []
    payouts.brake.pulled.clear()
    await payouts.work_off()
    for refund in await payouts.queries.refunds(CAMPAIGN, "", 10):
        assert (refund.state, refund.reason) == (RefundState.SUCCEEDED, None)
    await payouts.assert_books_true()


async def test_another_campaigns_brake_stops_nothing_here(payouts: Payouts) -> None:
    """The money of this one moves."""
    payouts.brake.pulled["another"] = STOPPED
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.work_off()
    assert moved(payouts) == ["create_refund"]


@pytest.mark.parametrize("fault", ["timeout_after", "rate_limited"])
async def test_what_is_in_hand_is_looked_up_and_not_sent_again(
    payouts: Payouts, fault: str
) -> None:
    """A refund without an answer is found if it was made, and waits if it was not."""
    payouts.provider.faults["create_refund"] = [fault]
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await payouts.turn()
    assert moved(payouts) == ["create_refund"]
    payouts.brake.pulled[None] = STOPPED
    await turns(payouts)
    (refund,) = await payouts.queries.refunds(CAMPAIGN, "", 10)
    assert moved(payouts) == ["create_refund"]
    assert (refund.state is RefundState.SUCCEEDED) == (fault == "timeout_after")
    payouts.brake.pulled.clear()
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


async def test_a_refund_whose_note_stood_still_while_money_was_stopped_is_not_sent(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brake counts when the call leaves; what was noted is sent afterwards."""

    def noted(refund: Refund, now: datetime) -> Refund:
        payouts.brake.pulled[None] = STOPPED
        return send(refund, now)

    monkeypatch.setattr(send_refunds, "send", noted)
    await payouts.collect(1)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 1)
    await turns(payouts)
    assert moved(payouts) == []
    monkeypatch.undo()
    payouts.brake.pulled.clear()
    await payouts.work_off()
    assert moved(payouts) == ["create_refund"] and payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


async def stage_of(payouts: Payouts) -> tuple[StageState, str | None]:
    stage = (await payouts.queries.stages(CAMPAIGN))[0]
    return stage.state, stage.reason


async def test_a_stopped_stage_has_a_line_at_the_gate(payouts: Payouts) -> None:
    """Approved and not submitted; the line says who stopped it and who must act."""
    payouts.brake.pulled[None] = STOPPED
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await turns(payouts)
    state, _ = await stage_of(payouts)
    assert state is StageState.APPROVED and moved(payouts) == []
    _, found = await payouts.stages.explain(CAMPAIGN, 1)
    lines = {line.name: line for line in found}
    assert lines["money_runs"].why == str(STOPPED) and lines["money_runs"].who == "staff"
    assert lines["money_runs"].expected_by == NOW + HOUR
    payouts.brake.pulled.clear()
    await turns(payouts)
    assert (await stage_of(payouts))[0] is StageState.PAID


@pytest.mark.parametrize("fault", ["timeout_after", "rate_limited"])
@pytest.mark.parametrize("leg", ["create_transfer", "create_payout"])
async def test_a_leg_in_hand_is_looked_up_and_the_next_waits(
    payouts: Payouts, leg: str, fault: str
) -> None:
    """Stopped between or inside the two legs, each is made once, before or after."""
    payouts.provider.faults[leg] = [fault]
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    while leg not in moved(payouts):
        await turns(payouts, 1)
    before = moved(payouts)
    payouts.brake.pulled[None] = STOPPED
    await turns(payouts)
    assert moved(payouts) == before
    if (leg, fault) != ("create_payout", "timeout_after"):
        assert await stage_of(payouts) == (StageState.SUBMITTED, str(STOPPED))
    payouts.brake.pulled.clear()
    await turns(payouts, 30)
    assert await stage_of(payouts) == (StageState.PAID, None)
    assert len(payouts.provider.transfers) == len(payouts.provider.payouts) == 1
    await payouts.assert_books_true()


async def test_a_leg_whose_note_stood_still_while_money_was_stopped_is_not_sent(
    payouts: Payouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a stage: the reason stands there, and each leg is made once afterwards."""
    note = pay_stages._note

    def noted(view: StageView) -> StageDecision:
        payouts.brake.pulled[None] = STOPPED
        return note(view)

    monkeypatch.setattr(pay_stages, "_note", noted)
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await turns(payouts)
    assert moved(payouts) == []
    assert await stage_of(payouts) == (StageState.SUBMITTED, str(STOPPED))
    monkeypatch.undo()
    payouts.brake.pulled.clear()
    await turns(payouts, 30)
    assert await stage_of(payouts) == (StageState.PAID, None)
    assert moved(payouts) == ["create_transfer", "create_payout"]
    await payouts.assert_books_true()


async def test_money_is_stopped_for_a_campaign_that_payouts_has_heard_of(payouts: Payouts) -> None:
    """By its launch or by its first pledge; any other id is a typing error."""
    switches = Switches(Database.connect("mongodb://127.0.0.1:9", "none", "tests"), payouts.clock)
    SwitchedBrake(switches, payouts.queries)
    is_known = switches.known[STOP_MONEY.name].is_known
    assert is_known is not None and not await is_known(CAMPAIGN)
    await payouts.collect(1)
    assert await is_known(CAMPAIGN) and not await is_known("launched")
    await payouts.units.run(lambda unit: unit.creators.add({"launched": "creator-2"}))
    assert await is_known("launched")
