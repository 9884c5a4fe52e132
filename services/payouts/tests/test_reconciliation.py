"""Provider and books, held against each other both ways: what one side lacks is a break."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import Caller
from infra.servicekit.tests.costs import cost_of
from payouts.adapters.mongo_stores import STAGES
from payouts.commands import perform_reconcile
from payouts.domain.book import Outcome
from payouts.domain.dispute import ProviderDisputeStatus as Status
from payouts.domain.errors import Refused
from payouts.domain.gate import Actor, LineState, closed
from payouts.domain.payout_attempt import AttemptState
from payouts.domain.reconciliation import (
    BookedCash,
    Break,
    Movement,
    Saying,
    Shortfall,
    Verdict,
    compare,
    say,
    shortfall,
    suspense,
)
from payouts.domain.stage import Stage, StageState
from payouts.handlers.funds import FundsReader
from payouts.handlers.reconcile import reconcile, unexplained_total
from payouts.sweeps.cash import PROVIDER_TOTAL, Reconcile
from payouts.sweeps.queues import MeasureFunds
from servicekit import metrics as kit
from servicekit.errors import Conflict, DependencyAway
from servicekit.mongo import Database
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import Payouts, memory_payouts, mongo_payouts
from services.payouts.tests.test_http import api_of, problem
from services.payouts.tests.test_later_stages import the

PATIENCE = timedelta(minutes=10)
FLOAT = 1_000_000


async def a_life(payouts: Payouts) -> None:
    """A float, three pledges, one of them withdrawn and returned, a stage paid to a bank."""
    payouts.provider.list_movement("txn_float", "", "topup", "tu_1", FLOAT)
    await payouts.collect(1, 2, 3)
    await payouts.withdraw(3, 4)
    await payouts.hear_verdict(Outcome.GOAL_MET, 2, sequence=4)
    await payouts.give_destination()
    await payouts.live(600)


async def compared(payouts: Payouts) -> tuple[Break, ...]:
    """Let everything become old enough, compare it all, and return what is open."""
    payouts.clock.advance(seconds=PATIENCE.total_seconds())
    store, provider = payouts.reconciliation, payouts.provider
    for _ in range(40):
        accounts = await store.accounts()
        turn = await reconcile(store, provider, PATIENCE, payouts.clock.now(), accounts)
        if turn.caught_up:
            return turn.open
    raise AssertionError("it never came to the end")


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"sosst_payouts_{name}", labels)


def names(breaks: tuple[Break, ...]) -> list[str]:
    return [one.break_id for one in breaks]


@pytest.mark.trap(15)
async def test_a_whole_life_leaves_no_difference(payouts: Payouts) -> None:
    """Charges with their fees, a refund, both legs of a stage, and a top-up that no book has."""
    await a_life(payouts)
    assert await compared(payouts) == ()
    listed = {one.id for one in payouts.provider.statement}
    assert (await payouts.reconciliation.movements(listed)).keys() == listed
    assert {one.type for one in payouts.provider.statement} == {
        "topup",
        "charge",
        "refund",
        "transfer",
        "payout",
    }


async def test_chargebacks_leave_no_difference(payouts: Payouts) -> None:
    """With their fees: one that is lost, one that is won, and one of more than its pledge."""
    await payouts.collect(1, 2, 3)
    provider = payouts.provider
    lost, won = provider.dispute("ch_1", 5_000, 2_000), provider.dispute("ch_2", 5_000, 2_000)
    provider.dispute("ch_3", 5_600, 2_000)
    for name, status in ((lost, Status.LOST), (won, Status.WON), (None, None)):
        for _ in range(3):
            await payouts.turn()
            payouts.clock.advance(seconds=30)
        if name and status:
            provider.move_dispute(name, status)
    assert await compared(payouts) == ()
    types = [one.type for one in provider.statement if one.type.startswith("dispute")]
    assert sorted(types) == ["dispute", "dispute", "dispute", "dispute_reversal"]
    await payouts.assert_books_true()


async def test_what_is_young_is_not_compared(payouts: Payouts) -> None:
    """The other side may still be on its way, in either direction."""
    payouts.provider.list_movement("txn_new", "", "charge", "ch_new", 500, 10)
    await payouts.collect(1)
    turn = await reconcile(
        payouts.reconciliation, payouts.provider, PATIENCE, payouts.clock.now(), []
    )
    assert turn.caught_up and turn.open == ()
    assert names(await compared(payouts)) == ["unbooked:txn_new"]


async def test_a_young_movement_is_not_passed_by_an_old_one_behind_it(payouts: Payouts) -> None:
    """The provider's clock may jump: its list goes by order, and nothing in it is left out."""
    payouts.provider.list_movement("txn_a", "", "charge", "ch_a", 1)
    payouts.provider.list_movement("txn_b", "", "charge", "ch_b", 2)
    statement = payouts.provider.statement
    statement[0] = replace(statement[0], created_at=payouts.clock.now() + 2 * PATIENCE)
    assert await compared(payouts) == ()
    payouts.clock.advance(seconds=2 * PATIENCE.total_seconds())
    assert names(await compared(payouts)) == ["unbooked:txn_a", "unbooked:txn_b"]


async def test_cash_in_no_book_waits_in_suspense_until_it_is_booked(payouts: Payouts) -> None:
    """With its age; the pledge that is heard late ends it."""
    payouts.provider.list_movement("txn_2", "", "charge", "ch_2", 5_000, 30)
    (found,) = await compared(payouts)
    assert (found.break_id, found.amount, found.first_seen_at) == (
        "unbooked:txn_2",
        5_000,
        payouts.clock.now(),
    )
    assert suspense([found]) == {("", "EUR"): 5_000}
    await payouts.collect(2)
    payouts.provider.statement.pop()
    assert await compared(payouts) == ()
    (over,) = await payouts.reconciliation.breaks("", 10, open_only=False)
    assert (over.gone_because, over.gone_at) == ("followed", payouts.clock.now())


async def test_an_entry_without_cash_is_a_break_until_the_provider_lists_it(
    payouts: Payouts,
) -> None:
    """The book says that money came, and the provider never heard of it."""
    await payouts.collect(1, 2)
    hidden = payouts.provider.statement.pop()
    (found,) = await compared(payouts)
    assert (found.break_id, found.campaign_id, found.amount) == (
        "not_at_provider:txn_2",
        "campaign-1",
        -4_970,
    )
    assert suspense([found]) == {}
    payouts.provider.statement.append(hidden)
    assert await compared(payouts) == ()


@pytest.mark.row("S9")
async def test_a_stage_whose_cash_only_the_book_has_says_so_and_is_not_tried(
    payouts: Payouts,
) -> None:
    """Others' money lies there and would pay for it: nothing leaves until the provider lists it."""
    await payouts.collect(1, 2)
    hidden = payouts.provider.statement.pop()
    found_at = payouts.clock.now() + PATIENCE
    assert names(await compared(payouts)) == ["not_at_provider:txn_2"]
    await payouts.hear_verdict(Outcome.GOAL_MET, 2)
    await payouts.give_destination()
    await payouts.live(600)
    _, lines = await payouts.stages.explain("campaign-1", 1)
    (shut,) = closed(lines)
    assert (shut.name, shut.state, shut.who) == ("booked_cash", LineState.BLOCKED, Actor.STAFF)
    assert (shut.since, "4970" in shut.why) == (found_at, True)
    assert payouts.provider.transfers == {}
    payouts.provider.statement.append(hidden)
    assert await compared(payouts) == ()
    await payouts.live(600)
    assert (await payouts.queries.stages("campaign-1"))[0].state is StageState.PAID
    assert len(payouts.provider.transfers) == 1


async def short(payouts: Payouts) -> Shortfall | None:
    return shortfall(await payouts.units.run(lambda unit: unit.breaks.open_of("campaign-1")))


async def test_what_two_people_let_be_shuts_no_gate(payouts: Payouts) -> None:
    """A movement that no book has is no campaign's shortfall; a smaller one than booked is."""
    payouts.provider.list_movement("txn_own", "", "adjustment", "ad_1", -700)
    await payouts.collect(1)
    statement = payouts.provider.statement
    statement[-1] = replace(statement[-1], amount=4_000)
    await compared(payouts)
    assert await short(payouts) == Shortfall(1_000, payouts.clock.now())
    for name in ("staff-1", "staff-2"):
        said = Saying(Verdict.LET_BE, "a fee of theirs", name, payouts.clock.now())
        await payouts.say_of_break("other_amount:txn_1", said)
    assert await short(payouts) is None


async def test_another_amount_and_another_fee_are_breaks(payouts: Payouts) -> None:
    """The same balance transaction on both sides is not enough."""
    await payouts.collect(1, 2, 3)
    statement = payouts.provider.statement
    statement[0] = replace(statement[0], amount=5_001)
    statement[1] = replace(statement[1], fee=29)
    statement[2] = replace(statement[2], currency="USD")
    found = await compared(payouts)
    assert [(one.break_id, one.amount) for one in found] == [
        ("other_amount:txn_1", 1),
        ("other_amount:txn_2", 1),
        ("other_amount:txn_3", 0),
    ]
    assert "the provider says 5001 EUR" in found[0].detail


async def test_every_leg_of_every_account_is_compared(payouts: Payouts) -> None:
    """A payout that left a creator's account without our knowing is found on that account."""
    await a_life(payouts)
    payouts.provider.list_movement("txn_theirs", "acct_1", "payout", "po_theirs", -700)
    (found,) = await compared(payouts)
    assert (found.break_id, found.account, found.amount) == ("unbooked:txn_theirs", "acct_1", -700)


async def test_an_account_is_read_when_a_block_has_cash_of_it(payouts: Payouts) -> None:
    """There may be many accounts: those that our books moved are read first."""
    await a_life(payouts)
    payouts.clock.advance(seconds=PATIENCE.total_seconds())
    store, provider, now = payouts.reconciliation, payouts.provider, payouts.clock.now()
    while not (turn := await reconcile(store, provider, PATIENCE, now, [])).caught_up:
        pass
    assert turn.open == () and await store.accounts() == ["acct_1"]
    assert await store.cursor("acct_1") == "txn_po_0"
    assert await store.accounts(["nobody's"]) == []


async def test_no_answer_is_no_difference(payouts: Payouts) -> None:
    """While the provider is away, no entry is said to be missing there."""
    await payouts.collect(1)
    payouts.clock.advance(seconds=3_600)

    async def away(account: str, cursor: str | None) -> None:
        return None

    payouts.provider.movements_of = away  # type: ignore[method-assign, assignment]
    now = payouts.clock.now()
    turn = await reconcile(payouts.reconciliation, payouts.provider, PATIENCE, now, [])
    assert not turn.answered and turn.open == ()
    with pytest.raises(DependencyAway):
        await perform_reconcile(payouts.reconciliation, payouts.provider, PATIENCE, now)


def a_break(by: str | None = None, verdict: Verdict = Verdict.LET_BE) -> Break:
    movement = Movement("txn_9", "", "adjustment", "adj_9", -40, 0, "EUR", NOW)
    found = compare(movement, None, NOW)
    assert found is not None
    return found if by is None else say(found, a_saying(by, verdict))


def a_saying(by: str, verdict: Verdict = Verdict.LET_BE, campaign: str = "campaign-1") -> Saying:
    of = campaign if verdict is Verdict.ASSIGN else None
    return Saying(verdict, "a fee of the scheme", by, NOW, of)


def test_two_people_end_a_break() -> None:
    """One proposes, another one says the same; whoever says something else begins anew."""
    proposed = a_break("staff-1")
    assert proposed.gone_at is None and proposed.proposed == a_saying("staff-1")
    assert say(proposed, a_saying("staff-1")) == proposed
    other = say(proposed, a_saying("staff-2", Verdict.ASSIGN))
    assert other.gone_at is None and other.proposed == a_saying("staff-2", Verdict.ASSIGN)
    elsewhere = say(other, a_saying("staff-1", Verdict.ASSIGN, "campaign-2"))
    assert elsewhere.gone_at is None
    ended = say(other, a_saying("staff-1", Verdict.ASSIGN))
    assert (ended.gone_because, ended.campaign_id) == ("assign", "campaign-1")
    assert say(ended, a_saying("staff-1", Verdict.ASSIGN)) == ended
    assert suspense([ended]) == {} and suspense([proposed]) == {("", "EUR"): -40}
    with pytest.raises(Refused, match="is over"):
        say(ended, a_saying("staff-3"))
    with pytest.raises(Refused, match="names a campaign"):
        say(a_break(), replace(a_saying("staff-1"), campaign_id="campaign-1"))


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_whom_a_campaign_concerns_says_nothing_of_its_cash(
    payouts: Payouts, verdict: Verdict
) -> None:
    """Where the break names it, and where somebody wants to assign it to their own campaign."""
    await payouts.units.run(lambda unit: unit.creators.add({"campaign-1": "creator-1"}))
    await payouts.collect(1)
    statement = payouts.provider.statement
    statement[-1] = replace(statement[-1], amount=4_000)
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    await compared(payouts)
    whose = ["other_amount:txn_1"] + (["unbooked:txn_9"] if verdict is Verdict.ASSIGN else [])
    for name in whose:
        for by, reason in (("creator-1", "creator-approves"), ("backer-1", "backer-approves")):
            with pytest.raises(Refused) as refused:
                await payouts.say_of_break(name, a_saying(by, verdict))
            assert refused.value.reason == reason
    for by in ("creator-1", "backer-1"):
        # Nobody's cash that nobody assigns to a campaign concerns no one.
        said = await payouts.say_of_break("unbooked:txn_9", a_saying(by))
    assert said.is_let_be


async def test_two_who_speak_at_once_are_not_one(payouts: Payouts) -> None:
    """The later save meets the earlier one, and reads it again."""
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    (found,) = await compared(payouts)
    store = payouts.reconciliation
    first = await payouts.say_of_break(found.break_id, a_saying("staff-1"))
    with pytest.raises(Conflict):
        await store.save_break(replace(found, proposed=a_saying("staff-2")))
    assert await store.break_(found.break_id) == first
    await payouts.say_of_break(found.break_id, a_saying("staff-2"))
    assert await compared(payouts) == ()
    with pytest.raises(Refused, match="there is no break"):
        await payouts.say_of_break("unbooked:nobody", a_saying("staff-1"))


async def test_a_break_is_found_once(payouts: Payouts) -> None:
    """Reading the list again from its beginning brings nothing back that people settled."""
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    (found,) = await compared(payouts)
    for by in ("staff-1", "staff-2"):
        await payouts.say_of_break(found.break_id, a_saying(by))
    await payouts.reconciliation.open_breaks([found])
    assert await payouts.reconciliation.breaks("", 10, open_only=True) == []


def test_entries_of_a_transfer_stand_at_both_places() -> None:
    """What leaves the platform arrives with the creator; each list shows its own side."""
    booked = BookedCash("txn_t", "campaign-1", "EUR", at_platform=-70, at_creator=70, fee=0)
    out = Movement("txn_t", "", "transfer", "tr_1", -70, 0, "EUR", NOW)
    assert compare(out, booked, NOW) is None
    assert compare(replace(out, account="acct_1", type="payment"), None, NOW) is None
    assert compare(replace(out, account="acct_1", type="payout"), None, NOW) is not None
    assert compare(replace(out, amount=70), booked, NOW) is not None


async def test_the_balance_must_be_the_sum_of_its_list(payouts: Payouts) -> None:
    """I3: what the provider has and never listed is counted as a violation and named."""
    await a_life(payouts)
    sweep = Reconcile(payouts.reconciliation, payouts.provider, PATIENCE)

    async def violations() -> float:
        payouts.clock.advance(seconds=PATIENCE.total_seconds())
        for _ in range(4):
            # It rests behind a small portion, though there may be more of the other side.
            await sweep(payouts.clock.now())
        return float(kit.INVARIANT_VIOLATIONS.labels(PROVIDER_TOTAL)._value.get())

    assert await violations() == 0
    store, provider = payouts.reconciliation, payouts.provider
    provider.list_movement("txn_young", "", "topup", "tu_2", 300)
    provider.cash += 300
    assert await unexplained_total(store, provider, "EUR") == 0
    provider.cash -= 25
    assert await unexplained_total(store, provider, "EUR") == -25
    assert await violations() == 1
    provider.cash += 25
    assert await violations() == 0


async def test_metrics_say_kind_age_and_suspense(payouts: Payouts) -> None:
    """And fall when the break is over."""
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    sweep = Reconcile(payouts.reconciliation, payouts.provider, PATIENCE)
    payouts.clock.advance(seconds=PATIENCE.total_seconds())
    await sweep(payouts.clock.now())
    assert value("reconciliation_breaks", kind="unbooked") == 1
    assert value("suspense_minor_units", currency="EUR") == -40
    oldest = value("reconciliation_break_oldest_timestamp_seconds")
    assert oldest == payouts.clock.now().timestamp()
    for by in ("staff-1", "staff-2"):
        await payouts.say_of_break("unbooked:txn_9", a_saying(by))
    await sweep(payouts.clock.now())
    assert value("reconciliation_breaks", kind="unbooked") == 0
    assert value("suspense_minor_units", currency="EUR") == 0
    assert value("reconciliation_break_oldest_timestamp_seconds") == 0


async def test_the_top_up_is_named(payouts: Payouts) -> None:
    """What waits for funds and is not covered, in minor units; 0 once it is there."""
    await payouts.collect(1, 2)
    await payouts.hear_verdict(Outcome.GOAL_MISSED, 2)
    payouts.provider.cash = 1_000
    for _ in range(3):
        await payouts.turn()
    measure = MeasureFunds(
        payouts.queries, FundsReader(payouts.provider, payouts.queries, payouts.reconciliation)
    )
    await measure(payouts.clock.now())
    assert value("top_up_minor_units", currency="EUR") == 10_000 - 1_000
    payouts.provider.cash = 10_000
    fresh = MeasureFunds(
        payouts.queries, FundsReader(payouts.provider, payouts.queries, payouts.reconciliation)
    )
    await fresh(payouts.clock.now())
    assert value("top_up_minor_units", currency="EUR") == 0


async def test_the_command_prints_what_is_open(
    payouts: Payouts, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and a line for nothing, 1 and a line each with whose, how much, since when, and why."""

    async def perform() -> tuple[int, str]:
        payouts.clock.advance(seconds=PATIENCE.total_seconds())
        now = payouts.clock.now()
        code = await perform_reconcile(payouts.reconciliation, payouts.provider, PATIENCE, now)
        return code, capsys.readouterr().out

    await payouts.collect(1)
    assert await perform() == (0, "0 open breaks, 2 movements and blocks compared now\n")
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    code, printed = await perform()
    assert code == 1
    assert "unbooked:txn_9: -40 EUR since 2026-03-01T12:20:00+00:00: adjustment of adj_9" in printed
    assert "suspense of the platform: -40 EUR\n1 open breaks, 1 movements" in printed


STAFF, OTHER = (Caller(name, ("staff",)) for name in ("staff-1", "staff-2"))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    payouts = memory_payouts()
    payouts.provider.list_movement("txn_9", "", "adjustment", "adj_9", -40)
    await compared(payouts)
    api = api_of(payouts)
    install_problems(api)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        yield client


async def test_staff_read_and_end_breaks_over_http(client: httpx.AsyncClient) -> None:
    """Two of them; what is over is listed where it is asked for."""
    at, body = "/reconciliation/breaks", {"verdict": "let_be", "reason": "a fee of the scheme"}
    listed = (await client.get(at, headers=bearer(STAFF))).json()
    assert [(one["break_id"], one["age_seconds"]) for one in listed["items"]] == [
        ("unbooked:txn_9", 0)
    ]
    path = f"{at}/unbooked:txn_9/resolution"
    for caller in (STAFF, STAFF, OTHER, OTHER):
        answer = await client.post(path, json=body, headers=bearer(caller))
        assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["proposed"]["by"], said["confirmed"]["by"]) == ("staff-1", "staff-2")
    assert (await client.get(at, headers=bearer(STAFF))).json()["items"] == []
    everything = await client.get(at, params={"all": True}, headers=bearer(STAFF))
    assert [one["gone_because"] for one in everything.json()["items"]] == ["let_be"]
    over = await client.post(path, json=body | {"reason": "no"}, headers=bearer(STAFF))
    assert problem(over) == (409, "break-over")


@pytest.mark.parametrize(
    ("break_id", "body", "answer"),
    [
        ("unbooked:nobody", {"verdict": "let_be", "reason": "x"}, (404, "break-unknown")),
        ("unbooked:txn_9", {"verdict": "assign", "reason": "x"}, (422, "invalid-request")),
        ("unbooked:txn_9", {"verdict": "let_be", "reason": " "}, (422, "invalid-request")),
    ],
)
async def test_bad_words_are_refused(
    client: httpx.AsyncClient, break_id: str, body: dict[str, str], answer: tuple[int, str]
) -> None:
    """Each with a problem that says why."""
    path = f"/reconciliation/breaks/{break_id}/resolution"
    assert problem(await client.post(path, json=body, headers=bearer(STAFF))) == answer


async def on_its_way(payouts: Payouts) -> Stage:
    """The first stage has left the creator's account there, and its bank takes its time."""
    payouts.provider.slow_bank = True
    await a_life(payouts)
    stage = await the(payouts, 1)
    assert stage.state is StageState.IN_TRANSIT
    return stage


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_payout_between_two_banks_is_no_break(payouts: Payouts, arrives: bool) -> None:
    """For days no book has it; nor has one what comes back before it arrived."""
    stage = await on_its_way(payouts)
    assert await compared(payouts) == ()
    payouts.clock.advance(days=2)
    (payouts.provider.arrive if arrives else payouts.provider.bounce)(stage)
    await payouts.live(3_600)
    ended = await the(payouts, 1)
    assert ended.attempts[0].state is (AttemptState.PAID if arrives else AttemptState.FAILED)
    assert await compared(payouts) == ()
    await payouts.assert_books_true()


async def test_a_payout_that_is_not_ours_is_a_break(payouts: Payouts) -> None:
    """Also beside one of ours: whose account it is may not send our money elsewhere."""
    stage = await on_its_way(payouts)
    account = stage.attempt.account
    payouts.provider.list_movement("txn_theirs", account, "payout", "po_theirs", -stage.sent)
    assert names(await compared(payouts)) == ["unbooked:txn_theirs"]


async def test_a_payout_of_another_amount_is_found_once_it_is_booked(payouts: Payouts) -> None:
    """It was listed before its entry: whichever comes second, both are compared."""
    stage = await on_its_way(payouts)
    listed = payouts.provider.statement
    (place,) = [n for n, one in enumerate(listed) if one.type == "payout"]
    listed[place] = replace(listed[place], amount=1 - stage.sent)
    assert await compared(payouts) == ()
    payouts.provider.arrive(stage)
    await payouts.live(3_600)
    assert names(await compared(payouts)) == [f"other_amount:{listed[place].id}"]


async def test_whose_a_payout_or_a_transfer_is_is_read_by_its_index(database: Database) -> None:
    """However many stages there are: reconciliation and a recovery read the one."""
    payouts = mongo_payouts(database)
    stage = await on_its_way(payouts)
    others = [
        STAGES.document(
            f"other-{number}",
            replace(
                stage,
                campaign_id=f"campaign-{number}",
                attempts=(
                    replace(
                        stage.attempt,
                        payout_id=f"po_other_{number}",
                        transfer_id=f"tr_other_{number}",
                    ),
                ),
            ),
        )
        for number in range(2, 60)
    ]
    await database.collection("stages").insert_many(others)
    payout, transfer = stage.attempt.payout_id, stage.attempt.transfer_id
    assert payout is not None and transfer is not None

    async def ask_for_the_payout() -> None:
        assert await payouts.reconciliation.unbooked_payouts([payout, "po_none"]) == {payout}

    async def ask_for_the_transfer() -> None:
        assert await payouts.queries.transfers_known([transfer, "tr_none"]) == {transfer}

    for ask in (ask_for_the_payout, ask_for_the_transfer):
        cost = await cost_of(database, ask, "stages")
        assert (cost.documents, cost.scanned) == (1, False), ask
