"""What a creator is told of a campaign's money with a stage: made of the book's entries alone.

Each entry that touches `backer_funds` or `creator_payable` is counted by the account on its other
side, so that the lines add up to the balances whatever happened.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from payouts.domain.block import Block, ChainHead
from payouts.domain.errors import InvariantBroken
from payouts.domain.fees import Fees
from payouts.domain.ledger import EMPTY, Account, Balances, Entry

# The campaign's money also pays what the platform had given its backers in its stead.
RETURNED = frozenset({Account.REFUNDS_IN_FLIGHT, Account.CLAIMABLE, Account.COMPENSATION_COSTS})
CHARGED_BACK = frozenset(
    {Account.DISPUTES_RESERVED, Account.DISPUTED_AT_SCHEME, Account.LOSS_COSTS}
)
FEES = (Account.PLATFORM_FEE_INCOME, Account.PROCESSING_FEE_INCOME, Account.TAX_PAYABLE)
# All that `backer_funds` is ever moved against.
KNOWN = RETURNED | CHARGED_BACK | {*FEES, Account.PROVIDER_BALANCE, Account.CREATOR_PAYABLE}


@dataclass(frozen=True, slots=True)
class Statement:
    """A campaign's money as of a block; amounts in minor units.

    collected − returned − charged_back − approved − fees = remaining, and
    approved = paid + set_off + waiting. `returned` is promised to backers: `returning` of it, and
    of what the platform advanced, has not left yet. `fees` are those that the campaign's money
    paid, `debt` is what the creator owes.
    """

    as_of: datetime | None
    head: ChainHead
    collected: int
    returned: int
    returning: int
    charged_back: int
    fees: Fees
    approved: int
    paid: int
    set_off: int
    waiting: int
    remaining: int
    debt: int


@dataclass(slots=True)
class StatementOf:
    """Folds a book's blocks, in order; of none anything is kept."""

    _funds: Counter[Account] = field(default_factory=Counter)
    _payable: Counter[Account] = field(default_factory=Counter)
    _balances: Balances = field(default_factory=lambda: dict(EMPTY))
    _head: ChainHead = field(default_factory=ChainHead)
    _as_of: datetime | None = None

    def take(self, block: Block) -> None:
        self._count(sealed.entry for sealed in block.entries)
        self._balances, self._head, self._as_of = block.balances, block.head, block.sealed_at

    def _count(self, entries: Iterable[Entry]) -> None:
        counted = (Account.BACKER_FUNDS, self._funds), (Account.CREATOR_PAYABLE, self._payable)
        for entry in entries:
            for account, sums in counted:
                if entry.credit is account:
                    sums[entry.debit] += entry.amount
                if entry.debit is account:
                    sums[entry.credit] -= entry.amount

    def made(self) -> Statement:
        """Return it; raises `InvariantBroken` where its lines are not what the book has."""
        funds, held = self._funds, self._balances
        strange = sorted(account for account in funds if account not in KNOWN)
        if strange or sum(funds.values()) != held[Account.BACKER_FUNDS]:
            raise InvariantBroken(f"a statement does not add up to its book: {strange}")
        platform, processing, tax = (-funds[account] for account in FEES)
        approved = -funds[Account.CREATOR_PAYABLE]
        set_off = -self._payable[Account.CREATOR_RECEIVABLE]
        waiting = held[Account.CREATOR_PAYABLE] + held[Account.PAYOUTS_IN_FLIGHT]
        return Statement(
            as_of=self._as_of,
            head=self._head,
            collected=funds[Account.PROVIDER_BALANCE],
            returned=-sum(funds[account] for account in RETURNED),
            returning=held[Account.REFUNDS_IN_FLIGHT] + held[Account.CLAIMABLE],
            charged_back=-sum(funds[account] for account in CHARGED_BACK),
            fees=Fees(platform, processing, tax),
            approved=approved,
            paid=approved - set_off - waiting,
            set_off=set_off,
            waiting=waiting,
            remaining=held[Account.BACKER_FUNDS],
            debt=held.get(Account.CREATOR_RECEIVABLE, 0),
        )
