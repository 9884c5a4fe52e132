"""Proving the books: every chain against itself, its book, and what was published of it (R4).

Order matters while the service runs. The database is read first, then what waits in the outbox,
then the topic: a block that is kept, does not wait, and is not on the topic was taken away. Where
the topic is ahead, the database is read once more: it can only have caught up.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from payouts.domain.block import published
from payouts.domain.book import Book
from payouts.domain.chain import Fault, Finding, Mark, ends_at, no_longer_there, resumed
from payouts.handlers.sign_heads import Signed
from payouts.ports.integrity import LedgerTopic
from payouts.ports.queries import Queries
from sosst_contracts.chain import Chain, Chains
from sosst_contracts.codec import Decoded, Unusable, decode

PAGE = 100
DATABASE, TOPIC, BOTH = "database", "topic", "database and topic"
SIGNED = "database against signatures"


@dataclass(slots=True)
class Proof:
    """What was read, and what is wrong with it, each with the side on which it was found."""

    findings: list[tuple[str, Finding]] = field(default_factory=list)
    heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    blocks: int = 0
    waiting: int = 0
    chains: dict[str, Chain] = field(default_factory=dict)

    def add(self, side: str, findings: Iterator[Finding] | list[Finding]) -> None:
        self.findings += [(side, finding) for finding in findings]

    def count(self, chain: Chain) -> None:
        self.chains[chain.campaign_id] = chain
        self.heads[chain.campaign_id] = (chain.number, chain.hash)
        self.blocks += len(chain.hashes)


async def verify_from_topic(topic: LedgerTopic, campaign_id: str | None) -> Proof:
    """Prove what was published by itself; a tail that was cut off shows in the database only."""
    proof = Proof()
    for chain in (await _read_topic(topic, campaign_id, proof)).values():
        proof.count(chain)
    return proof


async def verify_ledger(queries: Queries, topic: LedgerTopic, campaign_id: str | None) -> Proof:
    """Prove the database's chains, the published ones, and that both are the same."""
    proof = Proof()
    kept: dict[str, tuple[Chain, list[Finding]]] = {}
    async for book in _books(queries, campaign_id):
        kept[book.campaign_id] = await check_book(queries, book)
    waiting = await queries.blocks_waiting()
    told = await _read_topic(topic, campaign_id, proof)
    for one in sorted(kept.keys() | told.keys()):
        public = told.get(one, Chain(one))
        own, findings = kept.get(one, (Chain(one), []))
        if public.number > own.number and (book_now := await queries.book(one)):
            own, findings = await check_book(queries, book_now)
        proof.add(DATABASE, findings)
        first_waiting = waiting.get(one, own.number + 1)
        proof.waiting += max(0, own.number + 1 - max(first_waiting, public.number + 1))
        _compare(proof, own, public, first_waiting)
        proof.count(own)
    return proof


def compare_signed(proof: Proof, signed: Signed, campaign_id: str | None) -> None:
    """Name each campaign whose chain no longer contains a head that was signed: the earliest."""
    for one, heads in sorted(signed.heads.items()):
        if campaign_id not in (None, one):
            continue
        chain = proof.chains.get(one, Chain(one))
        lost = [(day, h) for day, h in heads if chain.hashes.get(h.number) != h.hash]
        if lost:
            day, head = min(lost, key=lambda one: one[1].number)
            detail = f"the chain no longer contains the head that was signed on {day}"
            proof.add(SIGNED, [Finding(Fault.CUT_TAIL, one, head.number, detail)])


async def check_book(queries: Queries, book: Book) -> tuple[Chain, list[Finding]]:
    """Read one book's chain as far as the book says; return it, and what is wrong with it."""
    chain, findings = Chain(book.campaign_id), list[Finding]()
    async for block in _blocks(queries, book, findings):
        findings += chain.take(block)
    return chain, [*findings, *ends_at(chain, book.head, book.sealed_balances)]


async def check_book_since(queries: Queries, book: Book, mark: Mark) -> tuple[Chain, list[Finding]]:
    """Read what follows the mark, and the marked block once more, which must still be there."""
    chain, findings = resumed(mark), list[Finding]()
    first = None
    async for block in _blocks(queries, book, findings, max(0, mark.number - 1)):
        first = first or block["number"]
        findings += chain.take(block)
    if mark.number and first != mark.number:
        findings.append(no_longer_there(mark))
    return chain, [*findings, *ends_at(chain, book.head, book.sealed_balances)]


def _compare(proof: Proof, own: Chain, public: Chain, first_waiting: int) -> None:
    """Name the first block in which the two differ; what lies behind it follows from it."""
    for number in sorted(own.hashes.keys() | public.hashes.keys()):
        ours, theirs = own.hashes.get(number), public.hashes.get(number)
        if ours is None and number > own.number:
            detail = f"the chain ends at block {own.number}, the topic has more"
            return proof.add(DATABASE, [_cut(own, number, detail)])
        if theirs is None and public.number < number < first_waiting:
            detail = f"the chain ends at block {public.number}, the database has more"
            return proof.add(TOPIC, [_cut(own, number, detail)])
        if None not in (ours, theirs) and ours != theirs:
            detail = "they hold different blocks under this number"
            return proof.add(BOTH, [Finding(Fault.TAMPERED, own.campaign_id, number, detail)])
    return None


def _cut(chain: Chain, number: int, detail: str) -> Finding:
    return Finding(Fault.CUT_TAIL, chain.campaign_id, number, detail)


async def _read_topic(
    topic: LedgerTopic, campaign_id: str | None, proof: Proof
) -> dict[str, Chain]:
    chains = Chains()
    async for record in topic.records():
        if campaign_id is not None and record.key != campaign_id.encode():
            continue
        match decode(record):
            case Decoded():
                proof.add(TOPIC, chains.take(record.value))
            case Unusable(reason, detail, key, sequence):
                about = f"{reason}: {detail}"
                finding = Finding(Fault.UNREADABLE, key or "unknown", sequence or 0, about)
                proof.add(TOPIC, [finding])
    return chains.by_campaign


async def _books(queries: Queries, campaign_id: str | None) -> AsyncIterator[Book]:
    if campaign_id is not None:
        if book := await queries.book(campaign_id):
            yield book
        return
    after = ""
    while page := await queries.books(after, PAGE):
        for book in page:
            yield book
        after = page[-1].campaign_id


async def _blocks(
    queries: Queries, book: Book, findings: list[Finding], after: int = 0
) -> AsyncIterator[dict[str, object]]:
    """Yield the blocks up to the book's head; blocks may be added meanwhile.

    A document that is no block any more is found by reading one at a time.
    """
    limit = PAGE
    while after < book.head.block:
        try:
            page = await queries.blocks(book.campaign_id, after, limit)
        except ValueError:
            if limit == 1:
                about = "its document is no block"
                findings.append(Finding(Fault.UNREADABLE, book.campaign_id, after + 1, about))
                after += 1
            limit = 1
            continue
        for block in page:
            if block.number <= book.head.block:
                yield published(block)
        if not page:
            return
        after = page[-1].number
