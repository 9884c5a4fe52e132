"""A campaign's book: one document with its balances, the head of its chain, and its verdict.

The book also counts the pledges it has heard of, because money may follow a verdict only once the
book's own view has reached the verdict's N and agrees with it (`domain.md` 3, T1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from payouts.domain import postings
from payouts.domain.block import Block, ChainHead, each_once, hash_of, postings_in, seal
from payouts.domain.book_state import BookLife, BookState, move
from payouts.domain.errors import Refused
from payouts.domain.fees import Fees, FeeTerms, fees_from, processing_fee, waive
from payouts.domain.holds import Hold
from payouts.domain.ledger import (
    ALWAYS_SHOWN,
    EMPTY,
    Account,
    Entry,
    Posting,
    check,
    fold,
    post,
)
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.reward_standing import RewardsAsOf
from payouts.domain.shares import Division

# How the causes begin of refunds of pledges that came too late to stay.
LATE_PLEDGE = "late-pledge/"


class Outcome(StrEnum):
    """An open vocabulary on the wire: what we do not know moves no money."""

    GOAL_MET = "goal_met"
    GOAL_MISSED = "goal_missed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Agreement(StrEnum):
    """How the book's own count stands to the verdict's."""

    WAITING = "waiting"
    AGREES = "agrees"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What funding decided, as of `pledges_sequence`; amounts in minor units.

    `reserve_basis_points` of the base may be charged back and undecided before stages wait; None
    for a campaign that was launched before it was a term.
    """

    outcome: Outcome
    collected: int
    count: int
    pledges_sequence: int
    shares_basis_points: tuple[int, ...]
    reached_at: datetime
    reserve_basis_points: int | None = None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The end of a campaign whose goal was met, as of `pledges_sequence`."""

    pledges_sequence: int
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRun:
    """How far the refunds of an ended campaign are created; pages follow the pledges' ids.

    `number` counts the runs of a campaign that was cancelled after its goal was met: each divides
    what is there by shares, and `division` freezes how, None until nothing is in flight any more.
    `resumed` says that a recovery brought some of its refunds back, so that they are looked for.
    `full_asked` says that what goes back in full beside the shares was asked for, in pages of their
    own.
    `as_of` is frozen with the first division of a cancellation, for all its runs: who has a reward
    then has no share (decision 0047). None of one that a release before divided: all had.
    """

    cause: str
    cursor: str | None = None
    finished: bool = False
    number: int = 1
    division: Division | None = None
    resumed: bool = False
    full_asked: bool = False
    as_of: RewardsAsOf | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """So much of the platform's fee, without its tax, is given up once a second person says so."""

    waiver_id: str
    amount: int
    reason: str
    by: str
    at: datetime
    second_by: str | None = None
    second_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """So much of what the platform had paid for a campaign is its own again, as two people say.

    `block` is the head of the book that the first of them saw: what is booked behind it lets the
    word fall. Of one that only the ledger of a restored book has, nobody knows who said it or why.
    """

    adjustment_id: str
    amount: int
    block: int
    reason: str
    by: str
    at: datetime
    second_by: str | None = None
    second_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """`version` is the compare-and-set guard of every save.

    `pledges_sequence` is the N of our own view; `counted` and `count` are over the pledges heard
    as counted. `planned` is set with the plan of stages. `fees` are the campaign's terms, known
    from the verdict on; `fee_base` and `processing` are the sums that they apply to, kept from the
    plan on. `last_approved` says that they are taken, so that what is collected later
    goes back. `holds` are all that were ever placed. `cancellation` came after the verdict; one
    before any verdict stands in its place. `runs_told` are the causes of the runs of refunds whose
    end was told. `life` says whether the book is closed. `quantum` is what the provider pays out at
    least, in minor units, known from the plan on.

    `waived` of the platform's fee is given up; `waived_back` of it, with tax, had been taken and
    came back into the campaign's money. `adjustments` are what the platform takes back of what it
    had paid.

    After a restored backup the chain is ahead of the book: its blocks were taken back from the
    topic. `ahead` is what their `unclaimed` postings add to the balances; each is claimed by what
    posts it again, and none is sealed twice.
    """

    campaign_id: str
    currency: str
    balances: Mapping[Account, int] = field(default_factory=lambda: dict(EMPTY))
    head: ChainHead = field(default_factory=ChainHead)
    pledges_sequence: int = 0
    counted: int = 0
    count: int = 0
    verdict: Verdict | None = None
    run: RefundRun | None = None
    planned: bool = False
    ahead: Mapping[Account, int] = field(default_factory=dict)
    unclaimed: int = 0
    version: int = 0
    fees: FeeTerms | None = None
    fee_base: int = 0
    processing: int = 0
    last_approved: bool = False
    holds: tuple[Hold, ...] = ()
    cancellation: Cancellation | None = None
    waivers: tuple[Waiver, ...] = ()
    waived: int = 0
    waived_back: int = 0
    adjustments: tuple[Adjustment, ...] = ()
    runs_told: tuple[str, ...] = ()
    quantum: int = 1
    life: BookLife = field(default_factory=BookLife)

    @property
    def sealed_balances(self) -> Mapping[Account, int]:
        """What the last block of the chain says."""
        if not self.ahead:
            return self.balances
        both = {a: self.balances.get(a, 0) + self.ahead.get(a, 0) for a in Account}
        return {account: n for account, n in both.items() if n or account in ALWAYS_SHOWN}

    def result_on(self, account: Account) -> int:
        """Return what is on an account of incomes or costs, with what closings settled of it."""
        return self.balances.get(account, 0) + self.life.settled.get(account, 0)


@dataclass(frozen=True, slots=True)
class CollectedPledge:
    """A pledge whose money the provider captured; amounts in minor units of `currency`.

    After `refundable_until` the provider no longer returns the payment, None: without end.
    `reward_id` is None where no reward was chosen.
    """

    pledge_id: str
    backer_id: str
    amount: int
    currency: str
    provider: str
    payment_reference: str
    provider_fee: int
    balance_transaction: str
    counted: bool
    refundable_until: datetime | None = None
    reward_id: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """The book that counts the pledge, the guard of its money, and row 1 to seal."""

    book: Book
    money: PledgeMoney
    posting: Posting


def collect(book: Book, pledge: CollectedPledge, sequence: int = 0) -> Collected:
    """Take a collected pledge, told at `sequence`, into the book, in time or late (row 1)."""
    if pledge.currency != book.currency:
        raise Refused("wrong-currency", f"the book is in {book.currency}, not {pledge.currency}")
    money = PledgeMoney(
        campaign_id=book.campaign_id,
        pledge_id=pledge.pledge_id,
        backer_id=pledge.backer_id,
        currency=pledge.currency,
        provider=pledge.provider,
        payment_reference=pledge.payment_reference,
        amount=pledge.amount,
        returnable=pledge.amount,
        refundable_until=pledge.refundable_until,
        sequence=sequence,
        reward_id=pledge.reward_id,
    )
    counted = replace(
        book,
        counted=book.counted + (pledge.amount if pledge.counted else 0),
        count=book.count + int(pledge.counted),
    )
    posting = postings.pledge_collected(
        pledge.amount, pledge.provider_fee, pledge.balance_transaction
    )
    return Collected(counted, money, posting)


def reach(book: Book, pledges_sequence: int) -> Book:
    """Note how far the pledges' topic is known, whatever its facts were."""
    return replace(book, pledges_sequence=max(book.pledges_sequence, pledges_sequence))


def hear_verdict(book: Book, verdict: Verdict, fees: FeeTerms | None = None) -> Book:
    """Keep the verdict (row 2: no posting); missed or cancelled begins the run of refunds.

    A cancellation before any verdict stands in its place.

    The same again changes nothing; another one raises `Refused`: a verdict falls once.
    """
    # A release before kept it without the reserve.
    if book.verdict in (verdict, replace(verdict, reserve_basis_points=None)):
        return book
    if book.verdict is not None:
        raise Refused("second-verdict", f"campaign {book.campaign_id} has another verdict already")
    cause = run_cause(book.campaign_id, verdict.outcome)
    run = RefundRun(cause) if cause else None
    return replace(book, verdict=verdict, run=run, fees=fees)


def hear_cancellation(book: Book, cancellation: Cancellation) -> Book:
    """Keep the end of a campaign whose goal was met, and begin the run that divides what is left.

    The same again changes nothing; another one, or one without a met goal, raises `Refused`.
    """
    if book.cancellation == cancellation:
        return book
    if book.cancellation is not None:
        raise Refused("second-cancellation", f"campaign {book.campaign_id} was cancelled before")
    if book.verdict is None or book.verdict.outcome is not Outcome.GOAL_MET:
        detail = f"no met goal of campaign {book.campaign_id} is known"
        raise Refused("cancellation-without-verdict", detail)
    return replace(book, cancellation=cancellation, run=share_run(book.campaign_id, 1))


def share_run(campaign_id: str, number: int, as_of: RewardsAsOf | None = None) -> RefundRun:
    """Return the run that divides what is left for the first time, or what came back later.

    A later one is `as_of` where the first one was.
    """
    cause = f"campaign-cancelled/{campaign_id}"
    return RefundRun(cause if number == 1 else f"{cause}/{number}", number=number, as_of=as_of)


def rewards_as_of(book: Book, known: RewardsAsOf) -> RewardsAsOf | None:
    """Return as of where it is asked who has a reward: now, until a cancellation has frozen it."""
    run = book.run
    if book.cancellation is None or run is None:
        return known
    return run.as_of if run.division is not None or run.number > 1 else known


def run_cause(campaign_id: str, outcome: Outcome) -> str | None:
    """The cause of the refunds of all pledges, by fact and subject (`events.md` rule 2).

    None for an outcome after which nobody is refunded for it.
    """
    match outcome:
        case Outcome.GOAL_MISSED:
            return f"verdict-reached/{campaign_id}"
        case Outcome.CANCELLED:
            return f"campaign-cancelled/{campaign_id}"
    return None


def agreement(book: Book) -> Agreement:
    """Compare the verdict with our own count: not before our view has reached its N."""
    verdict = book.verdict
    if verdict is None or book.pledges_sequence < verdict.pledges_sequence:
        return Agreement.WAITING
    same = (book.count, book.counted) == (verdict.count, verdict.collected)
    return Agreement.AGREES if same else Agreement.CONTRADICTS


def refunds_are_owed(book: Book) -> bool:
    """Every pledge of a missed or cancelled campaign goes back whenever it is heard of."""
    verdict = book.verdict
    return verdict is not None and run_cause(book.campaign_id, verdict.outcome) is not None


def refund_cause_of(book: Book, pledge: CollectedPledge, sequence: int) -> str | None:
    """Return why a pledge goes back as soon as it is heard of, None if it stays.

    All of a missed campaign do; a late one after the last stage is approved does (`money.md` 4),
    and one after the cancellation, which is not about it: in full, by itself.
    """
    if refunds_are_owed(book) and book.run is not None:
        return book.run.cause
    if came_after_the_end(book, sequence) or (book.last_approved and not pledge.counted):
        return late_cause(pledge.pledge_id)
    return None


def came_after_the_end(book: Book, sequence: int) -> bool:
    """Whether a pledge that was told at `sequence` is behind the cancellation of a met goal.

    The two topics have no order between them: the pledge may be heard of first.
    """
    ended = book.cancellation
    return ended is not None and sequence > ended.pledges_sequence


def late_cause(pledge_id: str) -> str:
    """The cause of the refund of a pledge that came too late to stay."""
    return f"{LATE_PLEDGE}{pledge_id}"


def may_divide(book: Book) -> bool:
    """Whether our own view is that of the cancellation, so that shares can be made of it."""
    ended = book.cancellation
    known = ended is not None and book.pledges_sequence >= ended.pledges_sequence
    return known and agreement(book) is Agreement.AGREES


def plan_is_due(book: Book) -> bool:
    """The stages are planned once, for a met goal, when the counts agree."""
    met = book.verdict is not None and book.verdict.outcome is Outcome.GOAL_MET
    return met and not book.planned and agreement(book) is Agreement.AGREES


def charge(book: Book, amounts: Iterable[int]) -> Book:
    """Add pledges that stay to what the fees are taken of (`money.md` 4: base + late)."""
    terms, kept = book.fees, list(amounts)
    if terms is None:
        return book
    processing = sum(processing_fee(amount, terms) for amount in kept)
    return replace(
        book, fee_base=book.fee_base + sum(kept), processing=book.processing + processing
    )


def fees_due(book: Book) -> Fees:
    """Return what is taken of this campaign; raises `Refused` while its terms are not known."""
    if book.fees is None:
        raise Refused("terms-unknown", f"the terms of campaign {book.campaign_id} are not known")
    full = fees_from(book.fee_base, book.processing, book.fees)
    return waive(full, book.waived, book.fees) if book.waived else full


def advance_run(book: Book, last_pledge_id: str | None, page_is_last: bool) -> Book:
    """Note that a page of the refund run is created up to this pledge; None for an empty page."""
    if book.run is None:
        raise Refused("no-run", f"campaign {book.campaign_id} has no run of refunds")
    cursor = book.run.cursor if last_pledge_id is None else last_pledge_id
    return replace(book, run=replace(book.run, cursor=cursor, finished=page_is_last))


def seal_into(
    book: Book,
    of_group: Iterable[Posting],
    now: datetime,
    sealed: Mapping[str, Posting] = MappingProxyType({}),
) -> tuple[Book, tuple[Block, ...]]:
    """Post a group's postings: the book afterwards, and the blocks to append with it.

    `sealed` are those of the book's unclaimed postings that are in the group, by cause: they move
    the book and are not sealed again. Raises `Refused` where an account would be short, or a cause
    comes twice or was sealed with other content; then nothing of the group is posted.
    """
    made = list(of_group)
    book = reopened(book, made)
    balances = book.balances
    if book.unclaimed:
        # What is sealed did happen, in an order that a recovery may not know.
        for posting in made:
            known = posting.cause in sealed
            balances = fold(balances, posting.entries) if known else post(balances, posting)
        check(balances)
    claimed = each_once(posting for posting in made if posting.cause in sealed)
    for posting in claimed:
        if sealed[posting.cause] != posting:
            raise Refused("sealed-otherwise", f"{posting.cause} was sealed with other content")
    fresh = [posting for posting in made if posting.cause not in sealed]
    blocks = seal(book.campaign_id, book.currency, book.head, book.sealed_balances, fresh, now)
    moved = replace(book, head=blocks[-1].head) if blocks else book
    if not book.unclaimed:
        return (replace(moved, balances=blocks[-1].balances), blocks) if blocks else (book, ())
    return claim_postings(replace(moved, balances=balances), claimed), blocks


def with_closing_undone(book: Book, of_group: Iterable[Posting]) -> list[Posting]:
    """Return what is posted: where it opens a closed book, what its closing settled comes first.

    A cost that is none after all, or a fee that is taken back, is there to be undone then
    (decision 0052).
    """
    made = list(of_group)
    if all(map(postings.closes, made)):
        return made
    life = book.life
    undone = postings.closing_undone(book.campaign_id, life.closed_in, life.settled)
    return [undone, *made] if undone else made


def reopened(book: Book, made: Sequence[Posting]) -> Book:
    """Open a book again that is being closed or is closed, where anything new is booked."""
    life = book.life
    if any(one.cause.startswith(postings.CLOSING_UNDONE) for one in made):
        life = replace(life, settled={}, closed_in=0)
    if life.state is not BookState.OPEN and not all(map(postings.closes, made)):
        life = replace(move(life, BookState.OPEN), since=None)
    return replace(book, life=life)


def claim_postings(book: Book, claimed: Sequence[Posting]) -> Book:
    """Note that these postings are known again; the balances hold them already."""
    undone = [Entry(e.credit, e.debit, e.amount) for posting in claimed for e in posting.entries]
    left = book.unclaimed - len(claimed)
    ahead = fold(book.ahead, undone)
    return replace(book, ahead=ahead if left else {}, unclaimed=left)


def take_back(book: Book, block: Block) -> Book:
    """Follow the chain by a block that was published before the book forgot it.

    Raises `Refused` where the block does not follow the book's head, or does not prove itself.
    """
    truth = hash_of(block)
    places = block.number, block.previous_hash, block.first_entry, block.hash
    if places != (book.head.block + 1, book.head.hash, book.head.entry + 1, truth):
        detail = f"block {block.number} of the topic does not follow block {book.head.block} here"
        raise Refused("forked", detail)
    entries = [sealed.entry for sealed in block.entries]
    if fold(book.sealed_balances, entries) != dict(block.balances):
        raise Refused("forked", f"block {block.number} of the topic has other balances than ours")
    return replace(
        book,
        head=block.head,
        ahead=fold(book.ahead, entries),
        unclaimed=book.unclaimed + len(postings_in(block)),
    )
