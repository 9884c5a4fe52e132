"""Checking a book's chain against itself and against where it must end (`money.md` 1, R4).

What a chain must be by itself is published with the contracts, and checked by the same code here.
"""

from collections.abc import Iterable, Iterator

from payouts.domain.block import Block, ChainHead, published
from payouts.domain.ledger import EMPTY, Balances
from sosst_contracts.chain import Chain, Fault, Finding

__all__ = ["Fault", "Finding", "ends_at", "verify"]


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
