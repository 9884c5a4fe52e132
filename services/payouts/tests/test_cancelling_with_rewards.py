"""A cancelled campaign some of whose rewards arrived: who has one, and no open claim, is out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import pytest

from payouts.domain.dispute import ProviderDisputeStatus
from payouts.domain.errors import Refused
from payouts.domain.refund import RefundState
from payouts.domain.refund_request import Wanted
from payouts.domain.shares import Entitlement
from payouts.handlers.refund_run import Progress, run_page
from payouts.handlers.work_kinds import DISPUTE, REFUND_RUN
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.refunds import ShareWhatCameBack
from payouts.wire import CLAIMS_TOPIC, DELIVERIES_TOPIC
from servicekit.work import Claim
from services.payouts.tests.builders import REWARD, a_pledge, divide
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts
from services.payouts.tests.test_brakes import hear
from services.payouts.tests.test_cancelling_after_verdict import (
    AFTER_TWO,
    EXAMPLE,
    TOTAL,
    held,
    paid,
)
from services.payouts.tests.test_cancelling_with_disputes import open_before_anything_is_sent
from services.payouts.tests.test_claim_money import fact as money_asked
from services.payouts.tests.test_claim_money import told as money_told
from services.payouts.tests.test_disputes import decided, refunds_of, the_dispute
from services.payouts.tests.test_publishing import ledger_of
from services.payouts.tests.test_recover import back_up, recover, restore, roll_forward, tables
from services.payouts.tests.test_staff_refunds import approved as approved_refund
from services.payouts.tests.test_staff_refunds import asked as asked_refund
from sosst_contracts import updates
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

LEFT = TOTAL - 3_666 - 5_499
PART = Wanted("part", "pledge-1", 700, "it never came")
ABOUT = {"campaign_id": CAMPAIGN, "reward_id": REWARD}


def delivery(state: str, *backers: int, reward: str = REWARD) -> updates.DeliveryChanged:
    moved = [{"backer_id": f"backer-{n}", "old": "preparing", "new": state} for n in backers]
    about = ABOUT | {"reward_id": reward}
    return sample(updates.DeliveryChanged, **about, state=state, changes=moved)


def claim_fact(kind: type[Event], pledge: int, claim: str = "claim-1") -> Event:
    about = {"claim_id": claim, "pledge_id": f"pledge-{pledge}", "backer_id": f"backer-{pledge}"}
    return sample(kind, **ABOUT, **about)


OPENED, ANSWERED, ESCALATED, ASKED, RESOLVED = (
    updates.ClaimOpened,
    updates.ClaimAnswered,
    updates.ClaimEscalated,
    updates.ClaimMoneyRequested,
    updates.ClaimResolved,
)


async def told(payouts: Payouts, *facts: Event) -> None:
    """Hear these facts, each behind those of its topic that were heard before."""
    for one in facts:
        heard = await payouts.units.run(lambda unit: unit.rewards.heard(CAMPAIGN))
        known = heard.claims if one.topic == CLAIMS_TOPIC else heard.deliveries
        await hear(payouts, one, first=known + 1, topic=one.topic)


def shares_of(left: int, *entitled: int) -> dict[str, int]:
    """Return what these pledges of the worked example get of what is left, by their payment."""
    claims = [Entitlement(f"ch_{number}", EXAMPLE[number]) for number in entitled]
    return {one.pledge_id: one.amount for one in divide(left, claims) if one.amount}


@dataclass
class NotYetRead:
    """A view that has read what was published once the test says so."""

    since: datetime | None = None
    asked: list[str] = field(default_factory=list)

    async def fresh_since(self, decision_id: str) -> datetime | None:
        self.asked.append(decision_id)
        return self.since


@pytest.mark.row("S9")
@pytest.mark.parametrize(
    ("heard", "entitled"),
    [
        ([delivery("delivered", 2)], (1, 3)),
        ([delivery("received", 1, 3)], (2,)),
        ([delivery("shipped", 1), delivery("partially_shipped", 2)], (1, 2, 3)),
        ([delivery("delivered", 2), delivery("returned", 2)], (1, 2, 3)),
        ([delivery("delivered", 2), delivery("shipped", 2)], (1, 2, 3)),
        ([delivery("received", 2), delivery("not_started", 2), delivery("received", 2)], (1, 3)),
        ([delivery("delivered", 2, reward="another")], (1, 2, 3)),
        ([delivery("delivered", 2), claim_fact(OPENED, 2)], (1, 2, 3)),
        ([claim_fact(OPENED, 2), delivery("delivered", 2)], (1, 2, 3)),
        ([delivery("delivered", 2), claim_fact(OPENED, 3)], (1, 3)),
        ([delivery("delivered", 2), claim_fact(ESCALATED, 2)], (1, 2, 3)),
        ([claim_fact(OPENED, 2), claim_fact(RESOLVED, 2), delivery("delivered", 2)], (1, 3)),
        ([claim_fact(RESOLVED, 2), claim_fact(ANSWERED, 2), delivery("delivered", 2)], (1, 3)),
        (
            [
                *(claim_fact(one, 2) for one in (OPENED, RESOLVED)),
                delivery("delivered", 2),
                claim_fact(OPENED, 2, "claim-2"),
            ],
            (1, 2, 3),
        ),
        (
            [
                claim_fact(OPENED, 2),
                claim_fact(ASKED, 2, "claim-1~2"),
                claim_fact(RESOLVED, 2),
                delivery("delivered", 2),
            ],
            (1, 3),
        ),
    ],
)
async def test_who_has_the_reward_and_no_open_claim_has_no_share(
    payouts: Payouts, heard: list[Event], entitled: tuple[int, ...]
) -> None:
    """Delivered or received, in whichever order the topics are read; a correction counts."""
    await paid(payouts, 2)
    await told(payouts, *heard)
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    shares = shares_of(LEFT, *entitled)
    assert payouts.provider.refunded == shares
    assert await held(payouts) == LEFT - sum(shares.values())
    if entitled == (1, 2, 3):
        assert shares == AFTER_TWO
    await payouts.assert_books_true()


async def test_every_pledge_for_the_reward_is_delivered_and_no_other(payouts: Payouts) -> None:
    """A reward goes to its backer once, whatever number of pledges it was chosen with."""
    other = {4: REWARD, 5: "another", 6: None}
    await paid(payouts, 2)
    more = {
        n: replace(a_pledge(n, 1_000, False), backer_id="backer-2", reward_id=reward)
        for n, reward in other.items()
    }
    payouts.capture(list(more.values()))
    await payouts.hear_collected(more)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(6)
    await payouts.work_off()
    claims = {1: EXAMPLE[1], 3: EXAMPLE[3], 5: 1_000, 6: 1_000}
    shares = divide(LEFT + 3_000, [Entitlement(f"ch_{n}", a) for n, a in claims.items()])
    assert payouts.provider.refunded == {one.pledge_id: one.amount for one in shares}
    await payouts.assert_books_true()


async def test_where_everybody_has_the_reward_nothing_is_divided(payouts: Payouts) -> None:
    """It stays for people: what opens later starts no run, two of the staff give what they find."""
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 1, 2, 3))
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert (payouts.provider.refunded, await held(payouts)) == ({}, LEFT)
    await payouts.turn()
    (end,) = [one.model_dump() for one in await payouts.published("refund-run-finished")]
    assert (end["cause"], end["outcomes"]) == (f"campaign-cancelled/{CAMPAIGN}", [])
    share = ShareWhatCameBack(payouts.units, payouts.queries)
    await told(payouts, claim_fact(OPENED, 1), delivery("preparing", 2))
    await share(payouts.clock.now())
    await payouts.work_off()
    assert (payouts.provider.refunded, await held(payouts)) == ({}, LEFT)
    about = {"pledge_id": "pledge-1", "backer_id": "backer-1", "claim_id": "claim-1"}
    await money_told(payouts, money_asked(**about, kind="refund", pledges_sequence=3), first=2)
    (refused,) = [one.model_dump() for one in await payouts.published("refund-refused")]
    assert refused["reason"] == "campaign-ended"
    await approved_refund(payouts, await asked_refund(payouts, PART))
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": PART.amount}
    assert await held(payouts) == LEFT - PART.amount
    await payouts.assert_books_true()


@pytest.mark.trap(2)
async def test_who_is_out_is_frozen_with_the_shares(payouts: Payouts) -> None:
    """What is heard between two pages, or before a later run, changes nobody's share."""
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 1))
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    step = partial(run_page, payouts.units, claim, payouts.rewards_read, payouts.clock.now(), 1)
    assert await step() is Progress.GOES_ON
    await told(payouts, delivery("shipped", 1), delivery("received", 2, 3), claim_fact(OPENED, 1))
    while await step() is Progress.GOES_ON:
        await told(payouts, delivery("delivered", 2), delivery("shipped", 2))
    await payouts.work_off()
    share = ShareWhatCameBack(payouts.units, payouts.queries)
    await share(payouts.clock.now())
    await payouts.work_off()
    shares = shares_of(LEFT, 2, 3)
    assert payouts.provider.refunded == shares == {"ch_2": EXAMPLE[2], "ch_3": EXAMPLE[3]}
    assert await held(payouts) == LEFT - EXAMPLE[2] - EXAMPLE[3]
    runs = {one.cause for one in await payouts.queries.refunds(CAMPAIGN, "", 10)}
    assert runs == {f"campaign-cancelled/{CAMPAIGN}"}
    await payouts.assert_books_true()


async def test_what_was_published_is_read_before_anybody_is_out(payouts: Payouts) -> None:
    """A claim that was opened before the end, and not read yet, is not overtaken by the shares."""
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 2))
    payouts.rewards_read = read = NotYetRead()
    await payouts.hear_cancellation(3)
    await payouts.work_off(hours=0.1)
    assert (payouts.provider.refunded, set(read.asked)) == ({}, {f"division/{CAMPAIGN}"})
    await told(payouts, claim_fact(OPENED, 2))
    read.since = payouts.clock.now()
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_TWO
    await payouts.assert_books_true()


async def test_a_fact_that_waits_for_one_before_it_is_waited_for(payouts: Payouts) -> None:
    """It was read, and says nothing yet: the position alone would hide that."""
    await paid(payouts, 2)
    await hear(payouts, claim_fact(OPENED, 2), first=2, topic=CLAIMS_TOPIC)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(3)
    await payouts.work_off(hours=0.1)
    assert payouts.provider.refunded == {}
    await hear(payouts, claim_fact(OPENED, 3, "claim-3"), first=1, topic=CLAIMS_TOPIC)
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_TWO


@pytest.mark.trap(23)
@pytest.mark.parametrize("when", ["before", "between"])
async def test_a_view_that_is_read_anew_gives_the_same_shares(when: str) -> None:
    """Thrown away with its rows, read from the beginning; a run that is under way waits for it."""
    payouts = memory_payouts()
    facts = [delivery("delivered", 1, 2), delivery("shipped", 1)]
    claims = [claim_fact(OPENED, 2), claim_fact(RESOLVED, 2), claim_fact(OPENED, 3, "claim-3")]
    await paid(payouts, 2)
    await told(payouts, *facts, *claims)
    if when == "between":
        await payouts.hear_cancellation(3)
        (claim,) = await payouts.claim(REFUND_RUN)
        now = payouts.clock.now()
        step = partial(run_page, payouts.units, claim, payouts.rewards_read, now, 1)
        assert [await step(), await step()] == [Progress.GOES_ON] * 2
    before = view_of(payouts)
    assert all(before.values())
    throw_away(payouts)
    if when == "between":
        assert await step() is Progress.WAITS
    for one in (*facts, *claims):
        await told(payouts, one)
    assert view_of(payouts) == before
    if when == "before":
        await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == shares_of(LEFT, 1, 3)


VIEW = ("reward_deliveries", "reward_claims")


def view_of(payouts: Payouts) -> Mapping[str, Mapping[object, object]]:
    return {name: dict(tables(payouts).table(name)) for name in VIEW}


def throw_away(payouts: Payouts) -> None:
    """Forget the view and the rows of its two groups, as its rebuilding begins."""
    for name in VIEW:
        tables(payouts).table(name).clear()
    streams = tables(payouts).table("streams")
    for row in [row for row in streams if {DELIVERIES_TOPIC, CLAIMS_TOPIC} & set(row)]:
        del streams[row]


@pytest.mark.trap(23)
@pytest.mark.parametrize("backup_at", ["paid", "cancelled", "frozen", "page"])
async def test_a_restored_payouts_gives_the_same_shares(backup_at: str) -> None:
    """What the ledger knows was given is a share, also where the reward came since."""
    payouts = memory_payouts()

    async def page() -> None:
        (claim,) = await payouts.claim(REFUND_RUN)
        run = partial(run_page, payouts.units, claim, payouts.rewards_read, payouts.clock.now())
        await run(1)
        await payouts.units.run(
            lambda unit: unit.plumbing.work.postpone(claim, payouts.clock.now())
        )

    steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("paid", partial(paid, payouts, 2)),
        ("told", partial(told, payouts, delivery("delivered", 2))),
        ("cancelled", partial(cancel, payouts)),
        ("frozen", page),
        ("page", page),
        ("done", payouts.work_off),
    ]
    backup = back_up(payouts)
    for name, step in steps:
        await step()
        if name == backup_at:
            backup = back_up(payouts)
    shares = shares_of(LEFT, 1, 3)
    assert payouts.provider.refunded == shares
    ledger, cash = await ledger_of(payouts), payouts.provider.cash
    again = restore(payouts, backup)
    await roll_forward(again, ledger)
    known = await again.units.run(lambda unit: unit.rewards.heard(CAMPAIGN))
    if not known.deliveries:
        await told(again, delivery("delivered", 2))
    await told(again, delivery("delivered", 1))
    await again.hear_cancellation(3)
    again.provider.cash = cash
    await recover(again)
    await again.work_off(hours=6)
    assert again.provider.refunded == shares
    assert [one.type for one in again.provider.movements] == ["transfer"] * 2 + ["refund"] * 2
    await again.assert_books_true()


async def cancel(payouts: Payouts) -> None:
    assert await payouts.hear_cancellation(3) == {}


async def assert_the_rest_is_shared(payouts: Payouts, claim: Claim) -> None:
    """The run that stood goes on to its end, and the others have all that is left."""
    await payouts.units.run(lambda unit: unit.plumbing.work.postpone(claim, payouts.clock.now()))
    await payouts.work_off()
    assert payouts.provider.refunded == shares_of(LEFT, 1, 3)
    await payouts.assert_books_true()


@pytest.mark.trap(3)
async def test_a_chargeback_of_who_has_the_reward_takes_nobody_elses_share(
    payouts: Payouts,
) -> None:
    """Its own page would have given it nothing, so while the run goes on nothing of it is there."""
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    now = payouts.clock.now()
    assert await run_page(payouts.units, claim, payouts.rewards_read, now, 1) is Progress.GOES_ON
    name = await open_before_anything_is_sent(payouts, 2, EXAMPLE[2])
    assert (await the_dispute(payouts, name)).reserved == 0
    payouts.provider.move_dispute(name, ProviderDisputeStatus.WON)
    await assert_the_rest_is_shared(payouts, claim)


@pytest.mark.trap(3)
async def test_a_chargeback_waits_for_a_view_that_is_read_anew() -> None:
    """Whose reward is not known for the moment would take of the others' shares."""
    payouts = memory_payouts()
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    now = payouts.clock.now()
    assert await run_page(payouts.units, claim, payouts.rewards_read, now, 1) is Progress.GOES_ON
    throw_away(payouts)
    name = await open_before_anything_is_sent(payouts, 2, EXAMPLE[2])
    asked = payouts.provider.asked_of_disputes
    for pause in (*[3_600] * 9, 5):
        assert (await the_dispute(payouts, name)).opened_at is None
        # What it says then changes nothing, however long that is.
        assert payouts.provider.asked_of_disputes == asked
        if pause == 5:
            # Before the run goes on, however long both have waited.
            await told(payouts, delivery("delivered", 2))
        payouts.clock.advance(seconds=pause)
        for work in await payouts.claim(DISPUTE):
            await payouts.disputes(work)
    opened = await the_dispute(payouts, name)
    assert opened.opened_at is not None and opened.reserved == 0
    payouts.provider.move_dispute(name, ProviderDisputeStatus.WON)
    await assert_the_rest_is_shared(payouts, claim)


@pytest.mark.trap(3)
async def test_a_chargeback_keeps_back_a_share_that_was_asked_for_whatever_is_read_anew() -> None:
    """What the run gave this pledge is known: no view has to say it, and its refund stays here."""
    payouts = memory_payouts()
    await paid(payouts, 2)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    now = payouts.clock.now()
    for _ in ("the division", "the page of the first pledge"):
        page = await run_page(payouts.units, claim, payouts.rewards_read, now, 1)
        assert page is Progress.GOES_ON
    throw_away(payouts)
    name = await open_before_anything_is_sent(payouts, 1, EXAMPLE[1])
    assert (await the_dispute(payouts, name)).opened_at is not None
    assert [one.state for one in await refunds_of(payouts, 1)] == [RefundState.BLOCKED]
    await payouts.work_off(0.2)
    assert payouts.provider.refunded == {}
    await told(payouts, delivery("delivered", 2))
    await decided(payouts, name, ProviderDisputeStatus.WON)
    await payouts.work_off()
    assert payouts.provider.refunded == shares_of(LEFT, 1, 3)
    await payouts.assert_books_true()


async def test_a_division_of_the_release_before_goes_on_as_it_was(payouts: Payouts) -> None:
    """It gave everybody a share: what rewards are known since takes none away."""
    await paid(payouts, 2)
    await payouts.hear_cancellation(3)
    (claim,) = await payouts.claim(REFUND_RUN)
    now = payouts.clock.now()
    assert await run_page(payouts.units, claim, payouts.rewards_read, now, 1) is Progress.GOES_ON

    async def as_before(unit: PayoutsUnit) -> None:
        book = (await unit.books.load([CAMPAIGN]))[CAMPAIGN]
        assert book.run is not None and book.run.as_of is not None
        await unit.books.save([replace(book, run=replace(book.run, as_of=None))])
        await unit.plumbing.work.postpone(claim, now)

    await payouts.units.run(as_before)
    await told(payouts, delivery("delivered", 2))
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_TWO


async def test_a_pledge_of_the_release_before_has_a_share(payouts: Payouts) -> None:
    """What it was given for was not kept: nobody is left out on a guess."""
    await paid(payouts, 2)

    async def as_before(unit: PayoutsUnit) -> None:
        money = await unit.pledges.load(["pledge-2"])
        await unit.pledges.save([replace(money["pledge-2"], reward_id=None)])

    await payouts.units.run(as_before)
    await told(payouts, delivery("delivered", 2))
    await payouts.hear_cancellation(3)
    await payouts.work_off()
    assert payouts.provider.refunded == AFTER_TWO
    with pytest.raises(Refused, match="cannot be returned"):
        await asked_refund(payouts, Wanted("all", "pledge-2", EXAMPLE[2], "twice"))
