"""What payouts can be asked on the command line beyond what every service can."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import date, datetime, timedelta

from payouts.domain.claim_link import wishes_other_way
from payouts.domain.fec import Fec, Year, file_name
from payouts.domain.payout_attempt import UNKNOWN
from payouts.domain.provider_keys import ATTEMPTS_MAX
from payouts.domain.receivable import Receivable
from payouts.domain.reconciliation import suspense
from payouts.domain.refund import Refund, RefundKind
from payouts.domain.stage import Stage, StageState
from payouts.domain.trial_balance import end_of
from payouts.domain.waiting import STAGE_STATES, QueueName, Waiting, waits_since
from payouts.handlers.adjustments import Adjust
from payouts.handlers.export_fec import check_over, export_fec
from payouts.handlers.queues import Place, page_of, place_in
from payouts.handlers.reconcile import reconcile
from payouts.handlers.sign_heads import read_signed
from payouts.handlers.unclaimed import unclaimed_ledgers
from payouts.handlers.verify_ledger import (
    Proof,
    compare_signed,
    verify_from_topic,
    verify_ledger,
)
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.integrity import LedgerTopic
from payouts.ports.provider import MANUAL, PlatformAccount, Provider
from payouts.ports.queries import Queries
from payouts.ports.reconciliation import Reconciliation
from servicekit.errors import DependencyAway
from servicekit.instants import YEARS

UNCLAIMED_LEDGER = "unclaimed-ledger"
RESIDUES = "residues"
PROVEN = 0
FINDINGS = 1
PAGE = 200


def describe_account(account: PlatformAccount | None, secret_key: str) -> str:
    """Say whose account `check` found, and whether real money is there."""
    if account is None:
        raise DependencyAway("the payment provider does not answer, or refuses our key")
    mode = "test" if "_test_" in secret_key else "live"
    payouts = f"{account.payout_schedule} payouts"
    if account.payout_schedule != MANUAL:
        payouts += ": a start is refused until they are manual"
    return f"ok, account {account.account}, {mode} mode, {payouts}"


def describe_queue(parser: ArgumentParser) -> None:
    names = [*(name.value for name in QueueName), UNCLAIMED_LEDGER, RESIDUES]
    parser.add_argument("name", choices=names)


async def perform_queue(
    arguments: Namespace, queries: Queries, adjust: Adjust, now: datetime, warning: timedelta
) -> int:
    """Print everything that waits there, the longest first, then how much there is.

    Of `unclaimed-ledger` every campaign that a person must look at after a restored backup, of
    `residues` every cancelled one that still holds money.
    """
    if arguments.name == UNCLAIMED_LEDGER:
        return await _print_unclaimed(queries)
    if arguments.name == RESIDUES:
        return await _print_residues(adjust)
    name, count = QueueName(arguments.name), 0
    after: Place | None = None
    while page := await page_of(queries, name, after, PAGE, now, warning):
        for one in page:
            print(_waiting(one, now))
        after = place_in(name, page[-1])
        count += len(page)
    print(f"{count} {_kind_in(name)} wait in {arguments.name}")
    return PROVEN


async def _print_unclaimed(queries: Queries) -> int:
    after, count = "", 0
    while page := await unclaimed_ledgers(queries, after, PAGE):
        for one in page:
            held = f"{one.undivided} {one.currency} are not divided"
            print(f"{one.campaign_id} {one.postings} postings, {held}: {', '.join(one.causes)}")
        after = page[-1].campaign_id
        count += len(page)
    print(f"{count} campaigns wait in {UNCLAIMED_LEDGER}")
    return PROVEN


async def _print_residues(adjust: Adjust) -> int:
    after, count = "", 0
    while page := await adjust.residues(after, PAGE):
        for one in page:
            money = f"{one.held} {one.currency}, {one.reachable} of it can be refunded"
            take = f"{one.recoverable} can be taken back as of block {one.block}"
            why = "".join(f"; not yet: {line}" for line in one.hindrances)
            print(f"{one.campaign_id} holds {money}, the platform paid {one.paid}: {take}{why}")
        after = page[-1].campaign_id
        count += len(page)
    print(f"{count} campaigns wait in {RESIDUES}")
    return PROVEN


def _kind_in(name: QueueName) -> str:
    if name is QueueName.RECEIVABLES:
        return "debts"
    return "stages" if name in STAGE_STATES or name is QueueName.STAGES_UNKNOWN else "refunds"


def _waiting(one: Waiting, now: datetime) -> str:
    match one:
        case Refund():
            words = _of_refund(one)
        case Stage():
            words = _of_stage(one)
        case Receivable():
            words = _of_receivable(one)
    return " ".join(word for word in [str(now - waits_since(one)), *words] if word)


def _of_stage(stage: Stage) -> list[str]:
    half = stage.approval if stage.state is StageState.AWAITING_SECOND_APPROVAL else None
    first = f"approved by {half.by}" if half else ""
    unknown = stage.attempts and stage.attempt.state in UNKNOWN
    state = stage.attempt.state if unknown else stage.state
    tries = "its tries are used up" if stage.failures >= ATTEMPTS_MAX else ""
    what = f"{stage.campaign_id} stage {stage.number} {stage.payable} {stage.currency}"
    return [what, state.value, first, stage.reason or "", tries]


def _of_receivable(debt: Receivable) -> list[str]:
    told = debt.proposed
    word = f"{told.by} proposes {told.kind} of {told.amount}" if told else ""
    what = f"{debt.campaign_id} {debt.receivable_id} {debt.open} {debt.currency}"
    return [what, debt.state.value, debt.cause, word]


def _of_refund(refund: Refund) -> list[str]:
    what = f"{refund.campaign_id} {refund.refund_id} {refund.amount} {refund.currency}"
    if refund.kind is RefundKind.COMPENSATION:
        what += f" {refund.kind} by the {refund.payer}"
    closes = f"until {refund.refundable_until.date()}" if refund.refundable_until else ""
    wish = "its backer asks for another way" if wishes_other_way(refund) else ""
    return [what, refund.cause, refund.reason or "", wish, closes]


def describe_verify_ledger(parser: ArgumentParser) -> None:
    parser.add_argument("--campaign", metavar="ID", help="one campaign only")
    parser.add_argument(
        "--from-topic", action="store_true", help="prove what was published, without the database"
    )


async def perform_verify_ledger(
    arguments: Namespace,
    queries: Queries,
    topic: LedgerTopic,
    signatures: HeadSignatures,
    keys: HeadKeys,
    now: datetime,
) -> int:
    """Print every finding, then the heads that somebody else may have noted, then one line."""
    campaign_id, unsigned = arguments.campaign, False
    if arguments.from_topic:
        proof = await verify_from_topic(topic, campaign_id)
        for one, (number, head) in sorted(proof.heads.items()):
            print(f"campaign {one} ends at block {number} {head}")
    else:
        # Read first: what is signed meanwhile would be ahead of the chains that were read.
        signed = await read_signed(signatures, keys, now)
        proof = await verify_ledger(queries, topic, campaign_id)
        compare_signed(proof, signed, campaign_id)
        for line in signed.findings:
            print(f"signatures: {line}")
        unsigned = bool(signed.findings)
    for side, finding in proof.findings:
        print(f"{side}: {finding}")
    if campaign_id is not None and not proof.heads:
        print(f"campaign {campaign_id} has no book")
        return FINDINGS
    print(_summary(proof))
    return FINDINGS if proof.findings or unsigned else PROVEN


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if day.year not in YEARS:
        raise ArgumentTypeError(f"{day} is in no year from {YEARS.start} to {YEARS.stop - 1}")
    return day


def describe_trial_balance(parser: ArgumentParser) -> None:
    parser.add_argument("--as-of", required=True, type=_day, metavar="DAY", help="YYYY-MM-DD, UTC")


async def perform_trial_balance(arguments: Namespace, queries: Queries) -> int:
    """Print debit and credit of every account over all books, as booked until the day's end."""
    for one in await queries.trial_balances(end_of(arguments.as_of)):
        print(f"{one.currency} as of {arguments.as_of}, {one.books} books, minor units")
        for account, (debit, credit) in sorted(one.columns().items()):
            if debit or credit:
                print(f"{account.value:<24}{debit:>18}{credit:>18}")
        print(f"{'total':<24}{one.debits:>18}{one.credits:>18}")
        if one.debits != one.credits:
            return FINDINGS
    return PROVEN


def describe_fec(parser: ArgumentParser) -> None:
    parser.add_argument("--ending", required=True, type=_day, metavar="DAY", help="the year's last")
    parser.add_argument("--currency", default="EUR", help="that the seller keeps its books in")


async def perform_fec(
    arguments: Namespace, store: Reconciliation, siren: str, now: datetime
) -> int:
    """Print the file, and on the other stream its name and what it leaves out."""
    fec = Fec(Year(arguments.ending), arguments.currency)
    check_over(fec, now)
    async for line in export_fec(store, fec):
        print(line)
    print(f"{file_name(siren, fec.year)}: {fec.number} entries", file=sys.stderr)
    for currency, count in sorted(fec.left_out.items()):
        print(f"left out: {count} entries in {currency}", file=sys.stderr)
    return FINDINGS if fec.left_out else PROVEN


def describe_reconcile(parser: ArgumentParser) -> None:
    """It takes nothing: what was compared before is not compared again."""


async def perform_reconcile(
    store: Reconciliation, provider: Provider, patience: timedelta, now: datetime
) -> int:
    """Compare all that is old enough, then print every open break, and what is in suspense."""
    compared = 0
    accounts = await store.accounts()
    while not (turn := await reconcile(store, provider, patience, now, accounts)).caught_up:
        compared += turn.movements + turn.blocks
        if not turn.answered:
            break
    if not turn.answered:
        raise DependencyAway("the payment provider does not answer")
    for one in turn.open:
        whose = f" of campaign {one.campaign_id}" if one.campaign_id else ""
        since = one.first_seen_at.isoformat(timespec="seconds")
        said = f"; {one.proposed.by} says {one.proposed.verdict}" if one.proposed else ""
        print(
            f"{one.break_id}{whose}: {one.amount} {one.currency} since {since}: {one.detail}{said}"
        )
    for (account, currency), amount in sorted(suspense(turn.open).items()):
        print(f"suspense of {account or 'the platform'}: {amount} {currency}")
    print(f"{len(turn.open)} open breaks, {compared} movements and blocks compared now")
    return FINDINGS if turn.open else PROVEN


def _summary(proof: Proof) -> str:
    read = f"{len(proof.heads)} campaigns, {proof.blocks} blocks"
    waiting = f", {proof.waiting} of them not yet published" if proof.waiting else ""
    what = f"{len(proof.findings)} findings in" if proof.findings else "proven:"
    return f"{what} {read}{waiting}"
