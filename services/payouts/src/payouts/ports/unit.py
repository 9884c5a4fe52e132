"""What one transaction reads and saves; all of it, or nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payouts.domain.block import Block
from payouts.domain.book import Book
from payouts.domain.destination import Destination
from payouts.domain.dispute import Dispute, DisputeFact
from payouts.domain.holding import Holding, HoldingLimitNear
from payouts.domain.invoice import Invoice, Numbers
from payouts.domain.launch import LaunchTerms
from payouts.domain.ledger import Posting
from payouts.domain.period import Period
from payouts.domain.pledge_money import PledgeMoney
from payouts.domain.receivable import Receivable
from payouts.domain.reconciliation import Break
from payouts.domain.refund import Refund, RefundFact, RefundState
from payouts.domain.refund_run_end import RefundRunFinished
from payouts.domain.reward_standing import Place, RewardClaim, RewardDelivery, RewardsAsOf
from payouts.domain.stage import Stage, StageFact
from servicekit.units import Unit


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

        `DuplicateKey` as for `append`. Called by `handlers.recovery.ledger` only.
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

    async def run_moves(self, campaign_id: str, cause: str) -> bool:
        """Return whether a refund of this run goes on by itself."""
        ...

    async def run_figures(
        self, campaign_id: str, cause: str
    ) -> Mapping[RefundState, tuple[int, int]]:
        """Return count and sum of the run's refunds by state."""
        ...

    async def compensations(self, campaign_id: str, person: str, since: datetime) -> list[Refund]:
        """Return the campaign's compensations that this person asked for or approved since."""
        ...

    async def of_platform(self, campaign_id: str) -> list[Refund]:
        """Return the compensations that the platform paid by pledges' payments, in order of id.

        Those that stand: what was refused or taken back nobody paid.
        """
        ...

    async def blocked(self, campaign_id: str) -> list[Refund]:
        """Return the campaign's that wait for a bank's decision."""
        ...


class Disputes(Protocol):
    """Disputes by the provider's id, bound to one transaction."""

    async def load(self, dispute_id: str) -> Dispute | None: ...

    async def opened(self, campaign_id: str) -> list[Dispute]:
        """Return the campaign's chargebacks that no bank has decided yet."""
        ...

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

    async def of(self, campaign_id: str) -> str | None:
        """Return who owns the campaign, None for one that nobody told of."""
        ...


class Launches(Protocol):
    """What campaigns promised at their launch, bound to one transaction; the first word holds."""

    async def add(self, launches: Sequence[LaunchTerms]) -> None:
        """Keep the terms of each campaign; known campaigns stay as they are."""
        ...

    async def load(self, campaign_id: str) -> LaunchTerms | None: ...


class Invoices(Protocol):
    """Documents about fees, bound to one transaction; none is ever changed."""

    async def of_campaign(self, campaign_id: str) -> list[Invoice]:
        """Return the campaign's, in the order in which they were issued."""
        ...

    async def numbers(self, series: str) -> Numbers:
        """Return how far a series is given; version 0 for one that nobody began."""
        ...

    async def add(self, invoice: Invoice, numbers: Numbers) -> None:
        """Keep the document and its series; all of it or nothing.

        `Conflict` if the number was taken by somebody else since, `DuplicateKey` if the number or
        the cause has a document.
        """
        ...


class Lendings(Protocol):
    """How often the platform gave of its own money, by currency, bound to one transaction."""

    async def count(self, currency: str) -> int:
        """Return how often, before this transaction."""
        ...

    async def add(self, currency: str) -> None:
        """Count one more; of two who counted at the same time only one is saved."""
        ...


class Holdings(Protocol):
    """How long campaigns' money has been held, bound to one transaction."""

    async def load(self, campaign_id: str) -> Holding | None: ...

    async def save(self, holding: Holding) -> None:
        """Insert a new one (version 0) or replace a loaded one; `Conflict` if saved since."""
        ...

    async def remove(self, campaign_id: str) -> None:
        """Forget it: nothing of the campaign is old, or held."""
        ...


class Rewards(Protocol):
    """Which rewards are with their backers, and claims about them, bound to one transaction.

    A view of other services' topics: it may be thrown away and read again from their beginning.
    """

    async def heard(self, campaign_id: str) -> RewardsAsOf:
        """Return how far the campaign's facts are known."""
        ...

    async def deliveries(self, places: Collection[Place]) -> dict[Place, RewardDelivery]:
        """Return those of which something was heard."""
        ...

    async def save_deliveries(self, deliveries: Sequence[RewardDelivery]) -> None:
        """Insert or replace."""
        ...

    async def claims(
        self, names: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], RewardClaim]:
        """Return those that are known, by campaign and id."""
        ...

    async def claims_about(self, pledge_ids: Collection[str]) -> list[RewardClaim]:
        """Return all claims about these pledges, open or over."""
        ...

    async def open_claims(self, campaign_id: str) -> int:
        """Return how many claims about the campaign's rewards have no end."""
        ...

    async def save_claims(self, claims: Sequence[RewardClaim]) -> None:
        """Insert or replace."""
        ...


class Breaks(Protocol):
    """What the reconciliation found, as a decision about money sees it."""

    async def open_of(self, campaign_id: str) -> list[Break]:
        """Return the open breaks that are about this campaign's cash, in order of id."""
        ...

    async def unbooked(self, balance_transactions: Collection[str]) -> list[Break]:
        """Return the breaks of this cash that no entry has or had, open or over."""
        ...


class Periods(Protocol):
    """Months of the books, bound to one transaction."""

    async def load(self, month: str) -> Period | None: ...

    async def last_closed(self) -> Period | None:
        """Return the latest month that two people closed."""
        ...

    async def save(self, period: Period) -> None:
        """Insert a new one (version 0) or replace a loaded one; `Conflict` if saved since."""
        ...


class Facts(Protocol):
    """Where facts go, to be published after the transaction."""

    async def add(
        self,
        facts: Sequence[
            RefundFact | StageFact | DisputeFact | RefundRunFinished | HoldingLimitNear
        ],
    ) -> None: ...


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
    invoices: Invoices
    periods: Periods
    lendings: Lendings
    holdings: Holdings
    breaks: Breaks
    rewards: Rewards
    facts: Facts
