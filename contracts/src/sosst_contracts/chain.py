"""The chain of a campaign's blocks on `payouts.ledger`: how it is hashed, and what proves it.

Standard library only, so that anybody can check the ledger, and read in one page how. The hash of
a block is SHA-256 of the RFC 8785 JSON of everything in it but the hash itself, fields that a
later minor version adds included. A block holds objects with ASCII names, arrays, text and
integers below 2^53; for those the standard library's compact, sorted JSON is RFC 8785.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Block = Mapping[str, Any]

LARGEST_INTEGER = 2**53 - 1
GENESIS_HASH = "0" * 64

# A balance is kept on its account's own side: positive means "on its side".
DEBIT_ACCOUNTS = frozenset(
    {
        "provider_balance",
        "creator_account",
        "provider_costs",
        "disputed_at_scheme",
        "creator_receivable",
        "compensation_costs",
        "loss_costs",
    }
)
HELD_ACCOUNTS = (
    "backer_funds",
    "creator_payable",
    "payouts_in_flight",
    "refunds_in_flight",
    "claimable",
)
CREDIT_ACCOUNTS = frozenset(HELD_ACCOUNTS) | {
    "disputes_reserved",
    "tax_payable",
    "platform_fee_income",
    "processing_fee_income",
}
# May stand on either side; credits count as positive.
EITHER_ACCOUNTS = frozenset({"platform_current"})
CASH_ACCOUNTS = ("provider_balance", "creator_account")
ACCOUNTS = DEBIT_ACCOUNTS | CREDIT_ACCOUNTS | EITHER_ACCOUNTS
# Every block states these; an account of a later minor version is stated while it is not zero.
STATED_ACCOUNTS = frozenset({*CASH_ACCOUNTS, "provider_costs", *HELD_ACCOUNTS, "platform_current"})


class Fault(StrEnum):
    """What can be wrong with a chain."""

    UNREADABLE = "unreadable"
    GAP = "gap"
    TAMPERED = "tampered"
    BROKEN_LINK = "broken-link"
    DUPLICATE_CAUSE = "duplicate-cause"
    WRONG_BALANCES = "wrong-balances"
    CUT_TAIL = "cut-tail"
    UNKNOWN_ACCOUNT = "unknown-account"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the chain of this campaign, at this block."""

    fault: Fault
    campaign_id: str
    block: int
    detail: str

    def __str__(self) -> str:
        return f"campaign {self.campaign_id}, block {self.block}: {self.fault}: {self.detail}"


class NotABlock(ValueError):
    """Not JSON of the kind that a block is made of."""


def hash_of(block: Block) -> str:
    """Return what the block's hash must be, from everything in it but `hash`."""
    content = {name: value for name, value in block.items() if name != "hash"}
    return hashlib.sha256(canonical(content)).hexdigest()


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the RFC 8785 JSON of what a block may hold; raises `NotABlock` for anything else."""
    _refuse_unsafe(value)
    try:
        return json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        ).encode()
    except UnicodeEncodeError:
        raise NotABlock("half a surrogate pair is no text") from None


def _refuse_unsafe(value: object) -> None:
    # By exact type first: a block has thousands of values, nearly all of them text and numbers.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:  # type: ignore[operator]
            raise NotABlock(f"{value} is not safe in JSON")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not name.isascii():
                raise NotABlock(f"the name {name!r} is not ASCII")
            _refuse_unsafe(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_unsafe(inner)
    else:
        raise NotABlock(f"a block holds no {kind.__name__}")


def read_block(value: bytes) -> dict[str, Any]:
    """Return the block that a record's value holds, as it stands there; raises `NotABlock`.

    A name that stands twice in one object is refused: two readers could see two blocks.
    """
    try:
        block = json.loads(value, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise NotABlock(f"not JSON: {type(error).__name__}") from None
    if not isinstance(block, dict):
        raise NotABlock("not an object")
    return block


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


@dataclass(slots=True)
class Chain:
    """One campaign's chain, block after block, in the order in which they were read.

    It remembers where the chain stands, the hash of every block, and every cause. What is found
    wrong with one block is not held against the next.
    """

    campaign_id: str
    number: int = 0
    hash: str = GENESIS_HASH
    entry: int = 0
    balances: Mapping[str, int] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)
    _causes: set[tuple[str, int]] = field(default_factory=set)

    def take(self, block: Block) -> list[Finding]:
        """Return everything that is wrong with the next block, nothing if it proves itself.

        The same block again is nothing new, because records may come twice. Never raises.
        """
        number = block.get("number")
        number = number if type(number) is int else self.number + 1
        try:
            truth = hash_of(block)
            if self.hashes.get(number) == truth == block["hash"]:
                return []
            found = [*self._order(block), *self._contents(block, truth)]
            self._move(block, truth)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            detail = str(error) if isinstance(error, NotABlock) else f"{type(error).__name__}"
            return [self._finding(Fault.UNREADABLE, number, detail)]
        return found

    def _order(self, block: Block) -> Iterator[Finding]:
        number = block["number"]
        if number <= self.number:
            yield self._finding(Fault.TAMPERED, number, f"comes after block {self.number}")
        elif number > self.number + 1:
            missing = self.number + 1
            until = f" to {number - 1}" if number - 1 > missing else ""
            detail = f"missing{until}: block {number} follows block {self.number}"
            yield self._finding(Fault.GAP, missing, detail)
        elif block["previous_hash"] != self.hash:
            detail = "does not name the hash of the block before"
            yield self._finding(Fault.BROKEN_LINK, number, detail)
        if number == self.number + 1 and block["first_entry"] != self.entry + 1:
            detail = f"entry {block['first_entry']} follows {self.entry}"
            yield self._finding(Fault.GAP, number, detail)

    def _contents(self, block: Block, truth: str) -> Iterator[Finding]:
        number, entries = block["number"], block["entries"]
        if block["hash"] != truth:
            detail = "its hash is not the hash of its content"
            yield self._finding(Fault.TAMPERED, number, detail)
        if not entries:
            yield self._finding(Fault.UNREADABLE, number, "has no entries")
        for expected, entry in enumerate(entries, start=block["first_entry"]):
            if entry["number"] != expected:
                detail = f"entry {entry['number']} is out of order"
                yield self._finding(Fault.GAP, number, detail)
            cause = (entry["cause"], entry["line"])
            if cause in self._causes:
                detail = f"{entry['cause']} is posted twice"
                yield self._finding(Fault.DUPLICATE_CAUSE, number, detail)
            self._causes.add(cause)
        yield from self._balances(block, number)

    def _balances(self, block: Block, number: int) -> Iterator[Finding]:
        balances, entries = block["balances"], block["entries"]
        named = {entry[side] for entry in entries for side in ("debit", "credit")} | set(balances)
        if unknown := sorted(named - ACCOUNTS):
            detail = f"{', '.join(unknown)}: this release is too old to add the balances up"
            yield self._finding(Fault.UNKNOWN_ACCOUNT, number, detail)
        elif number == self.number + 1 and _stated(balances) != fold(self.balances, entries):
            detail = "balances are not the fold of entries"
            yield self._finding(Fault.WRONG_BALANCES, number, detail)
        for detail in broken_invariants(balances):
            yield self._finding(Fault.WRONG_BALANCES, number, detail)

    def _move(self, block: Block, truth: str) -> None:
        self.hashes.setdefault(block["number"], truth)
        if block["number"] > self.number:
            self.number, self.hash = block["number"], block["hash"]
            self.entry = block["first_entry"] + len(block["entries"]) - 1
            self.balances = block["balances"]

    def _finding(self, fault: Fault, block: int, detail: str) -> Finding:
        return Finding(fault, self.campaign_id, block, detail)


class Chains:
    """The chains of all campaigns, from the values of the records of `payouts.ledger`."""

    def __init__(self) -> None:
        self.by_campaign: dict[str, Chain] = {}

    def take(self, value: bytes | None) -> list[Finding]:
        """Return everything that is wrong with the block in this value; never raises."""
        try:
            block = read_block(value or b"")
            campaign_id = block["campaign_id"]
            if not isinstance(campaign_id, str):
                raise NotABlock("campaign_id is no text")
        except (NotABlock, LookupError) as error:
            return [Finding(Fault.UNREADABLE, "unknown", 0, str(error))]
        chain = self.by_campaign.setdefault(campaign_id, Chain(campaign_id))
        return chain.take(block)


def fold(balances: Mapping[str, int], entries: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the balances of all accounts after the entries."""
    after = {account: balances.get(account, 0) for account in ACCOUNTS}
    for entry in entries:
        amount = entry["amount"]
        after[entry["debit"]] += amount if entry["debit"] in DEBIT_ACCOUNTS else -amount
        after[entry["credit"]] += -amount if entry["credit"] in DEBIT_ACCOUNTS else amount
    return after


def _stated(balances: Mapping[str, int]) -> dict[str, int]:
    later = {account: balances.get(account, 0) for account in ACCOUNTS - STATED_ACCOUNTS}
    return later | {account: balances[account] for account in STATED_ACCOUNTS}


def broken_invariants(balances: Mapping[str, int]) -> Iterator[str]:
    """Say what no true book shows: I1 an account on its wrong side, I2 cash that is nobody's."""
    for account in sorted(DEBIT_ACCOUNTS | CREDIT_ACCOUNTS):
        if balances.get(account, 0) < 0:
            yield f"I1: {account} is {-balances[account]} on the wrong side"
    cash = sum(balances[account] for account in CASH_ACCOUNTS)
    held = sum(balances[account] for account in HELD_ACCOUNTS)
    if cash != held:
        yield f"I2: cash outside is {cash}, held for people is {held}"
