"""What the handlers need from outside, and what they may rely on."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payouts.domain.block import Block
from payouts.domain.book import Book
from payouts.domain.chain import Mark
from payouts.domain.destination import Destination
from payouts.domain.dispute import Dispute, DisputeFact, DisputeSeen, DisputeState
from payouts.domain.head_signing import DaySigned, Head
from payouts.domain.integrity import Kept
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Posting
from payouts.domain.plan import StageKind
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.receivable import Receivable
from payouts.domain.reconciliation import BookedCash, Break, Movement
from payouts.domain.refund import Refund, RefundFact, RefundState
from payouts.domain.refund_outcome import RefundSeen
from payouts.domain.stage import Stage, StageFact, StageState
from payouts.domain.stage_outcome import PayoutSeen, TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.domain.stopping import Stopped
from payouts.domain.trial_balance import TrialBalance
from servicekit.units import Unit
from sosst_contracts.codec import Record


class Books(Protocol):
    """Books and their blocks, bound to one transaction."""

    async def load(self, campaign_ids: Collection[str]) -> dict[str, Book]:
        """Return the books that exist, by campaign."""
        ...

    async def save(self, books: Sequence[Book]) -> None:
        """Insert new books (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...

    async def append(self, blocks: Sequence[Block]) -> None:
        """Append sealed blocks and publish each, in order, with the same transaction.

        `DuplicateKey` if a number or a cause is there already. Called by `handlers.posting` only,
        so that no book moves without its block, and no block is kept from the topic.
        """
        ...

    async def take_back(self, block: Block) -> None:
        """Keep a block that stands on the topic already; its postings are unclaimed from now on.

        `DuplicateKey` as for `append`. Called by `handlers.recover` only.
        """
        ...

    async def sealed(self, causes: Collection[str]) -> dict[str, Posting]:
        """Return those of the causes whose postings are sealed and unclaimed."""
        ...

    async def claim(self, causes: Collection[str]) -> None:
        """Note that these postings are known again."""
        ...


class Pledges(Protocol):
    """The money of each pledge, bound to one transaction; the collection refuses broken sums."""

    async def load(self, pledge_ids: Collection[str]) -> dict[str, PledgeMoney]: ...

    async def save(self, pledges: Sequence[PledgeMoney]) -> None:
        """Insert or replace; `Unsaveable` where the parts are not the amount."""
        ...

    async def page(self, campaign_id: str, after: str | None, limit: int) -> list[PledgeMoney]:
        """Return the campaign's pledges behind `after`, in order of id."""
        ...

    async def of_payment(self, payment_reference: str) -> PledgeMoney | None:
        """Return the pledge that was paid so, None for one that we have not heard of."""
        ...


class Refunds(Protocol):
    """Refund documents, bound to one transaction."""

    async def load(self, refund_ids: Collection[str]) -> dict[str, Refund]: ...

    async def of_pledge(self, pledge_id: str) -> list[Refund]:
        """Return all refunds of a pledge, in order of creation."""
        ...

    async def save(self, refunds: Sequence[Refund]) -> None:
        """Insert new refunds (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...

    async def unanswered(self, campaign_id: str, besides: Sequence[str]) -> int:
        """Return how many of the campaign's wait for an answer of the provider.

        Those whose cause begins with one of `besides` are not counted.
        """
        ...


class Disputes(Protocol):
    """Disputes by the provider's id, bound to one transaction."""

    async def load(self, dispute_id: str) -> Dispute | None: ...

    async def save(self, dispute: Dispute) -> None:
        """Insert a new one (version 0) or replace a loaded one; `Conflict` if saved since."""
        ...


class Receivables(Protocol):
    """What creators owe, bound to one transaction."""

    async def load(self, campaign_id: str) -> dict[str, Receivable]:
        """Return all of a campaign's, by id."""
        ...

    async def save(self, receivables: Sequence[Receivable]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Stages(Protocol):
    """Stages of campaigns, bound to one transaction."""

    async def load(self, campaign_id: str) -> list[Stage]:
        """Return the campaign's stages in order, none before they are planned."""
        ...

    async def save(self, stages: Sequence[Stage]) -> None:
        """Insert new stages (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...


class Destinations(Protocol):
    """Where creators' money goes, bound to one transaction."""

    async def load(self, campaign_id: str) -> Destination | None: ...

    async def save(self, destination: Destination) -> None:
        """Keep it; `Conflict` if a later version is there."""
        ...


class Creators(Protocol):
    """Who owns which campaign, bound to one transaction; the first word holds."""

    async def add(self, creators: Mapping[str, str]) -> None:
        """Keep the creator of each campaign; known campaigns stay as they are."""
        ...


class Launches(Protocol):
    """What campaigns promised at their launch, bound to one transaction; the first word holds."""

    async def add(self, launches: Sequence[LaunchTerms]) -> None:
        """Keep the terms of each campaign; known campaigns stay as they are."""
        ...

    async def load(self, campaign_id: str) -> LaunchTerms | None: ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def add(self, facts: Sequence[RefundFact | StageFact | DisputeFact]) -> None: ...


@dataclass(frozen=True, slots=True)
class PayoutsUnit(Unit):
    """One transaction of this service."""

    books: Books
    pledges: Pledges
    refunds: Refunds
    stages: Stages
    destinations: Destinations
    creators: Creators
    launches: Launches
    disputes: Disputes
    receivables: Receivables
    facts: Facts


@dataclass(frozen=True, slots=True)
class Declined:
    """A definite refusal: nothing was done. `for_funds`: the balance did not cover it."""

    reason: str
    retryable: bool
    for_funds: bool = False


@dataclass(frozen=True, slots=True)
class Throttled:
    """Nothing was done and the key is still good: ask again after so many seconds."""

    retry_after_seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows whether it was done. `key_spent`: the key would only replay an error."""

    key_spent: bool = False


@dataclass(frozen=True, slots=True)
class NotThere:
    """A look-up found nothing."""


@dataclass(frozen=True, slots=True)
class ProviderBalance:
    """The platform's balance in one currency, minor units."""

    available: int
    total: int


@dataclass(frozen=True, slots=True)
class CashMovement:
    """A balance transaction: what moved, and the id of the object that it belongs to."""

    id: str
    type: str
    source: str


class Provider(Protocol):
    """The payment provider. No method raises for what the provider says or fails to say.

    Calls with effects carry a key; the same key and body give the first answer again for 24 hours
    (`money.md` 6). The client's time-out is shorter than any lease and it never retries by itself.
    """

    async def create_refund(self, refund: Refund) -> RefundSeen | Declined | Throttled | NoAnswer:
        """Ask for the refund under its attempt's key."""
        ...

    async def find_refund(self, refund: Refund) -> RefundSeen | NotThere | NoAnswer:
        """Look the current attempt up by its charge and `metadata.attempt_id`."""
        ...

    async def create_transfer(self, stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        """Ask for the first leg, to the creator's connected account."""
        ...

    async def find_transfer(self, stage: Stage) -> TransferSeen | NotThere | NoAnswer: ...

    async def create_payout(self, stage: Stage) -> PayoutSeen | Declined | Throttled | NoAnswer:
        """Ask for the second leg, from the connected account to the bank."""
        ...

    async def find_payout(self, stage: Stage) -> PayoutSeen | NotThere | NoAnswer: ...

    async def find_dispute(self, dispute_id: str) -> DisputeSeen | NotThere | NoAnswer:
        """Read a dispute as it is now."""
        ...

    async def refunds_of(self, refund: Refund) -> list[RefundSeen] | NoAnswer:
        """Look up every attempt of this refund that the provider holds, by its charge."""
        ...

    async def transfers_of(self, stage: Stage) -> list[TransferMade] | NoAnswer:
        """Look up every transfer of this stage, whichever attempt it was."""
        ...

    async def payouts_of(self, stage: Stage, account: str) -> list[PayoutSeen] | NoAnswer:
        """Look up every payout of this stage from a connected account."""
        ...

    async def account_problem(self, account: str) -> str | NoAnswer | None:
        """Return why the account cannot receive payouts, None if it can."""
        ...

    async def balance(self, currency: str) -> ProviderBalance | None:
        """Return the platform's balance, None if the provider does not answer."""
        ...

    async def movements_after(self, cursor: str | None) -> list[CashMovement] | None:
        """Return the oldest movements behind the cursor (None: from the beginning), in order."""
        ...

    async def movements_of(self, account: str, cursor: str | None) -> list[Movement] | None:
        """Return the same with their amounts, of the platform ("") or of a connected account."""
        ...

    async def campaign_of(self, movement: CashMovement) -> str | NoAnswer | None:
        """Return whose money a refund or transfer of ours moved, None if it does not say."""
        ...

    async def payout_schedule(self) -> str | None:
        """Return the platform account's own payout schedule, None if there is no answer."""
        ...


class Brake(Protocol):
    """Whether operators have stopped the money; at most two seconds old."""

    def stopped(self, campaign_id: str) -> Stopped | None:
        """Return who stopped this campaign's money, or all money, None if nobody did."""
        ...

    async def stop(self, campaign_id: str, by: str, why: str) -> None:
        """Stop this campaign's money, on record, until a person lets it go; repeatable."""
        ...


class Ledger(Protocol):
    """Sums over all books in one currency, minor units; may be a second old."""

    async def booked_and_leaving(self, currency: str) -> tuple[int, int]:
        """Return the sum of `provider_balance`, and what was sent but is not booked as cash."""
        ...


class Freshness(Protocol):
    """Whether this service has read what was published before a stage was approved."""

    async def fresh_since(self, approval_id: str) -> datetime | None:
        """Return since when it has, None while it has not or cannot tell.

        Counts from the first time that it is asked, so ask only once the approval is given.
        """
        ...


@dataclass(frozen=True, slots=True)
class Queue:
    """How many there are, and since when the oldest of them exists or is due, None for none."""

    count: int
    oldest: datetime | None


class LedgerTopic(Protocol):
    """What was published of the books."""

    def records(self) -> AsyncIterator[Record]:
        """Yield all that stands on the topic when it is called, in order per campaign.

        Raises `DependencyAway` if no broker answers or there is no such topic.
        """
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """A check of all books from their beginnings: since when, and up to which campaign."""

    begun_at: datetime
    after: str = ""
    finished: bool = False


class BookChecks(Protocol):
    """What was proven of each book, and which books were saved since.

    Outside any transaction: a check that is lost is made again.
    """

    async def changed(self, after: str, limit: int) -> list[Book]:
        """Return books that were saved since they were last found right, in order of id."""
        ...

    async def kept(self, campaign_id: str) -> Kept | None:
        """Return a book and what is kept beside it, all as of one instant."""
        ...

    async def mark(self, campaign_id: str) -> Mark | None:
        """Return how far the chain is proven, None for a book that must be read from its start."""
        ...

    async def keep_mark(self, mark: Mark) -> None: ...

    async def found_right(self, book: Book) -> None:
        """Take the book from the changed ones, unless it was saved since this version."""
        ...

    async def found_wrong(self, campaign_id: str) -> None:
        """Suspect the mark, and leave the book with the changed ones until it is found right."""
        ...

    async def round(self) -> Round | None: ...

    async def keep_round(self, round_: Round) -> None: ...


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """A block's place among those of all campaigns, in the order in which they were sealed."""

    sealed_at: datetime
    campaign_id: str
    number: int


class Reconciliation(Protocol):
    """What was compared between provider and books. Outside any transaction; all is repeatable."""

    async def accounts(self, campaign_ids: Collection[str] | None = None) -> list[str]:
        """Return the connected accounts that stages were sent to, of all campaigns or of these."""
        ...

    async def cursor(self, account: str) -> str | None: ...

    async def move_cursor(self, account: str, cursor: str) -> None: ...

    async def place(self) -> BlockPlace | None: ...

    async def move_place(self, place: BlockPlace) -> None: ...

    async def blocks_sealed(
        self, after: BlockPlace | None, until: datetime, limit: int
    ) -> list[Block]:
        """Return the blocks behind a place that were sealed until then, in order."""
        ...

    async def booked(self, balance_transactions: Collection[str]) -> dict[str, BookedCash]:
        """Return what the books have under each of them."""
        ...

    async def keep_movements(self, movements: Sequence[Movement]) -> None:
        """Keep what the provider listed; the same again changes nothing."""
        ...

    async def movements(self, ids: Collection[str]) -> dict[str, Movement]:
        """Return those of them that the provider has listed."""
        ...

    async def totals(self) -> Mapping[str, int]:
        """Return by currency the sum of all listed on the platform's account, fees taken off."""
        ...

    async def open_breaks(self, breaks: Sequence[Break]) -> None:
        """Keep new breaks; one that is known stays as it is."""
        ...

    async def break_(self, break_id: str) -> Break | None: ...

    async def breaks(self, after: str, limit: int, *, open_only: bool) -> list[Break]:
        """Return breaks in order of id."""
        ...

    async def save_break(self, found: Break) -> Break:
        """Replace a loaded one; `Conflict` if it was saved since."""
        ...


class HeadKeys(Protocol):
    """Keys that sign the ledger's heads: the current one signs, all verify."""

    current: str

    def sign(self, message: bytes) -> str: ...

    def verifies(self, key_id: str, message: bytes, signature: str) -> bool | None:
        """Return whether it is of this message, None for a key that is not among them."""
        ...

    def public(self) -> Mapping[str, str]:
        """Return the public keys by id."""
        ...


class HeadSignatures(Protocol):
    """Daily signatures over the heads of all chains. Outside any transaction."""

    async def last(self) -> DaySigned | None: ...

    async def signed(self, campaign_ids: Collection[str]) -> dict[str, Head]:
        """Return the last signed head of each."""
        ...

    async def keep(self, day: DaySigned, pages: Sequence[Sequence[Head]]) -> bool:
        """Keep the day's signature with its pages; False, and nothing kept, if it has one."""
        ...

    async def days(self, after: str, limit: int) -> list[DaySigned]:
        """Return signatures of later days, in order."""
        ...

    async def day(self, date: str) -> DaySigned | None: ...

    async def page(self, day: DaySigned, place: int) -> list[Head] | None: ...


class Queries(Protocol):
    """Reads outside a transaction. Pages start behind `after` ("" = first), in order of id."""

    async def book(self, campaign_id: str) -> Book | None: ...

    async def books(self, after: str, limit: int) -> list[Book]: ...

    async def shared_with_money_left(self) -> list[str]:
        """Return the campaigns whose run by shares is finished and whose backers' money is not."""
        ...

    async def blocks(self, campaign_id: str, after: int, limit: int) -> list[Block]:
        """Return the blocks behind a number; `ValueError` where a document is no block."""
        ...

    async def unclaimed(self, campaign_id: str, beginning: str, limit: int) -> list[str]:
        """Return causes with this beginning that are sealed and unclaimed, in order."""
        ...

    async def blocks_waiting(self) -> Mapping[str, int]:
        """Return by campaign the first block that the relay may not have published yet."""
        ...

    async def refund(self, campaign_id: str, refund_id: str) -> Refund | None: ...

    async def refunds(self, campaign_id: str, after: str, limit: int) -> list[Refund]: ...

    async def refund_queue(
        self, state: RefundState, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        """Return refunds of all campaigns in this state, oldest first, behind (created, id)."""
        ...

    async def reminders_due(self, now: datetime, limit: int) -> list[Refund]:
        """Return claimable refunds of whose next reminder the time has come."""
        ...

    async def refund_figures(self, campaign_id: str) -> Mapping[str, tuple[int, int]]:
        """Return count and sum of the campaign's refunds by state."""
        ...

    async def refund_queues(self) -> Mapping[RefundState, Queue]:
        """Return how many refunds there are in each state, over all campaigns."""
        ...

    async def still_to_create(self) -> int:
        """Return how many pledges the runs of refunds have not come to, over all campaigns."""
        ...

    async def stage_queues(self) -> Mapping[tuple[StageKind, StageState], Queue]:
        """Return how many stages of each kind there are in each state, over all campaigns."""
        ...

    async def trial_balances(self, as_of: datetime) -> list[TrialBalance]:
        """Return by currency the sum of all books' balances after what was booked until then."""
        ...

    async def currencies(self) -> list[str]:
        """Return the currencies that books are kept in."""
        ...

    async def awaiting_funds(self) -> Mapping[str, tuple[int, int]]:
        """Return how many refunds wait for a top-up, and their sum, by currency."""
        ...

    async def refunds_of_provider(self, provider_refund_ids: Collection[str]) -> list[Refund]: ...

    async def dispute(self, dispute_id: str) -> Dispute | None: ...

    async def disputes(self, campaign_id: str, after: str, limit: int) -> list[Dispute]: ...

    async def undecided_disputes(self, after: str, limit: int) -> list[Dispute]:
        """Return those of all campaigns, and of none, whose end is not known."""
        ...

    async def dispute_queues(self) -> Mapping[DisputeState, Queue]:
        """Return how many disputes there are in each state, over all campaigns."""
        ...

    async def receivables(self, campaign_id: str) -> list[Receivable]:
        """Return what the campaign's creator owes or owed, in order of its beginning."""
        ...

    async def open_receivables(self) -> int:
        """Return how many debts are open, over all campaigns."""
        ...

    async def stages(self, campaign_id: str) -> list[Stage]: ...

    async def transfers_known(self, transfer_ids: Collection[str]) -> set[str | None]:
        """Return which of the provider's transfers belong to an attempt of ours."""
        ...

    async def destination(self, campaign_id: str) -> Destination | None: ...

    async def creator(self, campaign_id: str) -> str | None:
        """Return who owns the campaign, None for one that nobody told of."""
        ...

    async def is_backer(self, campaign_id: str, person_id: str) -> bool:
        """Return whether a collected pledge of the campaign is this person's."""
        ...

    async def cursor(self, name: str) -> str | None:
        """Return how far a stream of the provider was followed, None at the beginning."""
        ...

    async def move_cursor(self, name: str, cursor: str) -> None: ...
