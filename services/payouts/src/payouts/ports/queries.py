"""What is read outside a transaction: it may be old by the time that it is used."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payouts.domain.block import Block
from payouts.domain.book import Book
from payouts.domain.book_state import BookState
from payouts.domain.destination import Destination
from payouts.domain.dispute import Dispute, DisputeState
from payouts.domain.holding import Holding, Inflow
from payouts.domain.invoice import Invoice
from payouts.domain.period import Period
from payouts.domain.plan import StageKind
from payouts.domain.receivable import Receivable
from payouts.domain.refund import Refund, RefundState
from payouts.domain.stage import Stage, StageState
from payouts.domain.trial_balance import TrialBalance


@dataclass(frozen=True, slots=True)
class Queue:
    """How many there are, and since when the oldest of them exists or is due, None for none."""

    count: int
    oldest: datetime | None


class Queries(Protocol):
    """Reads outside a transaction. Pages start behind `after` ("" = first), in order of id."""

    async def book(self, campaign_id: str) -> Book | None: ...

    async def books(self, after: str, limit: int) -> list[Book]: ...

    async def books_to_close(self, after: str, limit: int) -> list[Book]:
        """Return books that are not closed, have a verdict, and hold and owe nothing but dust."""
        ...

    async def book_states(self) -> Mapping[BookState, int]:
        """Return how many books there are in each state."""
        ...

    async def shared_with_money_left(self, after: str, limit: int) -> list[str]:
        """Return the campaigns whose run by shares is finished and that still hold money."""
        ...

    async def paid_with_money_left(self, after: str, limit: int) -> list[str]:
        """Return the campaigns whose last stage is approved and that still hold backers' money.

        Not those that were cancelled: theirs is divided.
        """
        ...

    async def blocks(self, campaign_id: str, after: int, limit: int) -> list[Block]:
        """Return the blocks behind a number; `ValueError` where a document is no block."""
        ...

    async def block_with(self, cause: str) -> Block | None:
        """Return the block in which a posting of this cause was sealed."""
        ...

    async def unclaimed(self, campaign_id: str, beginning: str, limit: int) -> list[str]:
        """Return causes with this beginning that are sealed and unclaimed, in order."""
        ...

    async def books_with_unclaimed(self, after: str, limit: int) -> list[Book]:
        """Return the books whose ledger holds postings that nothing has made again."""
        ...

    async def claims_waiting(self) -> list[datetime]:
        """Return when each claim was heard that was looked at and could not be answered yet."""
        ...

    async def blocks_waiting(self) -> Mapping[str, int]:
        """Return by campaign the first block that the relay may not have published yet."""
        ...

    async def refund(self, campaign_id: str, refund_id: str) -> Refund | None: ...

    async def refunds_named(self, refund_ids: Collection[str]) -> dict[str, Refund]:
        """Return those that exist, by id, whatever campaign they are of."""
        ...

    async def refunds(self, campaign_id: str, after: str, limit: int) -> list[Refund]: ...

    async def refund_queue(
        self, state: RefundState, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        """Return refunds of all campaigns in this state, oldest first, behind (created, id)."""
        ...

    async def stage_queue(
        self, states: Collection[StageState], after: tuple[datetime, str] | None, limit: int
    ) -> list[Stage]:
        """Return stages of all campaigns in these states, the first due first, behind (due, id)."""
        ...

    async def stages_unknown(self, after: tuple[datetime, str] | None, limit: int) -> list[Stage]:
        """Return those of which nobody knows whether a leg was made, in the same order."""
        ...

    async def receivable_queue(
        self, after: tuple[datetime, str] | None, limit: int
    ) -> list[Receivable]:
        """Return open debts of all campaigns, the oldest first, behind (arisen, id)."""
        ...

    async def windows_closing(
        self, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Refund]:
        """Return refunds that wait, and whose window closes by then; the first to close first.

        Behind (closes, id).
        """
        ...

    async def reminders_due(self, now: datetime, limit: int, skip: int = 0) -> list[Refund]:
        """Return claimable refunds of whose next reminder the time has come.

        Without the first `skip` of them.
        """
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

    async def in_transit_since(self) -> datetime | None:
        """Return when the payout was asked for that its bank has not confirmed for the longest."""
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

    async def inflows(self, campaign_id: str, before: int | None, limit: int) -> list[Inflow]:
        """Return what came in from backers, by block, the newest before this number first."""
        ...

    async def providers(self, campaign_id: str) -> list[str]:
        """Return through whom the campaign's pledges came, each once."""
        ...

    async def holdings_near(self, after: str, limit: int) -> list[Holding]:
        """Return the holdings that are near their limit."""
        ...

    async def open_receivables(self) -> int:
        """Return how many debts are open, over all campaigns."""
        ...

    async def periods(self) -> list[Period]:
        """Return the months that are closed or proposed to be, in their order."""
        ...

    async def invoices(self, campaign_id: str) -> list[Invoice]:
        """Return the campaign's documents about fees, in the order in which they were issued."""
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
