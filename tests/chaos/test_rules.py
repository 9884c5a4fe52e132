"""Each rule of the checker finds its offender, and nothing in a world in which all is well.

The world is small and made by hand: one missed campaign whose money went back, one met campaign
whose first stage is paid, everybody told. Each test spoils one thing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from payouts.domain.book import Book, Outcome, Verdict
from payouts.domain.ledger import EMPTY, Account
from payouts.domain.refund import Refund, RefundState, refund_id_of
from payouts.domain.stage import Stage, StageState
from sosst_contracts.event import Event
from sosst_contracts.funding import PledgeCollected, Terms, VerdictReached
from sosst_contracts.payouts import RefundSucceeded
from sosst_contracts.updates import UpdatePublished, UpdateText
from tests.chaos import rules
from tests.chaos.evidence import Evidence, Group
from tests.chaos.findings import Finding
from tests.chaos.history import History
from tests.chaos.plan import Channel, PlannedCampaign
from tests.chaos.played import Played, play

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLEDGES, TOPUP, FEE = 3, 10_000, 59
SHARES = (2000, 3000, 5000)
READER = Group("updates", "updates-funding-pledges", PledgeCollected.topic)


def planned(name: str, *, reachable: bool) -> PlannedCampaign:
    return PlannedCampaign(name, 0.0, 5.0, PLEDGES, 0, reachable, Channel.TOPIC, (), (), ())


@dataclass
class SmallWorld:
    """Everything the rules look at."""

    provider: dict[str, Any]
    evidence: Evidence = field(default_factory=Evidence)
    history: History = field(default_factory=History)
    played: list[Played] = field(default_factory=list)

    def always(self) -> list[str]:
        return _rules(
            rules.books_are_true(self.evidence),
            rules.nobody_gets_more(self.provider, self.played),
            rules.no_fact_is_lost(self.evidence, self.history),
            rules.done_means_told(self.evidence, self.history),
            rules.one_verdict_everywhere(self.evidence, self.history),
            rules.views_invent_nothing(self.evidence, self.played),
        )

    def at_the_end(self) -> list[str]:
        return _rules(
            rules.everything_is_decided(self.history, self.played),
            rules.missed_goals_are_returned(
                self.provider, self.evidence, self.history, self.played
            ),
            rules.met_goals_are_paid(self.provider, self.evidence, self.history, self.played),
            rules.everybody_is_told_once(self.evidence, self.history, self.played),
            rules.nothing_is_left(self.evidence, self.history),
            rules.money_is_all_there(self.provider, self.evidence, self.played),
            rules.views_show_the_end(self.provider, self.evidence, self.played),
        )

    def charge(self, campaign_id: str) -> dict[str, Any]:
        """Return some charge of a campaign."""
        charges = self.provider["charges"].values()
        return next(c for c in charges if c["metadata"]["campaign_id"] == campaign_id)


def _rules(*findings: Iterable[Finding]) -> list[str]:
    return sorted({found.rule for some in findings for found in some})


@pytest.fixture
def world() -> SmallWorld:
    """All is well."""
    missed, met = play(planned("missed", reachable=False)), play(planned("met", reachable=True))
    met.account, met.published = "acct_met", ["u"]
    small = SmallWorld({"accounts": {}, "charges": {}}, played=[missed, met])
    for one in small.played:
        _pledge(small, one)
    _return_all(small, missed)
    _pay(small, met)
    _settle_the_platform(small)
    _read_all(small)
    return small


def _pledge(small: SmallWorld, one: Played) -> None:
    facts = small.history.facts[PledgeCollected.topic, one.campaign_id]
    for row in one.rows:
        charge_id = f"ch_{row.pledge_id}"
        metadata = {"campaign_id": one.campaign_id, "pledge_id": row.pledge_id}
        small.provider["charges"][charge_id] = {
            "amount": row.amount,
            "refunded": 0,
            "refunds": {},
            "metadata": metadata,
        }
        facts.append(
            PledgeCollected(
                campaign_id=one.campaign_id,
                pledge_id=row.pledge_id,
                backer_id=row.backer_id,
                amount=row.amount,
                currency="EUR",
                provider="sandbox",
                payment_reference=charge_id,
                provider_fee=FEE,
                balance_transaction=f"txn_{row.pledge_id}",
                captured_at=NOW,
                standing="counted",
            )
        )
    _decide(small, one)
    _tell(small, f"verdict-reached/{one.campaign_id}", {row.backer_id for row in one.rows})
    figures = {"raised": one.total, "collected": one.total, "pledges": len(one.rows)}
    small.evidence.projects[one.campaign_id] = {
        "figures": figures | {"refunded": 0, "paid": 0, "fees": 0, "charged_back": 0, "refunds": 0}
    }


def _decide(small: SmallWorld, one: Played) -> None:
    outcome = "goal_met" if one.planned.reachable else "goal_missed"
    verdict = VerdictReached(
        campaign_id=one.campaign_id,
        creator_id="creator-1",
        title="A lamp",
        verdict=outcome,
        goal=one.goal,
        collected=one.total,
        currency="EUR",
        count=len(one.rows),
        pledges_sequence=len(one.rows),
        terms=Terms(
            stage_shares_basis_points=list(SHARES),
            platform_fee_basis_points=500,
            processing_fee_basis_points=290,
            processing_fee_fixed=30,
            tax_basis_points=0,
            settle_seconds=1,
            pending_window_seconds=3600,
        ),
        late_by_seconds=0,
        reached_at=NOW,
    )
    small.history.facts[VerdictReached.topic, one.campaign_id].append(verdict)
    small.evidence.verdicts[one.campaign_id] = {
        "outcome": outcome,
        "collected": one.total,
        "count": len(one.rows),
        "pledges_sequence": len(one.rows),
    }
    held = 0 if outcome == "goal_missed" else one.total
    balances = {**EMPTY, Account.PROVIDER_BALANCE: held, Account.BACKER_FUNDS: held}
    heard = Verdict(Outcome(outcome), one.total, len(one.rows), len(one.rows), SHARES, NOW)
    small.evidence.books[one.campaign_id] = Book(
        one.campaign_id, "EUR", balances=balances, verdict=heard
    )


def _return_all(small: SmallWorld, one: Played) -> None:
    cause = f"verdict-reached/{one.campaign_id}"
    for row in one.rows:
        charge = small.provider["charges"][f"ch_{row.pledge_id}"]
        charge |= {"refunded": row.amount, "refunds": {"succeeded": 1}}
        refund_id = refund_id_of(row.pledge_id, cause)
        small.evidence.refunds.setdefault(one.campaign_id, []).append(
            Refund(
                refund_id=refund_id,
                campaign_id=one.campaign_id,
                pledge_id=row.pledge_id,
                backer_id=row.backer_id,
                amount=row.amount,
                currency="EUR",
                provider="sandbox",
                payment_reference=f"ch_{row.pledge_id}",
                cause=cause,
                state=RefundState.SUCCEEDED,
                created_at=NOW,
            )
        )
        fact = RefundSucceeded(
            campaign_id=one.campaign_id,
            refund_id=refund_id,
            kind="refund",
            pledge_id=row.pledge_id,
            backer_id=row.backer_id,
            amount=row.amount,
            currency="EUR",
            cause=cause,
            fully_refunded=True,
            method="original_payment",
            succeeded_at=NOW,
        )
        small.history.facts[RefundSucceeded.topic, one.campaign_id].append(fact)
        _tell(small, f"refund-succeeded/{refund_id}", {row.backer_id}, campaign_wide=False)
    figures = small.evidence.projects[one.campaign_id]["figures"]
    figures |= {"refunded": one.total, "refunds": len(one.rows)}


def _pay(small: SmallWorld, one: Played) -> None:
    due = one.total * SHARES[0] // 10_000
    small.provider["accounts"][one.account] = {
        "eur": {
            "by_type": {
                "payment": {"count": 1, "amount": due},
                "payout": {"count": 1, "amount": -due},
            }
        }
    }
    small.evidence.stages[one.campaign_id] = [
        Stage(
            campaign_id=one.campaign_id,
            number=1,
            kind="first",  # type: ignore[arg-type]
            currency="EUR",
            share_basis_points=SHARES[0],
            planned_amount=due,
            state=StageState.PAID,
        )
    ]
    book = small.evidence.books[one.campaign_id]
    left = one.total - due
    balances = {**book.balances, Account.PROVIDER_BALANCE: left, Account.BACKER_FUNDS: left}
    small.evidence.books[one.campaign_id] = replace(book, balances=balances)
    small.evidence.projects[one.campaign_id]["figures"]["paid"] = due
    update = UpdatePublished(
        campaign_id=one.campaign_id,
        update_id="u",
        author_id="creator-1",
        kind="progress_report",
        visibility="public",
        texts=[UpdateText(language="en", title="Moulds")],
        url="/u",
        pledges_sequence=len(one.rows),
        audience_count=len(one.rows),
        published_at=NOW,
    )
    small.history.facts[UpdatePublished.topic, one.campaign_id].append(update)
    _tell(small, f"update-published/{one.campaign_id}:u", {row.backer_id for row in one.rows})


def _tell(
    small: SmallWorld, cause: str, people: Iterable[str], *, campaign_wide: bool = True
) -> None:
    wanted = set(people)
    small.evidence.chunks[cause] = wanted
    for person in wanted:
        small.history.told[cause][person].add(f"id of {person}")
    if campaign_wide:
        row = {
            "campaign_id": cause.partition("/")[2].partition(":")[0],
            "state": "completed",
            "audience": len(wanted),
            "pledges_sequence": len(wanted),
            "caused_at": NOW,
        }
        small.evidence.causes[cause] = row


def _settle_the_platform(small: SmallWorld) -> None:
    fees = FEE * len(small.provider["charges"])
    held = sum(b.balances[Account.PROVIDER_BALANCE] for b in small.evidence.books.values())
    topups = {"topup": {"count": 1, "amount": TOPUP}}
    platform = {"net": TOPUP + held - fees, "fees": fees, "by_type": topups}
    small.provider["accounts"][rules.PLATFORM] = {"eur": platform}


def _read_all(small: SmallWorld) -> None:
    facts = small.history.facts
    small.evidence.waiting = {"funding": set()}
    small.evidence.sequences = {"funding": {stream: len(said) for stream, said in facts.items()}}
    pledges = {key: len(said) for (topic, key), said in facts.items() if topic == READER.topic}
    small.evidence.positions = {READER: pledges}


def last_fact(small: SmallWorld, kind: type[Event], campaign_id: str) -> Any:
    return small.history.facts[kind.topic, campaign_id][-1]


def test_nothing_is_found_where_all_is_well(world: SmallWorld) -> None:
    """The rules are silent, so that what the other tests hear comes from what they spoilt."""
    assert world.always() == [] and world.at_the_end() == []


def test_a_book_that_does_not_balance(world: SmallWorld) -> None:
    """I1 and I2 are looked at by the checker, not only by the service."""
    book = world.evidence.books["met"]
    world.evidence.books["met"] = replace(book, balances={**book.balances, Account.CLAIMABLE: 1})
    assert world.always() == ["book"]


def test_a_chain_that_does_not_fold(world: SmallWorld) -> None:
    """I4: what the chain's own verification finds is passed on."""
    world.evidence.broken_chains["met"] = ["block 2 is missing"]
    assert world.always() == ["chain"]


def test_a_charge_that_is_returned_twice(world: SmallWorld) -> None:
    """Two refunds of one charge, whatever they add up to."""
    world.charge("missed")["refunds"] = {"succeeded": 2}
    assert world.always() == ["refunded-twice"]


def test_a_charge_that_gave_back_more_than_it_took(world: SmallWorld) -> None:
    """Cash above the pledge is found at once, also before the end."""
    world.charge("missed")["refunded"] += 1
    assert world.always() == ["refunded-twice"]


def test_a_stage_that_is_sent_twice(world: SmallWorld) -> None:
    """A second transfer to the creator of a first stage."""
    world.provider["accounts"]["acct_met"]["eur"]["by_type"]["payment"]["count"] = 2
    assert world.always() == ["paid-twice"]


def test_a_sweep_that_failed_is_named_with_its_process() -> None:
    """One that never failed is not; a process that says nothing of its sweeps is not well."""
    registry = CollectorRegistry()
    failures = Counter("sosst_sweep_failures", "Turns.", ["sweep"], registry=registry)
    failures.labels("settle").inc(3)
    failures.labels("errored")
    said = {"funding-1": generate_latest(registry).decode(), "updates-1": ""}
    assert [str(one) for one in rules.no_sweep_failed(said)] == [
        "sweep-failed: funding-1: settle failed 3 times",
        "unreadable: updates-1 says nothing of its sweeps",
    ]


def test_a_fact_that_is_neither_on_its_topic_nor_in_the_outbox(world: SmallWorld) -> None:
    """A sequence that was given out and is nowhere; in the outbox it is only on its way."""
    stream = (PledgeCollected.topic, "met")
    world.evidence.sequences["funding"][stream] += 1
    assert world.always() == ["fact-lost"]
    world.evidence.waiting["funding"] = {(stream, PLEDGES + 1)}
    assert world.always() == []
    assert world.at_the_end() == ["outbox"]


def test_a_chunk_that_is_done_before_it_is_told(world: SmallWorld) -> None:
    """notifier says that somebody was told of whom the topic knows nothing."""
    world.evidence.chunks["verdict-reached/met"] |= {"stranger"}
    assert world.always() == ["done-but-not-told"]


@pytest.mark.parametrize("side", ["database", "book"])
def test_a_verdict_that_is_another_one_elsewhere(world: SmallWorld, side: str) -> None:
    """Topic, funding's database and payouts' book are three sides of one verdict."""
    if side == "database":
        world.evidence.verdicts["met"]["collected"] += 1
    else:
        book = world.evidence.books["met"]
        assert book.verdict is not None
        world.evidence.books["met"] = replace(
            book, verdict=replace(book.verdict, outcome=Outcome.GOAL_MISSED)
        )
    assert world.always() == ["verdict-differs"]


def test_a_view_that_counted_twice(world: SmallWorld) -> None:
    """The project page shows more than anybody pledged."""
    figures = world.evidence.projects["met"]["figures"]
    figures["collected"] = figures["raised"] + 1
    assert world.always() == ["view-too-high"]


def test_a_campaign_without_a_verdict(world: SmallWorld) -> None:
    """Not decided is not final."""
    world.history.facts[VerdictReached.topic, "met"].clear()
    assert "not-decided" in world.at_the_end()


def test_a_verdict_that_does_not_follow_from_its_pledges(world: SmallWorld) -> None:
    """Goal met by what was counted, and missed by the verdict."""
    verdict = last_fact(world, VerdictReached, "met")
    facts = world.history.facts[VerdictReached.topic, "met"]
    facts[:] = [verdict.model_copy(update={"verdict": "goal_missed"})]
    assert "verdict-wrong" in world.at_the_end()


def test_a_pledge_that_got_lost(world: SmallWorld) -> None:
    """Charged at the provider and never collected by funding."""
    del world.history.facts[PledgeCollected.topic, "missed"][-1]
    assert "pledges-differ" in world.at_the_end()


def test_a_refund_that_is_missing_at_the_provider(world: SmallWorld) -> None:
    """One unit less than the pledge."""
    world.charge("missed")["refunded"] -= 1
    assert "refunds-differ" in world.at_the_end()


def test_a_refund_that_is_not_final_in_payouts(world: SmallWorld) -> None:
    """The provider has returned it and payouts does not know."""
    refunds = world.evidence.refunds["missed"]
    refunds[0] = replace(refunds[0], state=RefundState.UNKNOWN)
    assert world.at_the_end() == ["refunds-differ"]


def test_a_refund_of_a_goal_that_was_met(world: SmallWorld) -> None:
    """No backer of a met goal gets money back by itself."""
    world.charge("met")["refunded"] = 1
    assert "refunds-differ" in world.at_the_end()


def test_a_stage_that_did_not_reach_the_bank(world: SmallWorld) -> None:
    """Transferred and not paid out."""
    world.provider["accounts"]["acct_met"]["eur"]["by_type"]["payout"]["amount"] += 1
    assert world.at_the_end() == ["stage-differs"]


def test_a_stage_that_payouts_does_not_know_as_paid(world: SmallWorld) -> None:
    """The bank has it and the service is still waiting."""
    (stage,) = world.evidence.stages["met"]
    world.evidence.stages["met"] = [replace(stage, state=StageState.IN_TRANSIT)]
    assert world.at_the_end() == ["stage-differs"]


@pytest.mark.parametrize("cause", ["verdict-reached/missed", "update-published/met:u"])
def test_a_backer_who_is_not_told(world: SmallWorld, cause: str) -> None:
    """Set equality per cause: one missing person is found."""
    people = world.history.told[cause]
    del people[next(iter(people))]
    assert world.at_the_end() == ["told-differs"]


def test_a_stranger_who_is_told(world: SmallWorld) -> None:
    """Set equality per cause: one person too many is found, and so is a cause that nobody knows."""
    world.history.told["verdict-reached/missed"]["stranger"].add("id")
    assert world.at_the_end() == ["told-differs"]


def test_a_backer_who_was_heard_of_late(world: SmallWorld) -> None:
    """A pledge behind N that was paid before the cause is told of it too; left out, it is found."""
    late = replace_pledge(world, "missed", backer_id="late")
    world.history.facts[PledgeCollected.topic, "missed"].append(late)
    assert "told-differs" in world.at_the_end()
    world.history.told["verdict-reached/missed"]["late"].add("id")
    assert "told-differs" not in world.at_the_end()


def replace_pledge(world: SmallWorld, campaign_id: str, backer_id: str) -> PledgeCollected:
    """Return the campaign's last pledge as that of another backer."""
    last = world.history.facts[PledgeCollected.topic, campaign_id][-1]
    assert isinstance(last, PledgeCollected)
    return last.model_copy(update={"backer_id": backer_id})


def test_a_cause_that_nobody_knows(world: SmallWorld) -> None:
    """People are told of something that is on no topic."""
    world.history.told["update-published/met:another"]["ann"].add("id")
    assert world.at_the_end() == ["told-differs"]


def test_an_update_that_was_answered_and_never_published(world: SmallWorld) -> None:
    """The creator got a 200, and the topic knows nothing of it."""
    world.played[1].published.append("another")
    assert world.at_the_end() == ["not-published"]


def test_a_cause_that_is_not_complete(world: SmallWorld) -> None:
    """notifier's own account of a cause is part of the end."""
    world.evidence.causes["verdict-reached/met"]["state"] = "planned"
    assert world.at_the_end() == ["not-complete"]


def test_a_fact_that_stays_aside(world: SmallWorld) -> None:
    """Nothing may be waiting for a person."""
    world.evidence.set_aside["updates"] = ["funding.pledges met 3: gap"]
    assert world.at_the_end() == ["set-aside"]


def test_a_reader_that_is_behind(world: SmallWorld) -> None:
    """Every reader has applied every fact of every key."""
    world.evidence.positions[READER]["met"] -= 1
    assert world.at_the_end() == ["behind"]


@pytest.mark.parametrize("what", ["net", "book"])
def test_money_that_is_not_there(world: SmallWorld, what: str) -> None:
    """I3: the provider's total, the float and the books are one sum; each book is its cash."""
    if what == "net":
        world.provider["accounts"][rules.PLATFORM]["eur"]["net"] -= 1
    else:
        book = world.evidence.books["met"]
        balances = {account: max(0, n - 1) for account, n in book.balances.items()}
        world.evidence.books["met"] = replace(book, balances=balances)
    assert world.at_the_end() == ["I3"]


def test_a_float_below_zero(world: SmallWorld) -> None:
    """Fees that the platform's own money did not cover were paid by backers."""
    platform = world.provider["accounts"][rules.PLATFORM]["eur"]
    platform["by_type"]["topup"]["amount"] -= TOPUP
    platform["net"] -= TOPUP
    assert world.at_the_end() == ["I3"]


def test_a_view_that_misses_a_refund(world: SmallWorld) -> None:
    """The project page shows in the end what the provider did."""
    world.evidence.projects["missed"]["figures"]["refunded"] -= 1
    assert world.at_the_end() == ["view-differs"]
