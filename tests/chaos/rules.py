"""What must be true at every moment, and what must be true at the end. Pure; findings, not asserts.

The sides that are compared are written by different hands: the provider's book, the topics, the
databases, and the list of what was pledged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from payouts.domain.errors import InvariantBroken
from payouts.domain.ledger import Account, check
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState
from servicekit.mongo import Document
from sosst_contracts.funding import PledgeCollected, VerdictReached
from sosst_contracts.payouts import RefundFailed, RefundSucceeded, StagePaid
from sosst_contracts.updates import UpdatePublished
from tests.chaos.evidence import Evidence
from tests.chaos.findings import Finding
from tests.chaos.history import History
from tests.chaos.played import Played

Book = Mapping[str, Any]
CURRENCY = "eur"
PLATFORM = "acct_platform"


# --- at every moment ---------------------------------------------------------------------------


def books_are_true(evidence: Evidence) -> Iterator[Finding]:
    """I1 and I2 of every book; I4 and the chain of every book that moved."""
    for name, book in evidence.books.items():
        try:
            check(book.balances)
        except InvariantBroken as broken:
            yield Finding("book", f"{name}: {broken}")
    for name, findings in evidence.broken_chains.items():
        yield Finding("chain", f"{name}: {'; '.join(findings)}")


def nobody_gets_more(provider: Book, played: Iterable[Played]) -> Iterator[Finding]:
    """No charge is returned twice, no stage is sent twice, by the provider's own book."""
    for charge_id, charge in provider["charges"].items():
        made = charge["refunds"].get("succeeded", 0)
        if made > 1 or charge["refunded"] > charge["amount"]:
            name = charge["metadata"].get("pledge_id")
            yield Finding("refunded-twice", f"{charge_id} of {name}: {charge}")
    for one in played:
        transfers = _movement(provider, one.account, "payment")
        # Only first stages come due here: the money for one is all that may ever arrive.
        if transfers["count"] > 1:
            sent = f"{transfers['count']} transfers, {transfers['amount']}"
            yield Finding("paid-twice", f"{one.campaign_id}: {sent}")


def no_fact_is_lost(evidence: Evidence, history: History) -> Iterator[Finding]:
    """Every sequence that was given out stands on its topic or still in the outbox."""
    for service, sequences in evidence.sequences.items():
        waiting = evidence.waiting[service]
        for stream, last in sequences.items():
            lost = [
                number
                for number in range(1, last + 1)
                if not history.has(stream, number) and (stream, number) not in waiting
            ]
            if lost:
                yield Finding("fact-lost", f"{service}, {' '.join(stream)}: {lost} of {last}")


def done_means_told(evidence: Evidence, history: History) -> Iterator[Finding]:
    """Whoever stands in a chunk that is called done has a notification on the topic."""
    for cause, recipients in evidence.chunks.items():
        told = {*history.told.get(cause, {}), *history.others_told.get(cause, {})}
        untold = recipients - told
        if untold:
            yield Finding("done-but-not-told", f"{cause}: {_some(untold)}")


def one_verdict_everywhere(evidence: Evidence, history: History) -> Iterator[Finding]:
    """funding's database, its topic and payouts' book know the same verdict, once it is known."""
    for name, verdict in verdicts_of(history).items():
        sides = [(verdict.verdict, verdict.collected, verdict.count, verdict.pledges_sequence)]
        if (ours := evidence.verdicts.get(name)) is not None:
            names = ("outcome", "collected", "count", "pledges_sequence")
            sides.append(tuple(ours[part] for part in names))
        book = evidence.books.get(name)
        if book is not None and (heard := book.verdict) is not None:
            outcome = heard.outcome.value
            sides.append((outcome, heard.collected, heard.count, heard.pledges_sequence))
        if len(set(sides)) > 1:
            yield Finding("verdict-differs", f"{name}: {sides}")


def views_invent_nothing(evidence: Evidence, played: Iterable[Played]) -> Iterator[Finding]:
    """What the project page shows is never more than what was pledged."""
    for one in played:
        project = evidence.projects.get(one.campaign_id)
        shown = project["figures"] if project else {}
        too_high = {part: figure for part, figure in shown.items() if figure > one.total}
        if too_high or shown.get("pledges", 0) > len(one.rows):
            pledged = f"{one.total} in {len(one.rows)} pledges"
            yield Finding("view-too-high", f"{one.campaign_id}: {shown}, pledged {pledged}")


# --- at the end --------------------------------------------------------------------------------


def everything_is_decided(history: History, played: Iterable[Played]) -> Iterator[Finding]:
    """Each campaign has the verdict that follows from its counted pledges; no pledge is lost."""
    verdicts = verdicts_of(history)
    for one in played:
        pledges = _pledges(history, one.campaign_id)
        known = sorted((p.pledge_id, p.amount) for _, p in pledges)
        if known != sorted((row.pledge_id, row.amount) for row in one.rows):
            missing = {row.pledge_id for row in one.rows} - {pledge for pledge, _ in known}
            count = f"{len(known)} of {len(one.rows)} are collected"
            yield Finding("pledges-differ", f"{one.campaign_id}: {count}, not {_some(missing)}")
        verdict = verdicts.get(one.campaign_id)
        if verdict is None:
            yield Finding("not-decided", one.campaign_id)
            continue
        counted = [p.amount for _, p in pledges if p.standing == "counted"]
        outcome = "goal_met" if sum(counted) >= one.goal else "goal_missed"
        ours = (outcome, sum(counted), len(counted))
        theirs = (verdict.verdict, verdict.collected, verdict.count)
        if ours != theirs:
            yield Finding("verdict-wrong", f"{one.campaign_id}: {theirs}, counted {ours}")


def missed_goals_are_returned(
    provider: Book, evidence: Evidence, history: History, played: Iterable[Played]
) -> Iterator[Finding]:
    """Goal missed: refunds = pledges, to the unit, at the provider and in payouts."""
    for one in _with_verdict(history, played, "goal_missed"):
        pledged = {row.pledge_id: row.amount for row in one.rows}
        returned = {
            charge["metadata"]["pledge_id"]: charge["refunded"]
            for charge in _charges(provider, one.campaign_id)
        }
        if returned != pledged:
            yield Finding(
                "refunds-differ", f"{one.campaign_id}, provider: {_diff(pledged, returned)}"
            )
        refunds = evidence.refunds.get(one.campaign_id, [])
        ours = {r.pledge_id: r.amount for r in refunds if r.state is RefundState.SUCCEEDED}
        if ours != pledged or len(refunds) != len(pledged):
            states = _tally(refund.state.value for refund in refunds)
            yield Finding("refunds-differ", f"{one.campaign_id}, payouts: {states}")


def met_goals_are_paid(
    provider: Book, evidence: Evidence, history: History, played: Iterable[Played]
) -> Iterator[Finding]:
    """Goal met: the first stage reached the bank exactly once, and no backer's money went back."""
    verdicts = verdicts_of(history)
    for one in _with_verdict(history, played, "goal_met"):
        verdict = verdicts[one.campaign_id]
        wanted = verdict.collected * verdict.terms.stage_shares_basis_points[0] // 10_000
        arrived = _movement(provider, one.account, "payment")
        bank = -_movement(provider, one.account, "payout")["amount"]
        bank -= _movement(provider, one.account, "payout_failure")["amount"]
        if (arrived["count"], arrived["amount"], bank) != (1, wanted, wanted):
            state = _tally(s.state.value for s in evidence.stages.get(one.campaign_id, []))
            seen = f"transferred {arrived['amount']}, at the bank {bank}, stages {state}"
            yield Finding("stage-differs", f"{one.campaign_id}: {wanted} is due, {seen}")
        returned = [c["refunded"] for c in _charges(provider, one.campaign_id) if c["refunded"]]
        if returned:
            yield Finding("refunds-differ", f"{one.campaign_id}, goal met: {returned}")
        first = [s for s in evidence.stages.get(one.campaign_id, []) if s.number == 1]
        if [stage.state for stage in first] != [StageState.PAID]:
            yield Finding("stage-differs", f"{one.campaign_id}, payouts: {first}")


def everybody_is_told_once(
    evidence: Evidence, history: History, played: Sequence[Played]
) -> Iterator[Finding]:
    """Per cause, who is told is who must be told; and no cause is told of that nobody knows."""
    expected, late = audiences(history, evidence.causes), supplements(history, evidence.causes)
    for one in played:
        published = {f"update-published/{one.campaign_id}:{name}" for name in one.published}
        if missing := published - expected.keys():
            yield Finding("not-published", _some(missing))
    for cause in sorted({*expected, *history.told}):
        told, wanted = set(history.told.get(cause, {})), expected.get(cause, set())
        wanted = wanted | late.get(cause, set())
        if told != wanted:
            sides = f"not told {_some(wanted - told)}; strangers {_some(told - wanted)}"
            yield Finding("told-differs", f"{cause}: {sides}")
    for cause, row in evidence.causes.items():
        audience = len(expected.get(cause, ()))
        if (row["state"], row["audience"]) != ("completed", audience):
            seen = f"{row['state']}, audience {row['audience']}"
            yield Finding("not-complete", f"{cause}: {seen} of {audience}")


def audiences(history: History, causes: Mapping[str, Document]) -> dict[str, set[str]]:
    """Return which backers must be told of what, by the topics (`domain.md` 7).

    A paid stage names no N: notifier's own `causes` say as of which it is told.
    """
    wanted: dict[str, set[str]] = {}
    for (_, campaign), facts in history.facts.items():
        for fact in facts:
            match fact:
                case VerdictReached():
                    upto = fact.pledges_sequence
                    wanted[f"verdict-reached/{campaign}"] = _backers(history, campaign, upto)
                case UpdatePublished():
                    cause = f"update-published/{campaign}:{fact.update_id}"
                    wanted[cause] = _backers(history, campaign, fact.pledges_sequence)
                case StagePaid():
                    cause = f"stage-paid/{campaign}:{fact.stage}-{fact.attempt}"
                    upto = causes[cause]["pledges_sequence"] if cause in causes else 0
                    wanted[cause] = _backers(history, campaign, upto)
                case RefundSucceeded():
                    again = f":{fact.came_back}" if fact.came_back else ""
                    wanted[f"refund-succeeded/{fact.refund_id}{again}"] = {fact.backer_id}
                case RefundFailed():
                    cause = f"refund-failed/{fact.refund_id}:{fact.attempt}"
                    wanted[cause] = {fact.backer_id}
    return wanted


def supplements(history: History, causes: Mapping[str, Document]) -> dict[str, set[str]]:
    """Return who must be told of campaign-wide causes although heard of after their N.

    Their money had come before the cause arose (`domain.md` 7).
    """
    return {
        cause: {
            pledge.backer_id
            for sequence, pledge in _pledges(history, row["campaign_id"])
            if sequence > row["pledges_sequence"] and pledge.captured_at <= row["caused_at"]
        }
        for cause, row in causes.items()
    }


def nothing_is_left(evidence: Evidence, history: History) -> Iterator[Finding]:
    """Outboxes are empty, nothing is set aside, every reader has read every key to its end."""
    for service, waiting in evidence.waiting.items():
        if waiting:
            yield Finding("outbox", f"{service}: {len(waiting)} facts wait")
    for service, kept in evidence.set_aside.items():
        if kept:
            yield Finding("set-aside", f"{service}: {_some(kept)}")
    for group, positions in evidence.positions.items():
        for (topic, key), facts in history.facts.items():
            position = positions.get(key, 0)
            if topic == group.topic and position != len(facts):
                yield Finding("behind", f"{group.name} of {key}: {position} of {len(facts)}")


def no_sweep_failed(metrics: Mapping[str, str]) -> Iterator[Finding]:
    """No turn of timed work ended with an error of ours, by what each process says of itself."""
    for process, text in metrics.items():
        failures = {
            sample.labels["sweep"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "sosst_sweep_failures_total"
        }
        if not failures:
            yield Finding("unreadable", f"{process} says nothing of its sweeps")
        for sweep, count in failures.items():
            if count:
                yield Finding("sweep-failed", f"{process}: {sweep} failed {count:.0f} times")


def money_is_all_there(
    provider: Book, evidence: Evidence, played: Iterable[Played]
) -> Iterator[Finding]:
    """I3: the provider's total = Σ provider_balance + float, and each book is its cash there."""
    for one in played:
        book = evidence.books.get(one.campaign_id)
        booked = book.balances[Account.PROVIDER_BALANCE] if book else 0
        charges = _charges(provider, one.campaign_id)
        cash = sum(charge["amount"] - charge["refunded"] for charge in charges)
        cash -= _movement(provider, one.account, "payment")["amount"]
        if booked != cash:
            yield Finding("I3", f"{one.campaign_id}: booked {booked}, at the provider {cash}")
    total = provider["accounts"][PLATFORM][CURRENCY]["net"]
    held = sum(book.balances[Account.PROVIDER_BALANCE] for book in evidence.books.values())
    own = _movement(provider, PLATFORM, "topup")["amount"]
    own -= provider["accounts"][PLATFORM][CURRENCY]["fees"]
    if total - held != own or own < 0:
        yield Finding("I3", f"total {total}, held {held}, float {total - held}, must be {own}")


def views_show_the_end(
    provider: Book, evidence: Evidence, played: Iterable[Played]
) -> Iterator[Finding]:
    """The project page shows what was pledged, and what the provider returned and paid."""
    for one in played:
        project = evidence.projects.get(one.campaign_id)
        shown = project["figures"] if project else {}
        charges = _charges(provider, one.campaign_id)
        wanted = {
            "raised": one.total,
            "collected": one.total,
            "pledges": len(one.rows),
            "refunded": sum(charge["refunded"] for charge in charges),
            "paid": _movement(provider, one.account, "payment")["amount"],
            # Nobody approves a last stage here, so nothing is taken of the campaign's money.
            "fees": 0,
            "charged_back": 0,
            "refunds": len([charge for charge in charges if charge["refunded"]]),
        }
        if shown != wanted:
            yield Finding("view-differs", f"{one.campaign_id}: {shown}, must be {wanted}")


# --- reading -----------------------------------------------------------------------------------


def verdicts_of(history: History) -> dict[str, VerdictReached]:
    """Return the verdict of every campaign that has one on its topic."""
    return {
        key: fact
        for (topic, key), facts in history.facts.items()
        if topic == VerdictReached.topic
        for fact in facts
        if isinstance(fact, VerdictReached)
    }


def _with_verdict(history: History, played: Iterable[Played], outcome: str) -> list[Played]:
    verdicts = verdicts_of(history)
    fallen = {name for name, verdict in verdicts.items() if verdict.verdict == outcome}
    return [one for one in played if one.campaign_id in fallen]


def _pledges(history: History, campaign_id: str) -> list[tuple[int, PledgeCollected]]:
    facts = history.facts.get((PledgeCollected.topic, campaign_id), [])
    numbered = enumerate(facts, start=1)
    return [(number, fact) for number, fact in numbered if isinstance(fact, PledgeCollected)]


def _backers(history: History, campaign_id: str, upto: int) -> set[str]:
    return {
        pledge.backer_id for sequence, pledge in _pledges(history, campaign_id) if sequence <= upto
    }


def _charges(provider: Book, campaign_id: str) -> list[Book]:
    charges = provider["charges"].values()
    return [each for each in charges if each["metadata"].get("campaign_id") == campaign_id]


def _movement(provider: Book, account: str | None, kind: str) -> Mapping[str, int]:
    currencies = provider["accounts"].get(account, {})
    none = {"count": 0, "amount": 0}
    return currencies.get(CURRENCY, {"by_type": {}})["by_type"].get(kind, none)  # type: ignore[no-any-return]


def _some(of: Iterable[object], shown: int = 5) -> str:
    all_of_them = sorted(map(str, of))
    more = f" and {len(all_of_them) - shown} more" if len(all_of_them) > shown else ""
    return f"{all_of_them[:shown]}{more}"


def _diff(wanted: Mapping[str, int], seen: Mapping[str, int]) -> str:
    differing = {
        key: (seen.get(key), wanted.get(key))
        for key in wanted.keys() | seen.keys()
        if seen.get(key) != wanted.get(key)
    }
    return _some(f"{key}: {has} of {should}" for key, (has, should) in differing.items())


def _tally(words: Iterable[str]) -> dict[str, int]:
    tally: dict[str, int] = {}
    for word in words:
        tally[word] = tally.get(word, 0) + 1
    return tally
