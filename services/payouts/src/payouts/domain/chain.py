"""Checking a book's chain against itself and against where it must end (`money.md` 1, R4).

What a chain must be by itself is published with the contracts, and checked by the same code here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from payouts.domain.block import Block, ChainHead, published
from payouts.domain.ledger import EMPTY, Balances
from sosst_contracts.chain import Chain, Fault, Finding

__all__ = ["Fault", "Finding", "Mark", "ends_at", "mark_of", "no_longer_there", "resumed", "verify"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to which block a chain was proven, and when its book was last compared with the rest.

    `suspect` says that something was found since: the chain is read from its beginning until it
    proves itself again, with the marked block in it.
    """

    campaign_id: str
    number: int
    hash: str
    entry: int
    balances: Mapping[str, int]
    compared_at: datetime
    suspect: bool = False


def mark_of(chain: Chain, compared_at: datetime) -> Mark:
    """Return where a proven chain stands."""
    return Mark(
        chain.campaign_id, chain.number, chain.hash, chain.entry, dict(chain.balances), compared_at
    )


def resumed(mark: Mark) -> Chain:
    """Return the chain as it was proven; the marked block may be read again and is nothing new."""
    return Chain(
        mark.campaign_id,
        mark.number,
        mark.hash,
        mark.entry,
        dict(mark.balances),
        {mark.number: mark.hash} if mark.number else {},
    )


def no_longer_there(mark: Mark) -> Finding:
    """Say that the block which was proven before is gone, or is another one."""
    detail = "the block that was proven here before is no longer in the chain"
    return Finding(Fault.CUT_TAIL, mark.campaign_id, mark.number, detail)


def verify(blocks: Iterable[Block], head: ChainHead, balances: Balances) -> tuple[Finding, ...]:
    """Return everything wrong with a whole chain, given in the order of its numbers.

    `head` and `balances` are what the book says (I4): a chain that ends before it was cut.
    An empty answer is the proof.
    """
    chain, findings = Chain(""), list[Finding]()
    for block in blocks:
        chain.campaign_id = block.campaign_id
        findings += chain.take(published(block))
    return (*findings, *ends_at(chain, head, balances))


def ends_at(chain: Chain, head: ChainHead, balances: Balances) -> Iterator[Finding]:
    """Say where the chain's end is not what the book says."""
    campaign_id = chain.campaign_id
    if chain.number < head.block:
        detail = f"the chain ends at block {chain.number}, the book at {head.block}"
        yield Finding(Fault.CUT_TAIL, campaign_id, chain.number + 1, detail)
    elif (chain.number, chain.hash, chain.entry) != (head.block, head.hash, head.entry):
        detail = "the book names another head"
        yield Finding(Fault.BROKEN_LINK, campaign_id, chain.number, detail)
    elif dict(chain.balances or EMPTY) != dict(balances):
        detail = "the book's balances differ (I4)"
        yield Finding(Fault.WRONG_BALANCES, campaign_id, chain.number, detail)
