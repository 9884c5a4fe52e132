"""Claims over their stores: opened by right, answered by payouts, run out by the clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from services.updates.tests.conftest import DESK, NOW, UpdatesService, memory_service
from services.updates.tests.test_claims import BACKER, CREATOR, GIFT, PART, STAFF
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from updates.domain.claim import Claim, ClaimState, Moved
from updates.domain.claim_delivery import delivery_of
from updates.domain.claim_reason import Delivery, Reason
from updates.domain.claim_turns import Moment, accept, decide, escalate, propose, withdraw
from updates.domain.delivery_plan import DeliveryPlan, Provision, Step, promise
from updates.domain.errors import Refused
from updates.handlers.claims import Opening, move_claim, move_many, open_of_backer
from updates.metrics import CLAIM_OVERDUE
from updates.ports.unit import UpdatesUnit
from updates.sweeps.claims import MeasureClaims, RunOutClaims

S = ClaimState
OPENING = Opening("c1", "pledge-1", "backer-1", Reason.QUALITY, "It broke.")


async def met(service: UpdatesService, *pledges: str) -> UpdatesService:
    """A campaign that met its goal, with these pledges of one backer."""
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.VerdictReached), 2))
    for number, pledge_id in enumerate(pledges or ("pledge-1",), start=1):
        pledge = {"pledge_id": pledge_id, "backer_id": "backer-1", "reward_id": "reward-1"}
        await service.hear((sample(funding.PledgeCollected, amount=2_000, **pledge), number))
    return service


async def opens(service: UpdatesService, opening: Opening = OPENING) -> Claim:
    now = service.clock.now()
    return await service.units.run(
        lambda unit: open_of_backer(unit, DESK, "campaign-1", opening, now)
    )


async def act(service: UpdatesService, what: partial[Moved], claim_id: str = "c1") -> Claim:
    def moved(claim: Claim, moment: Moment) -> Moved:
        return what(claim, moment=moment)

    now = service.clock.now()
    return await service.units.run(
        lambda unit: move_claim(unit, DESK, "campaign-1", claim_id, moved, now)
    )


async def told(service: UpdatesService) -> list[str]:
    topic = events.ClaimOpened.topic
    return [event.name for event in await service.published() if event.topic == topic]


def answer(event: type[Event], sequence: int, request: str = "c1", **more: object) -> Event:
    cause = f"claim-money-requested/{request}"
    return sample(event, cause=cause, pledge_id="pledge-1", amount=500, **more)


@pytest.mark.row("S12")
async def test_a_claim_is_opened_once_by_who_pledged(service: UpdatesService) -> None:
    """The same again is the same; another id for the same problem is refused; others have none."""
    await met(service)
    claim = await opens(service)
    service.clock.advance(seconds=60)
    assert (await opens(service)).opened_at == claim.opened_at
    for opening, reason in (
        (Opening("c1", "pledge-1", "backer-1", Reason.QUALITY, "Else."), "claim-known"),
        (Opening("c2", "pledge-1", "backer-1", Reason.QUALITY, "It broke."), "claim-open"),
        (Opening("c2", "pledge-1", "backer-2", Reason.QUALITY, "It broke."), "pledge-unknown"),
        (Opening("c2", "pledge-9", "backer-1", Reason.QUALITY, "It broke."), "pledge-unknown"),
        (Opening("c2", "pledge-1", "backer-1", Reason.LATE, "Where?"), "no-promised-date"),
    ):
        with pytest.raises(Refused) as refused:
            await opens(service, opening)
        assert refused.value.reason == reason
    assert await told(service) == ["claim-opened"]


async def test_nothing_is_claimed_where_nothing_is_owed() -> None:
    """Before the verdict, after a missed goal, and of a pledge that went back whole."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.PledgeCollected), 1))
    for event, sequence in ((None, 0), (sample(funding.CampaignCancelled), 2)):
        if event is not None:
            await service.hear((event, sequence))
        with pytest.raises(Refused, match="met their goal"):
            await opens(service)


@pytest.mark.row("S12")
async def test_a_full_refund_ends_new_claims_and_an_old_one_is_read_on(
    service: UpdatesService,
) -> None:
    """Whichever is heard first; a partial refund ends nothing, one that came back none either."""
    await met(service)
    await opens(service, Opening("c0", "pledge-1", "backer-1", Reason.OTHER, "Hello?"))
    whole = {"pledge_id": "pledge-1", "refund_id": "rf_9"}
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=False, **whole), 1))
    await opens(service, Opening("c1", "pledge-1", "backer-1", Reason.MISSING, "A part."))
    await service.hear((sample(payouts.RefundSucceeded, fully_refunded=True, **whole), 2))
    with pytest.raises(Refused, match="left to claim for"):
        await opens(service, Opening("c2", "pledge-1", "backer-1", Reason.WRONG, "Blue."))
    assert await service.claims.claim("campaign-1", "c0") is not None
    await service.hear((sample(payouts.RefundFailed, **whole), 3))
    await opens(service, Opening("c2", "pledge-1", "backer-1", Reason.WRONG, "Blue."))


@pytest.mark.row("S12")
async def test_accepted_money_is_asked_for_once_and_its_answer_resolves(
    service: UpdatesService,
) -> None:
    """With the N that was known; the answer twice, or of another claim, changes nothing."""
    await met(service)
    await opens(service)
    await act(service, partial(propose, said=CREATOR, settlement=PART))
    for _ in range(2):
        await act(service, partial(accept, proposal=2, by="backer-1"))
    asked = [e for e in await service.published() if isinstance(e, events.ClaimMoneyRequested)]
    assert [(one.claim_id, one.amount, one.pledges_sequence) for one in asked] == [("c1", 500, 1)]
    await service.hear(
        (sample(payouts.RefundSucceeded, cause="verdict-reached/campaign-1"), 1),
        (answer(payouts.RefundSucceeded, 2, "another"), 2),
        (answer(payouts.RefundClaimable, 3), 3),
        (answer(payouts.RefundSucceeded, 4, fully_refunded=False), 4),
        (answer(payouts.RefundSucceeded, 5, fully_refunded=False), 5),
    )
    claim = await service.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.state is S.RESOLVED
    (last,) = [e for e in await service.published() if isinstance(e, events.ClaimResolved)]
    assert (last.outcome, last.amount, last.decided_by) == ("refund", 500, "creator-1")


@pytest.mark.row("S12")
async def test_refused_money_comes_back_to_the_table_and_is_asked_for_anew(
    service: UpdatesService,
) -> None:
    """Staff are told why, decide otherwise, and the second request is another one to payouts."""
    await met(service)
    await opens(service)
    await act(service, partial(propose, said=CREATOR, settlement=PART))
    await act(service, partial(accept, proposal=2, by="backer-1"))
    await service.hear((answer(payouts.RefundRefused, 1, reason="above-campaign-funds"), 1))
    claim = await act(service, partial(decide, said=STAFF, settlement=GIFT))
    assert claim.state is S.MONEY_REQUESTED
    asked = [e for e in await service.published() if isinstance(e, events.ClaimMoneyRequested)]
    assert [(one.claim_id, one.payer) for one in asked] == [
        ("c1", "campaign"),
        ("c1~2", "platform"),
    ]
    paid = answer(payouts.RefundPaidOtherwise, 2, "c1~2", kind="compensation")
    await service.hear((paid, 2))
    (last,) = [e for e in await service.published() if isinstance(e, events.ClaimResolved)]
    assert (last.outcome, last.decided_by) == ("compensation", "staff-1")


async def test_time_hands_the_claim_to_staff_once(service: UpdatesService) -> None:
    """Not before it is due; a claim that was answered meanwhile is left alone; then the alarm."""
    await met(service, "pledge-1", "pledge-2")
    await opens(service)
    await opens(service, Opening("c2", "pledge-2", "backer-1", Reason.QUALITY, "It broke."))
    sweep = RunOutClaims(service.units, service.claims, DESK)
    first = await sweep.oldest_due()
    assert first is not None and await sweep(service.clock.now()) == 0
    await act(service, partial(propose, said=CREATOR, settlement=PART), "c2")
    service.clock.advance(days=7)
    assert [await sweep(service.clock.now()) for _ in range(2)] == [1, 0]
    assert (await told(service)).count("claim-escalated") == 1
    service.clock.advance(days=3, seconds=1)
    await MeasureClaims(service.claims)(service.clock.now())
    assert CLAIM_OVERDUE.labels("with_staff")._value.get() == 1


async def test_one_answer_serves_a_cluster_with_a_result_for_each() -> None:
    """Each claim gets its own fact; one that cannot take it stops no other."""
    service = await met(memory_service(), "pledge-1", "pledge-2", "pledge-3")
    for number in (1, 2, 3):
        opening = Opening(f"c{number}", f"pledge-{number}", "backer-1", Reason.QUALITY, "Broke.")
        await opens(service, opening)
    await act(service, partial(withdraw, said=BACKER), "c2")

    def proposing(claim: Claim, moment: Moment) -> Moved:
        return propose(claim, CREATOR, PART, moment)

    ids, now = ["c1", "c2", "c9", "c3", "c1"], service.clock.now()
    for _ in range(2):
        answers = await move_many(service.units, DESK, "campaign-1", ids, proposing, now)
        assert [(one.claim_id, one.refused and one.refused.reason) for one in answers] == [
            ("c1", None),
            ("c2", "claim-ended"),
            ("c9", "claim-unknown"),
            ("c3", None),
        ]
    assert (await told(service)).count("claim-answered") == 2


async def test_a_declined_proposal_is_told_to_staff(service: UpdatesService) -> None:
    """The facts carry their place in the thread, so that each is told by itself."""
    await met(service)
    await opens(service)
    await act(service, partial(propose, said=CREATOR, settlement=PART))
    await act(service, partial(escalate, said=BACKER))
    published = await service.published()
    topic = events.ClaimOpened.topic
    numbered = [(e.name, getattr(e, "entry", None)) for e in published if e.topic == topic]
    assert numbered == [("claim-opened", None), ("claim-answered", 2), ("claim-escalated", 3)]


DAYS = {
    Step.PRODUCTION: date(2026, 6, 1),
    Step.PACKAGING: date(2026, 7, 1),
    Step.DELIVERY: date(2026, 8, 1),
}
LATE = Opening("c1", "pledge-1", "backer-1", Reason.LATE, "Where is it?")


@pytest.mark.row("S12")
async def test_lateness_is_claimed_from_the_promised_day_in_the_campaigns_zone(
    service: UpdatesService,
) -> None:
    """Not the evening before, by the clock of Paris; the claim names the reward's one batch."""
    await met(service)

    async def plan(unit: UpdatesUnit) -> None:
        known = await unit.plans.load("campaign-1")
        assert known is not None
        at = service.clock.now()
        rewards = replace(known, rewards={"reward-1": "A lamp"})
        made = promise(rewards, "reward-1", 1, Provision.PRODUCT, DAYS, "creator-1", at)
        await unit.plans.save(made.plan)

    await service.units.run(plan)
    midnight = datetime(2026, 7, 31, 22, 0, tzinfo=UTC)
    service.clock.advance(seconds=(midnight - service.clock.now()).total_seconds() - 1)
    with pytest.raises(Refused, match="promised for 2026-08-01"):
        await opens(service, LATE)
    service.clock.advance(seconds=1)
    claim = await opens(service, LATE)
    assert (claim.subject.reward_id, claim.subject.batch) == ("reward-1", "1")


def test_of_several_batches_the_last_day_counts_and_none_is_named() -> None:
    """Nobody is told that a reward is late whose own batch may be the later one."""
    plan = DeliveryPlan("campaign-1", "Europe/Paris", {"reward-1": "A lamp"})
    later = {step: day + timedelta(days=30) for step, day in DAYS.items()}
    for batch, days in ((1, later), (2, DAYS)):
        kind = Provision.PRODUCT
        plan = promise(plan, "reward-1", batch, kind, days, "creator-1", NOW).plan
    found = delivery_of(plan, "reward-1")
    assert found.promised_at is not None and found.promised_at.date() == date(2026, 8, 31)
    assert found.batch is None
    for nothing in (delivery_of(plan, "reward-2"), delivery_of(plan, None), delivery_of(None, "x")):
        assert nothing == Delivery()
