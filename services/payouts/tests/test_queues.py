"""Queues of stages and of debts over all campaigns: the longest waiting first, page by page."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.costs import cost_of
from payouts.adapters.mongo_stores import RECEIVABLES, STAGES
from payouts.domain.errors import Refused
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.receivable import Receivable, ReceivableState
from payouts.domain.stage import Stage, StageState
from payouts.domain.waiting import QueueName, Waiting, id_of
from payouts.handlers.queues import Place, page_of, place_in
from payouts.sweeps.queues import MeasureQueues
from servicekit.mongo import Database
from services.payouts.tests.builders import (
    HOUR,
    NOW,
    a_receivable,
    a_sent_stage,
    an_approved_stage,
    the_stages,
)
from services.payouts.tests.conftest import Payouts, mongo_payouts

WARNING = timedelta(0)
STAGE_QUEUES = (
    QueueName.STAGES_TO_APPROVE,
    QueueName.STAGES_FAILED,
    QueueName.STAGES_UNKNOWN,
    QueueName.STAGES_IN_TRANSIT,
)


def a_stage(number: int, state: StageState, leg: AttemptState | None = None) -> Stage:
    """Of a campaign of its own; two at a time are due since the same hour, late numbers first."""
    sent = a_sent_stage()
    attempts = (replace(sent.attempt, state=leg),) if leg else ()
    return replace(
        sent,
        campaign_id=f"campaign-{number:03}",
        state=state,
        due_at=NOW - number // 2 * HOUR,
        attempts=attempts,
    )


def the_stages_that_wait(count: int) -> list[Stage]:
    """In every state that a due stage can have, and with either leg unknown."""
    kinds: list[tuple[StageState, AttemptState | None]] = [
        (state, None) for state in StageState if state is not StageState.PLANNED
    ]
    kinds += [
        (StageState.SUBMITTED, AttemptState.TRANSFER_UNKNOWN),
        (StageState.SUBMITTED, AttemptState.PAYOUT_UNKNOWN),
        (StageState.IN_TRANSIT, AttemptState.IN_TRANSIT),
    ]
    return [a_stage(number, *kinds[number % len(kinds)]) for number in range(count * len(kinds))]


def the_debts(count: int) -> list[Receivable]:
    """In every state, two at a time since the same hour."""
    return [
        replace(
            a_receivable(),
            receivable_id=f"rc_{number:03}",
            state=state,
            settled=0 if state in OPEN else 5_000,
            arisen_at=NOW - number // 2 * HOUR,
        )
        for number, state in enumerate([*ReceivableState] * count)
    ]


OPEN = (ReceivableState.ARISEN, ReceivableState.PART_SETTLED)


async def all_of(payouts: Payouts, name: QueueName, limit: int) -> list[Waiting]:
    found: list[Waiting] = []
    after: Place | None = None
    while page := await page_of(payouts.queries, name, after, limit, NOW, WARNING):
        assert len(page) <= limit
        found += page
        after = place_in(name, page[-1])
    return found


def belongs(stage: Stage, name: QueueName) -> bool:
    if name is QueueName.STAGES_TO_APPROVE:
        return stage.state in (StageState.DUE, StageState.AWAITING_SECOND_APPROVAL)
    if name is QueueName.STAGES_FAILED:
        return stage.state is StageState.FAILED
    if name is QueueName.STAGES_IN_TRANSIT:
        return stage.state is StageState.IN_TRANSIT
    return bool(stage.attempts) and stage.attempt.state.value.endswith("unknown")


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_stages_are_listed_once_the_first_due_first(payouts: Payouts, limit: int) -> None:
    """Pages leave nothing out and repeat nothing, also among those due since the same moment."""
    stages = the_stages_that_wait(5)
    await payouts.units.run(lambda unit: unit.stages.save([*stages, the_stages()[1]]))
    for name in STAGE_QUEUES:
        wanted = [stage for stage in stages if belongs(stage, name)]
        wanted.sort(key=lambda stage: (stage.waits_since, stage.stage_id))
        found = await all_of(payouts, name, limit)
        assert wanted and found == [replace(stage, version=1) for stage in wanted]


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_open_debts_are_listed_once_the_oldest_first(payouts: Payouts, limit: int) -> None:
    """Of all campaigns; what is settled or written off is over."""
    debts = the_debts(4)
    await payouts.units.run(lambda unit: unit.receivables.save(debts))
    wanted = [debt for debt in debts if debt.state in OPEN]
    wanted.sort(key=lambda debt: (debt.arisen_at, debt.receivable_id))
    found = await all_of(payouts, QueueName.RECEIVABLES, limit)
    assert found == [replace(debt, version=1) for debt in wanted]


def in_transit(number: int, sent_at: datetime) -> Stage:
    """Its last attempt's payout was asked for then, and one before it long ago."""
    stage = a_stage(number, StageState.IN_TRANSIT, AttemptState.IN_TRANSIT)
    failed = replace(stage.attempt, state=AttemptState.FAILED, first_sent_at=NOW - 900 * HOUR)
    running = replace(stage.attempt, number=2, first_sent_at=sent_at, last_sent_at=NOW)
    return replace(stage, attempts=(failed, running))


async def test_what_a_bank_has_not_confirmed_has_an_age(payouts: Payouts) -> None:
    """Since its running attempt was asked for, not since the stage was due or tried first."""
    assert await measured(payouts) == 0
    waiting = [a_stage(number, state) for number, state in enumerate(StageState)]
    paid = replace(in_transit(50, NOW - 90 * HOUR), state=StageState.PAID)
    others = [one for one in waiting if one.state is not StageState.IN_TRANSIT]
    await payouts.units.run(lambda unit: unit.stages.save([paid, *others]))
    assert await measured(payouts) == 0
    there = [in_transit(60 + hours, NOW - hours * HOUR) for hours in (1, 7, 3)]
    await payouts.units.run(lambda unit: unit.stages.save(there))
    assert await measured(payouts) == (NOW - 7 * HOUR).timestamp()


async def measured(payouts: Payouts) -> float | None:
    await MeasureQueues(payouts.queries)(NOW)
    name = "sosst_payouts_stage_in_transit_oldest_timestamp_seconds"
    return REGISTRY.get_sample_value(name)


def test_a_stage_that_is_not_due_waits_for_nobody() -> None:
    """It has no place in a queue, and says so."""
    assert an_approved_stage().waits_since == NOW
    with pytest.raises(Refused, match="not due"):
        _ = the_stages()[1].waits_since


async def test_a_page_is_read_in_the_order_of_its_index(database: Database) -> None:
    """However much waits in front of it, behind it, and in other states, nothing is sorted."""
    stages, debts, payouts = the_stages_that_wait(60), the_debts(100), mongo_payouts(database)
    rows = [STAGES.document(one.stage_id, one) for one in stages]
    await database.collection("stages").insert_many(rows)
    owed = [RECEIVABLES.document(one.receivable_id, one) for one in debts]
    await database.collection("receivables").insert_many(owed)
    for name in (*STAGE_QUEUES, QueueName.RECEIVABLES):
        read: Callable[[Place | None, int], Awaitable[Sequence[Waiting]]] = partial(
            page_of, payouts.queries, name, now=NOW, warning=WARNING
        )
        front = await read(None, 30)
        after = place_in(name, front[-1])
        for place in (None, after):
            cost = await cost_of(database, lambda read=read, place=place: read(place, 10))
            # Looked at in vain: one key of each state in advance, and those of the same moment.
            assert cost.returned == 10 and cost.documents <= 12, (name, cost)
            assert cost.keys <= 14 and not cost.sorted and not cost.scanned, (name, cost)
        behind = await read(after, 10)
        assert not {id_of(one) for one in front} & {id_of(one) for one in behind}
    there = sum(one.state is StageState.IN_TRANSIT for one in stages)
    cost = await cost_of(database, payouts.queries.in_transit_since)
    assert cost.documents == there and cost.keys <= there + 1 and not cost.scanned, cost
