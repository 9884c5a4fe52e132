"""Money for claims: compensations by campaign and by platform (row 20), and parts of pledges."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from payouts.consumer import CLAIMS_GROUP, subscriptions
from payouts.domain.acts import ActKind, OtherMeans, PaymentMethod
from payouts.domain.book import Outcome
from payouts.domain.claim_money import ClaimMoney, refunded_of
from payouts.domain.errors import Refused
from payouts.domain.ledger import Account
from payouts.domain.postings import Payer
from payouts.domain.refund import Refund, RefundKind, RefundState, request
from payouts.domain.refund_request import Wanted
from payouts.domain.refund_window import RefundWindows
from payouts.handlers.check_books import check_whole
from payouts.handlers.claim_links import issue_claim_link
from payouts.handlers.claim_money import ask_claim_money
from payouts.handlers.claimable import tell_paid_otherwise, try_refund_again
from payouts.handlers.funds import NEW_PAGES_MAX, PAGE
from payouts.handlers.refund_requests import Person
from payouts.ports.unit import PayoutsUnit
from payouts.sweeps.books import CheckBooks
from payouts.sweeps.refunds import UnblockRefunds
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.metrics import AS_OF_WAITING, AS_OF_WAITING_OLDEST
from servicekit.mongo import Database
from servicekit.ordering import Incoming
from services.payouts.tests.builders import CEILINGS, NOW, some_money
from services.payouts.tests.conftest import CAMPAIGN, Payouts, memory_payouts, mongo_payouts
from services.payouts.tests.test_disputes import LOST, WON, decided, opened
from services.payouts.tests.test_later_stages import CREATOR, first_paid
from services.payouts.tests.test_reconciliation import compared
from services.payouts.tests.test_staff_refunds import (
    all_stages_paid,
    approved,
    asked,
    balance,
    cancelled,
    current,
    staff,
)
from sosst_contracts.codec import Draft
from sosst_contracts.testing import sample
from sosst_contracts.updates import ClaimMoneyRequested

BY_CAMPAIGN = ClaimMoney(
    "claim-1", "pledge-1", RefundKind.COMPENSATION, 1_000, Payer.CAMPAIGN, "a scratch"
)
BY_PLATFORM = replace(BY_CAMPAIGN, claim_id="claim-2", payer=Payer.PLATFORM)
PART = replace(BY_CAMPAIGN, claim_id="claim-3", kind=RefundKind.REFUND)
FACT = ClaimMoneyRequested


async def claim_given(payouts: Payouts, wanted: ClaimMoney, by: Person | None = None) -> Refund:
    now, who = payouts.clock.now(), by or staff(1)
    return await payouts.units.run(
        lambda unit: ask_claim_money(unit, CAMPAIGN, wanted, who, CEILINGS, now)
    )


async def reason_of(attempt: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.reason


async def told(payouts: Payouts, *facts: ClaimMoneyRequested, first: int = 1) -> None:
    """Hear whose campaign it is and these facts of the claims' topic, and do what they ask for."""
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    await claims_heard(payouts, *facts, first=first)


async def claims_heard(payouts: Payouts, *facts: ClaimMoneyRequested, first: int = 1) -> None:
    read = subscriptions(payouts.clock, RefundWindows())
    (claims,) = [one for one in read if one.group == CLAIMS_GROUP]
    reader = BatchConsumer(claims, payouts.units, payouts.clock, Pulse("claims"))
    now = payouts.clock.now()
    records = [Draft(fact, now).seal(first + n) for n, fact in enumerate(facts)]
    await reader.process([Incoming(record, 0, n) for n, record in enumerate(records)])
    await payouts.turn()


def fact(**changes: object) -> ClaimMoneyRequested:
    known = {
        "campaign_id": CAMPAIGN,
        "amount": 1_000,
        "currency": "EUR",
        "payer": "campaign",
        "kind": "compensation",
        "decided_by": CREATOR,
        "pledges_sequence": 2,
        "reason": "quality",
    }
    return sample(FACT, **(known | changes))


async def the_answers(payouts: Payouts) -> list[tuple[str, str | None]]:
    """Return each end of a claim's money that was published, with its reason."""
    ends = [
        *await payouts.published("refund-succeeded"),
        *await payouts.published("refund-paid-otherwise"),
        *await payouts.published("refund-refused"),
    ]
    return [(event.name, getattr(event, "reason", None)) for event in ends]


@pytest.mark.row("S12")
async def test_a_compensation_of_the_campaign_goes_the_way_the_pledge_came(
    payouts: Payouts,
) -> None:
    """Row 20 out of what is held: the backer gets it once, the creator's last stage has less."""
    await first_paid(payouts)
    refund = await claim_given(payouts, BY_CAMPAIGN)
    assert refund.state is RefundState.REQUESTED and not refund.beyond
    assert await balance(payouts, Account.BACKER_FUNDS) == 8_000 - 1_000
    await claim_given(payouts, BY_CAMPAIGN)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    (end,) = await payouts.published("refund-succeeded")
    assert end.model_dump()["kind"] == "compensation"
    assert not end.model_dump()["fully_refunded"]
    await payouts.assert_books_true()


async def test_the_platforms_own_money_needs_two_people_and_takes_nothing_of_the_campaign(
    payouts: Payouts,
) -> None:
    """Row 20 from `compensation_costs`: until the second person nothing moves."""
    await first_paid(payouts)
    refund = await claim_given(payouts, BY_PLATFORM)
    await payouts.work_off()
    assert payouts.provider.refunded == {}
    assert await reason_of(approved(payouts, refund, staff(1))) == "same-person"
    assert await reason_of(approved(payouts, refund, Person(CREATOR, CREATOR))) == "creator-decides"
    backer = Person("backer-1", CREATOR)
    assert await reason_of(approved(payouts, refund, backer)) == "backer-decides"
    await approved(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    assert await balance(payouts, Account.BACKER_FUNDS) == 8_000
    assert await balance(payouts, Account.COMPENSATION_COSTS) == 1_000
    await payouts.assert_books_true()


@pytest.mark.parametrize("payer", list(Payer))
async def test_beyond_the_pledge_it_is_claimable_and_never_sent(
    payouts: Payouts, payer: Payer
) -> None:
    """Nobody tries it again by the card; two people pay it by other means, and the books close."""
    await first_paid(payouts)
    await approved(payouts, await claim_given(payouts, replace(PART, amount=4_500)))
    await payouts.work_off()
    refund = await claim_given(payouts, replace(BY_CAMPAIGN, payer=payer))
    if payer is Payer.PLATFORM:
        refund = await approved(payouts, refund)
    assert refund.state is RefundState.CLAIMABLE and refund.beyond
    assert refund.remind_at is not None
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 4_500}
    await payouts.assert_books_true()
    now = payouts.clock.now()
    again = payouts.units.run(
        lambda unit: try_refund_again(unit, CAMPAIGN, refund.refund_id, 0, "backer-1", now)
    )
    assert await reason_of(again) == "beyond-pledge"
    for number in (3, 4):
        means = OtherMeans(PaymentMethod.BANK_TRANSFER, "a" * 64, "", f"staff-{number}", now)
        who = staff(number)
        await payouts.units.run(
            lambda unit, means=means, who=who: tell_paid_otherwise(  # type: ignore[misc]
                unit, CAMPAIGN, refund.refund_id, means, who, now
            )
        )
    assert await balance(payouts, Account.CLAIMABLE) == 0
    assert await balance(payouts, Account.BACKER_FUNDS) == 3_500 - refund.from_campaign
    await payouts.assert_books_true()


async def test_a_part_of_a_pledge_for_a_claim_needs_two_people(payouts: Payouts) -> None:
    """It is a refund as any other that staff ask for: kind, approval, cash."""
    await first_paid(payouts)
    refund = await claim_given(payouts, PART)
    assert refund.state is RefundState.AWAITING_APPROVAL
    await approved(payouts, refund)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    (end,) = await payouts.published("refund-succeeded")
    assert end.model_dump()["kind"] == "refund"
    await payouts.assert_books_true()


@pytest.mark.parametrize("cash_left", [False, True])
async def test_nothing_is_given_on_top_of_a_full_refund(payouts: Payouts, cash_left: bool) -> None:
    """Who gets all of the pledge back is owed no reward, from when it is owed and not only sent."""
    await first_paid(payouts)
    whole = replace(PART, amount=5_000)
    await approved(payouts, await claim_given(payouts, whole))
    if cash_left:
        await payouts.work_off()
    assert await reason_of(claim_given(payouts, BY_CAMPAIGN)) == "fully-returned"
    assert await reason_of(claim_given(payouts, BY_PLATFORM)) == "fully-returned"
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    await payouts.assert_books_true()


async def test_what_was_given_beside_a_pledge_is_none_of_it_back() -> None:
    """A part and a compensation that come to the pledge together leave its backer the reward."""
    payouts = memory_payouts()
    await first_paid(payouts)
    await approved(payouts, await claim_given(payouts, replace(PART, amount=4_000)))
    await claim_given(payouts, BY_CAMPAIGN)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000}
    more = await claim_given(payouts, replace(BY_CAMPAIGN, claim_id="more"), staff(2))
    assert more.beyond
    await payouts.assert_books_true()


def test_a_full_refund_that_waits_for_its_money_is_owed_all_the_same() -> None:
    """It holds nothing while it is blocked; what is given beside it would be given on top."""
    money = some_money()
    refund = replace(request(money, "asked", NOW).refund, state=RefundState.BLOCKED)
    assert refunded_of(money, []) == 0
    assert refunded_of(money, [refund]) == money.amount


async def test_nothing_is_given_for_a_withdrawn_pledge() -> None:
    """Its backer left before the verdict and is owed no reward."""
    payouts = memory_payouts()
    await payouts.collect(1, 2, 3)
    await payouts.withdraw(3, 4)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, sequence=4)
    of_withdrawn = replace(BY_CAMPAIGN, pledge_id="pledge-3")
    assert await reason_of(claim_given(payouts, of_withdrawn)) == "fully-returned"


async def test_each_ceiling_refuses_with_its_reason(payouts: Payouts) -> None:
    """Of one pledge, of one person in thirty days; later the person may give again."""
    await first_paid(payouts, amount=50_000)
    big = replace(BY_CAMPAIGN, amount=15_000)
    await claim_given(payouts, big)
    more = replace(big, claim_id="more", pledge_id="pledge-2", amount=5_001)
    assert await reason_of(claim_given(payouts, more)) == "above-person-ceiling"
    await claim_given(payouts, more, staff(2))
    of_pledge = replace(big, claim_id="same", amount=20_000)
    await claim_given(payouts, replace(of_pledge, claim_id="third"), staff(3))
    assert await reason_of(claim_given(payouts, of_pledge, staff(4))) == "above-pledge-ceiling"
    later = replace(more, claim_id="later")
    payouts.clock.advance(seconds=30 * 86_400 - 1)
    assert await reason_of(claim_given(payouts, later)) == "above-person-ceiling"
    payouts.clock.advance(seconds=2)
    await claim_given(payouts, later)
    await payouts.assert_books_true()


async def test_two_at_once_do_not_pass_one_ceiling_together(payouts: Payouts) -> None:
    """Both looked before either was saved: one of them looks again and is refused."""
    await first_paid(payouts, amount=50_000)
    each = replace(BY_CAMPAIGN, amount=15_000)
    answers = await asyncio.gather(
        claim_given(payouts, each),
        claim_given(payouts, replace(each, claim_id="other", pledge_id="pledge-2")),
        return_exceptions=True,
    )
    assert [a.reason for a in answers if isinstance(a, Refused)] == ["above-person-ceiling"]
    assert await balance(payouts, Account.BACKER_FUNDS) == 80_000 - 15_000
    await payouts.assert_books_true()


async def test_two_requests_at_once_do_not_pass_one_ceiling_together(database: Database) -> None:
    """What waits for a second person counts from the start, also for who looked before."""
    payouts = mongo_payouts(database)
    await first_paid(payouts, amount=50_000)
    each = replace(BY_PLATFORM, amount=15_000)
    other = replace(each, claim_id="other", pledge_id="pledge-2")
    now, asked_meanwhile = payouts.clock.now(), False

    async def ask_after_looking(unit: PayoutsUnit) -> Refund:
        nonlocal asked_meanwhile
        await unit.books.load([CAMPAIGN])
        if not asked_meanwhile:
            asked_meanwhile = True
            await claim_given(payouts, each)
        return await ask_claim_money(unit, CAMPAIGN, other, staff(1), CEILINGS, now)

    assert await reason_of(payouts.units.run(ask_after_looking)) == "above-person-ceiling"
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 10)) == 1


async def test_at_the_approval_who_asked_is_measured_too(payouts: Payouts) -> None:
    """The ceiling may be lower by then: a second person lifts nobody above it."""
    await first_paid(payouts, amount=50_000)
    each = replace(BY_PLATFORM, amount=15_000)
    other = replace(each, claim_id="other", pledge_id="pledge-2")
    now, high = payouts.clock.now(), replace(CEILINGS, person_amount=30_000)
    refunds = [
        await payouts.units.run(
            lambda unit, one=one: ask_claim_money(  # type: ignore[misc]
                unit, CAMPAIGN, one, staff(1), high, now
            )
        )
        for one in (each, other)
    ]
    above = await approved(payouts, refunds[0], staff(2))
    assert (above.state, above.reason) == (RefundState.REFUSED, "above-person-ceiling")
    assert (await approved(payouts, refunds[1], staff(3))).state is RefundState.REQUESTED
    await payouts.assert_books_true()


async def test_who_issues_a_link_for_it_has_given_nothing(payouts: Payouts) -> None:
    """Only who asked or approved is measured: helping a backer to the money uses no ceiling."""
    await first_paid(payouts, amount=50_000)
    payouts.provider.faults["create_refund"] = ["decline"] * 9
    refund = await claim_given(payouts, replace(BY_CAMPAIGN, amount=15_000))
    await payouts.work_off(2)
    now = payouts.clock.now()
    await payouts.units.run(
        lambda unit: issue_claim_link(unit, CAMPAIGN, refund.refund_id, 1, "staff-2", now)
    )
    assert ActKind.LINK_ISSUED in [act.kind for act in (await current(payouts, refund)).acts]
    other = replace(BY_CAMPAIGN, claim_id="other", pledge_id="pledge-2", amount=15_000)
    await claim_given(payouts, other, staff(2))
    more = replace(other, claim_id="more", amount=5_001)
    assert await reason_of(claim_given(payouts, more, staff(1))) == "above-person-ceiling"


async def test_what_cannot_be_given_is_refused_with_its_reason(payouts: Payouts) -> None:
    """Each rule has its own word, and nothing of it is kept."""
    await payouts.collect(1, 2)
    assert await reason_of(claim_given(payouts, BY_CAMPAIGN)) == "no-met-goal"
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    stranger = replace(BY_CAMPAIGN, pledge_id="pledge-9")
    assert await reason_of(claim_given(payouts, stranger)) == "pledge-unknown"
    creator = Person(CREATOR, CREATOR)
    assert await reason_of(claim_given(payouts, BY_CAMPAIGN, creator)) == "creator-decides"
    backer = Person("backer-1", CREATOR)
    assert await reason_of(claim_given(payouts, BY_CAMPAIGN, backer)) == "backer-decides"
    platform_refund = replace(PART, payer=Payer.PLATFORM)
    assert await reason_of(claim_given(payouts, platform_refund)) == "payer-impossible"
    assert await reason_of(claim_given(payouts, replace(PART, amount=5_001))) == "not-returnable"
    assert await reason_of(claim_given(payouts, replace(BY_CAMPAIGN, amount=0))) == "nothing-asked"
    await claim_given(payouts, BY_CAMPAIGN)
    assert await reason_of(claim_given(payouts, replace(BY_CAMPAIGN, amount=2))) == "request-known"
    await opened(payouts, 2, 5_000)
    of_disputed = replace(BY_CAMPAIGN, claim_id="disputed", pledge_id="pledge-2")
    assert await reason_of(claim_given(payouts, of_disputed)) == "disputed"
    assert len(await payouts.queries.refunds(CAMPAIGN, "", 10)) == 1


async def test_after_the_last_stage_the_campaign_holds_nothing_to_compensate_with(
    payouts: Payouts,
) -> None:
    """The platform may still pay; the creator owes nothing for that."""
    await all_stages_paid(payouts)
    assert await reason_of(claim_given(payouts, BY_CAMPAIGN)) == "above-campaign-funds"
    await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    assert await balance(payouts, Account.CREATOR_RECEIVABLE) == 0
    await payouts.assert_books_true()


async def test_the_platform_pays_only_what_it_has_there(payouts: Payouts) -> None:
    """R2: the float must cover it; the approval says what is missing and may come again."""
    await first_paid(payouts)
    refund = await claim_given(payouts, BY_PLATFORM)
    payouts.provider.cash = await balance(payouts, Account.PROVIDER_BALANCE) + 400
    payouts.clock.advance(seconds=2)
    assert await reason_of(approved(payouts.crashed(), refund)) == "top-up-needed"
    assert (await current(payouts, refund)).state is RefundState.AWAITING_APPROVAL


@pytest.mark.parametrize("payer", list(Payer))
async def test_taken_back_unsent_it_is_its_payers_again(payouts: Payouts, payer: Payer) -> None:
    """Row 20 undone entry by entry."""
    await first_paid(payouts)
    before = await payouts.queries.book(CAMPAIGN)
    refund = await claim_given(payouts, replace(BY_CAMPAIGN, payer=payer))
    if payer is Payer.PLATFORM:
        refund = await approved(payouts, refund)
    await cancelled(payouts, refund)
    await payouts.work_off()
    after = await payouts.queries.book(CAMPAIGN)
    assert before is not None and after is not None
    assert {a: n for a, n in after.balances.items() if n} == {
        a: n for a, n in before.balances.items() if n
    }
    assert payouts.provider.refunded == {}
    await payouts.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.parametrize("payer", list(Payer))
@pytest.mark.parametrize("verdict", [WON, LOST])
async def test_a_chargeback_meets_an_unsent_compensation(
    payouts: Payouts, payer: Payer, verdict: object
) -> None:
    """It waits for the bank, whoever pays; won, it goes; lost, the bank has paid its backer."""
    await first_paid(payouts)
    await payouts.brake.stop(CAMPAIGN, "staff-9", "a look")
    refund = await claim_given(payouts, replace(BY_CAMPAIGN, payer=payer))
    if payer is Payer.PLATFORM:
        refund = await approved(payouts, refund)
    dispute = await opened(payouts)
    assert (await current(payouts, refund)).state is RefundState.BLOCKED
    await payouts.assert_books_true()
    payouts.brake.pulled.clear()
    await decided(payouts, dispute, verdict)  # type: ignore[arg-type]
    await UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)(payouts.clock.now())
    await payouts.work_off()
    ended = (await current(payouts, refund)).state
    assert ended is (RefundState.SUCCEEDED if verdict is WON else RefundState.CANCELLED)
    assert payouts.provider.refunded == ({"ch_1": 1_000} if verdict is WON else {})
    await payouts.assert_books_true()


@pytest.mark.trap(3)
async def test_after_a_won_chargeback_the_platform_gives_only_what_it_has_there(
    payouts: Payouts,
) -> None:
    """R2: its compensation stays blocked until the top-up, and is counted as given then."""
    await first_paid(payouts)
    await payouts.brake.stop(CAMPAIGN, "staff-9", "a look")
    refund = await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    dispute = await opened(payouts)
    payouts.brake.pulled.clear()
    await decided(payouts, dispute, WON)
    own = payouts.provider.cash - await balance(payouts, Account.PROVIDER_BALANCE)
    payouts.provider.put_in(999 - own)
    sweep = UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)
    for _ in range(2):
        await sweep(payouts.clock.now())
        waits = await current(payouts, refund)
        assert (waits.state, waits.reason) == (RefundState.BLOCKED, "top-up-needed")
    payouts.provider.put_in(1)
    before = await payouts.stages.funds.read_to_lend("EUR")
    await sweep(payouts.clock.now())
    after = await payouts.stages.funds.read_to_lend("EUR")
    assert before is not None and after is not None and after.lendings > before.lendings
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    await payouts.assert_books_true()


async def test_while_more_is_new_at_the_provider_than_is_compared_nothing_is_lent() -> None:
    """2 000 movements behind, a blocked refund says what it waits for, and goes on by itself."""
    payouts = memory_payouts()
    await first_paid(payouts)
    await payouts.brake.stop(CAMPAIGN, "staff-9", "a look")
    refund = await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    dispute = await opened(payouts)
    payouts.brake.pulled.clear()
    await decided(payouts, dispute, WON)
    for number in range(NEW_PAGES_MAX * PAGE):
        payouts.provider.list_movement(f"txn_own_{number}", "", "topup", f"tu_{number}", 1)
    sweep = UnblockRefunds(payouts.units, payouts.queries, payouts.stages.funds)
    await sweep(payouts.clock.now())
    waits = await current(payouts, refund)
    assert (waits.state, waits.reason) == (RefundState.BLOCKED, "balance-unknown")
    other = await claim_given(payouts, replace(BY_PLATFORM, claim_id="claim-3"))
    assert await reason_of(approved(payouts, other)) == "balance-unknown"
    await compared(payouts)
    await sweep(payouts.clock.now())
    goes_on = await current(payouts, refund)
    assert (goes_on.state, goes_on.reason) == (RefundState.REQUESTED, None)
    await approved(payouts, other)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_000}
    await payouts.assert_books_true()


@pytest.mark.trap(3)
@pytest.mark.parametrize("payer", list(Payer))
@pytest.mark.parametrize("verdict", [WON, LOST])
async def test_a_chargeback_after_a_compensation_is_the_platforms_risk(
    payouts: Payouts, payer: Payer, verdict: object
) -> None:
    """What left twice is over; no other backer's money pays for it."""
    await first_paid(payouts)
    refund = await claim_given(payouts, replace(BY_CAMPAIGN, payer=payer))
    if payer is Payer.PLATFORM:
        await approved(payouts, refund)
    await payouts.work_off()
    dispute = await opened(payouts)
    await payouts.assert_books_true()
    await decided(payouts, dispute, verdict)  # type: ignore[arg-type]
    await payouts.assert_books_true()


async def test_the_claims_fact_and_the_command_are_one(payouts: Payouts) -> None:
    """Whichever comes first, the other one finds it; money leaves once."""
    await first_paid(payouts)
    wanted = replace(BY_CAMPAIGN, claim_id="claim-1")
    await claim_given(payouts, wanted)
    await told(payouts, fact(claim_id="claim-1"), fact(claim_id="claim-2"))
    await claim_given(payouts, replace(wanted, claim_id="claim-2"))
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 2_000}
    assert await the_answers(payouts) == [("refund-succeeded", None)] * 2
    await payouts.assert_books_true()


async def test_each_request_of_a_claim_has_one_terminal_answer(payouts: Payouts) -> None:
    """Given, refused with a reason, or expired: by facts, and a repeated request adds none."""
    await first_paid(payouts)
    requests = [
        fact(claim_id="given"),
        fact(claim_id="unknown", pledge_id="pledge-9", backer_id="backer-9"),
        fact(claim_id="anothers", backer_id="backer-2"),
        fact(claim_id="too-much", amount=5_000),
        fact(claim_id="creators-word", payer="platform"),
        fact(claim_id="waits", payer="platform", decided_by="staff-1"),
    ]
    await told(payouts, *requests, *requests)
    await payouts.work_off()
    assert sorted(await the_answers(payouts), key=str) == [
        ("refund-refused", "above-pledge-ceiling"),
        ("refund-refused", "creator-decides"),
        ("refund-refused", "pledge-differs"),
        ("refund-refused", "pledge-unknown"),
        ("refund-succeeded", None),
    ]
    waiting = [r.cause for r in await payouts.queries.refunds(CAMPAIGN, "", 10) if r.acts]
    assert "claim-money-requested/waits" in waiting
    await payouts.assert_books_true()


async def test_a_creators_own_word_gives_a_part_of_a_pledge(payouts: Payouts) -> None:
    """Of what the campaign holds, without staff; staff's word about it waits for a second one."""
    await first_paid(payouts)
    await told(
        payouts,
        fact(claim_id="creator", kind="refund"),
        fact(claim_id="staff", kind="refund", decided_by="staff-1"),
    )
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    states = sorted(r.state.value for r in await payouts.queries.refunds(CAMPAIGN, "", 10))
    assert states == ["awaiting_approval", "succeeded"]


async def test_a_claim_waits_until_our_view_is_that_of_who_decided() -> None:
    """As of N: before we have heard its pledges nothing is refused, afterwards it is given."""
    payouts = memory_payouts()
    await told(payouts, fact(claim_id="early"))
    assert await payouts.queries.refunds(CAMPAIGN, "", 10) == []
    await first_paid(payouts)
    payouts.clock.advance(seconds=120)
    await payouts.turn()
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}


async def test_a_claim_waits_for_the_verdict_and_for_whose_campaign_it_is() -> None:
    """All pledges are here, but the other topic is read later: nothing is refused for good."""
    payouts = memory_payouts()
    await payouts.collect(1, 2)
    await claims_heard(payouts, fact(claim_id="early", kind="refund"))
    assert await payouts.queries.refunds(CAMPAIGN, "", 10) == []
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    payouts.clock.advance(seconds=120)
    await payouts.turn()
    # Nobody knows yet that it is the creator who says so.
    assert await payouts.queries.refunds(CAMPAIGN, "", 10) == []
    await payouts.units.run(lambda unit: unit.creators.add({CAMPAIGN: CREATOR}))
    payouts.clock.advance(seconds=120)
    await payouts.turn()
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 1_000}
    assert await payouts.published("refund-refused") == []


async def test_a_claim_whose_pledges_never_come_is_alarmed(payouts: Payouts) -> None:
    """It waits as long as it takes, and is measured since when, until it is answered."""
    check = CheckBooks(payouts.queries, payouts.checks)
    await first_paid(payouts)
    heard = payouts.clock.now()
    await told(payouts, fact(claim_id="behind", pledges_sequence=3))
    payouts.clock.advance(seconds=600)
    await payouts.turn()
    await check(payouts.clock.now())
    assert AS_OF_WAITING._value.get() == 1
    assert AS_OF_WAITING_OLDEST._value.get() == heard.timestamp()
    await payouts.collect(3, counted=False)
    payouts.clock.advance(seconds=60)
    await payouts.turn()
    await check(payouts.clock.now())
    assert AS_OF_WAITING._value.get() == AS_OF_WAITING_OLDEST._value.get() == 0


async def test_a_claim_that_asks_for_something_else_is_for_a_person() -> None:
    """What was given stands; the second wish is not given and does not wait for ever."""
    payouts = memory_payouts()
    await first_paid(payouts)
    await told(payouts, fact(claim_id="claim-1"), fact(claim_id="claim-1", amount=900))
    payouts.clock.advance(seconds=60)
    await payouts.work_off()
    await told(payouts, fact(claim_id="claim-1", amount=900), first=3)
    assert payouts.provider.refunded == {"ch_1": 1_000}
    assert (await payouts.work.backlog("claim")).items == 0


async def test_the_check_sees_another_payer_than_the_books(payouts: Payouts) -> None:
    """I6: a compensation that a document says the other one paid does not add up."""
    await first_paid(payouts)
    refund = await claim_given(payouts, BY_CAMPAIGN)
    await payouts.assert_books_true()
    edited = replace(refund, payer=Payer.PLATFORM, version=1)
    await payouts.units.run(lambda unit: unit.refunds.save([edited]))
    book = await payouts.queries.book(CAMPAIGN)
    assert book is not None
    found = await check_whole(payouts.queries, payouts.checks, book, payouts.clock.now())
    assert {one.invariant.value for one in found} == {"I6"}


async def test_what_the_platform_gave_by_the_payment_no_pledge_can_claim_any_more(
    payouts: Payouts,
) -> None:
    """It stays in a cancelled campaign: every backer has everything back (decision 0021)."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await told(payouts)
    await approved(payouts, await claim_given(payouts, BY_PLATFORM))
    await payouts.work_off()
    await payouts.hear_cancellation(2)
    await payouts.work_off()
    assert payouts.provider.refunded == {"ch_1": 5_000, "ch_2": 5_000}
    assert await balance(payouts, Account.BACKER_FUNDS) == 1_000
    assert await balance(payouts, Account.COMPENSATION_COSTS) == 1_000
    for number in (1, 2):
        wanted = Wanted(f"request-{number}", f"pledge-{number}", 1, "what is left")
        assert await reason_of(asked(payouts, wanted)) == "not-returnable"
    await payouts.assert_books_true()
