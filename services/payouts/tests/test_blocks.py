"""The chain of blocks: canonical bytes, sealing, and what verification finds."""

from dataclasses import replace
from datetime import timedelta

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from payouts.domain import postings
from payouts.domain.block import (
    ENTRIES_PER_BLOCK_MAX,
    ENTRY_BYTES,
    Block,
    ChainHead,
    content,
    hash_of,
    seal,
)
from payouts.domain.book import seal_into, take_back
from payouts.domain.chain import Fault, verify
from payouts.domain.errors import Refused
from payouts.domain.ledger import CASH, EMPTY, HELD, SIDES, Account, Entry, Side
from payouts.wire import block_draft
from services.payouts.tests.builders import NOW, a_book
from sosst_contracts.chain import (
    CASH_ACCOUNTS,
    CREDIT_ACCOUNTS,
    DEBIT_ACCOUNTS,
    EITHER_ACCOUNTS,
    GENESIS_HASH,
    HELD_ACCOUNTS,
    LARGEST_INTEGER,
    canonical,
)
from sosst_contracts.codec import VALUE_BYTES_MAX

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


PLEDGES = st.tuples(TEXTS, st.integers(1, 900_000_000))


@given(st.lists(PLEDGES, min_size=1, max_size=5, unique_by=lambda pledge: pledge[0]))
def test_a_block_is_canonical(pledges: list[tuple[str, int]]) -> None:
    """A real block, whatever the ids from outside hold, has the library's bytes."""
    made = [postings.pledge_collected(amount, 1, text) for text, amount in pledges]
    for block in seal("campaign-1", "EUR", ChainHead(), EMPTY, made, NOW):
        assert canonical(content(block)) == rfc8785.dumps(content(block))  # type: ignore[arg-type]


def test_what_cannot_be_shown_is_not_sealed() -> None:
    """An id that is half a character is refused before anything is posted."""
    with pytest.raises(Refused, match="surrogate"):
        seal("c", "EUR", ChainHead(), EMPTY, [postings.pledge_collected(1, 1, "\ud800")], NOW)


def test_the_contract_adds_up_as_the_ledger_does() -> None:
    """Every account stands on the same side in the rules that post and in the published proof."""
    for side, published_accounts in (
        (Side.DEBIT, DEBIT_ACCOUNTS),
        (Side.CREDIT, CREDIT_ACCOUNTS),
        (Side.EITHER, EITHER_ACCOUNTS),
    ):
        assert {account for account, own in SIDES.items() if own is side} == published_accounts
    assert set(HELD) == set(HELD_ACCOUNTS) and set(CASH_ACCOUNTS) == CASH


def test_no_block_is_earlier_than_the_one_before() -> None:
    """A process whose clock is behind seals next: the chain's times never go back."""
    made = [postings.pledge_collected(5, 1, "txn_1")]
    (ahead,) = seal("c", "EUR", ChainHead(), EMPTY, made, NOW + timedelta(seconds=2))
    made = [postings.pledge_collected(5, 1, "txn_2")]
    (behind,) = seal("c", "EUR", ahead.head, ahead.balances, made, NOW)
    assert behind.sealed_at == ahead.sealed_at
    made = [postings.pledge_collected(5, 1, "txn_3")]
    (after,) = seal("c", "EUR", behind.head, behind.balances, made, NOW + timedelta(seconds=9))
    assert after.sealed_at == NOW + timedelta(seconds=9)


def chain(pledges: int = 4) -> tuple[Block, ...]:
    blocks: tuple[Block, ...] = ()
    head, balances = ChainHead(), EMPTY
    for number in range(pledges):
        made = [postings.pledge_collected(1000 + number, 30, f"txn_{number}")]
        blocks += seal("campaign-1", "EUR", head, balances, made, NOW)
        head, balances = blocks[-1].head, blocks[-1].balances
    return blocks


def faults(blocks: tuple[Block, ...], whole: tuple[Block, ...]) -> set[Fault]:
    found = verify(blocks, whole[-1].head, whole[-1].balances)
    return {finding.fault for finding in found}


def test_a_whole_chain_has_no_findings() -> None:
    """Blocks as sealed verify, from the genesis hash to the book's head."""
    blocks = chain()
    assert blocks[0].previous_hash == GENESIS_HASH
    assert faults(blocks, blocks) == set()
    assert verify((), ChainHead(), EMPTY) == ()


def test_a_tampered_entry_is_found() -> None:
    """Changing an amount inside a block changes its hash and its balances."""
    blocks = chain()
    first = blocks[1].entries[0]
    forged = replace(first, entry=Entry(Account.PROVIDER_BALANCE, Account.BACKER_FUNDS, 5))
    entries = (forged, *blocks[1].entries[1:])
    changed = (blocks[0], replace(blocks[1], entries=entries), *blocks[2:])
    assert faults(changed, blocks) == {Fault.TAMPERED, Fault.WRONG_BALANCES}


def test_a_resealed_block_breaks_the_link() -> None:
    """A forger who also makes the new hash is found by the block after."""
    blocks = chain()
    forged = seal(
        "campaign-1",
        "EUR",
        blocks[0].head,
        blocks[0].balances,
        [postings.pledge_collected(1001, 30, "another")],
        NOW,
    )
    assert faults((blocks[0], *forged, *blocks[2:]), blocks) == {Fault.BROKEN_LINK}


def test_a_missing_block_is_a_gap() -> None:
    """A block left out in the middle is found."""
    blocks = chain()
    assert Fault.GAP in faults((*blocks[:1], *blocks[2:]), blocks)


def test_a_cut_tail_is_found() -> None:
    """A chain that ends before the book's head was cut."""
    blocks = chain()
    assert faults(blocks[:-1], blocks) == {Fault.CUT_TAIL}
    assert faults((), blocks) == {Fault.CUT_TAIL}


def test_a_cause_posted_twice_is_found() -> None:
    """Two postings of one cause are a duplicate, in one block or in two, whoever let them in."""
    made = [postings.pledge_collected(10, 1, name) for name in ("txn_1", "txn_2")]
    (block,) = seal("campaign-1", "EUR", ChainHead(), EMPTY, made, NOW)
    again = [replace(one, cause=block.entries[0].cause) for one in block.entries]
    wrong = replace(block, entries=tuple(again))
    resealed = replace(wrong, hash=hash_of(wrong))
    assert faults((resealed,), (resealed,)) == {Fault.DUPLICATE_CAUSE}
    follows = seal("campaign-1", "EUR", block.head, block.balances, made[:1], NOW)
    assert faults((block, *follows), (block, *follows)) == {Fault.DUPLICATE_CAUSE}


@pytest.mark.trap(13)
@pytest.mark.parametrize("between", [0, ENTRIES_PER_BLOCK_MAX])
def test_a_cause_is_not_sealed_twice(between: int) -> None:
    """Neither within a block, which no unique index sees, nor in two blocks of one group (R1)."""
    others = [postings.pledge_collected(10, 0, f"txn_{number}") for number in range(between)]
    twice = postings.pledge_collected(10, 1, "txn-twice")
    with pytest.raises(Refused, match="txn-twice") as refused:
        seal("campaign-1", "EUR", ChainHead(), EMPTY, [twice, *others, twice], NOW)
    assert refused.value.reason == "posted-twice"


@pytest.mark.trap(13)
def test_what_was_sealed_before_is_not_claimed_twice() -> None:
    """A recovered book takes each posting of its published blocks back once (R1)."""
    posting = postings.pledge_collected(10, 1, "txn-twice")
    _, blocks = seal_into(a_book(), [posting], NOW)
    recovered, sealed = take_back(a_book(), blocks[0]), {posting.cause: posting}
    with pytest.raises(Refused, match="txn-twice"):
        seal_into(recovered, [posting, posting], NOW, sealed)
    claimed, fresh = seal_into(recovered, [posting], NOW, sealed)
    assert (claimed.unclaimed, claimed.balances, fresh) == (0, blocks[0].balances, ())


def test_another_head_or_other_balances_are_found() -> None:
    """The book's own head and balances are held against the chain (I4)."""
    blocks = chain()
    end = blocks[-1]
    other = ChainHead(end.head.block, "f" * 64, end.head.entry)
    assert [f.fault for f in verify(blocks, other, end.balances)] == [Fault.BROKEN_LINK]
    assert [f.fault for f in verify(blocks, end.head, EMPTY)] == [Fault.WRONG_BALANCES]


def test_blocks_hold_at_most_500_entries_and_whole_postings() -> None:
    """A large group becomes several blocks; no posting is split between two."""
    made = [postings.pledge_collected(100, 1, f"txn_{n}") for n in range(251)]
    made.insert(0, postings.pledge_collected(100, 0, "txn-without-fee"))
    blocks = seal("campaign-1", "EUR", ChainHead(), EMPTY, made, NOW)
    assert [len(block.entries) for block in blocks] == [ENTRIES_PER_BLOCK_MAX - 1, 4]
    assert faults(blocks, blocks) == set()


@pytest.mark.parametrize(
    ("letter", "length", "per_block"),
    [("x", 66, 500), ("x", 200, 336), ("𝄞", 200, 111), ("\x01", 200, 76)],
)
def test_every_block_fits_an_event(letter: str, length: int, per_block: int) -> None:
    """500 entries fit with ids as providers give them; with longer ones a block holds fewer."""
    ids = [f"{number:03}{letter * (length - 3)}" for number in range(500)]
    made = [postings.pledge_collected(900_000_000, 0, one) for one in ids]
    blocks = seal(letter * 200, "EUR", ChainHead(), EMPTY, made, NOW)
    assert len(blocks[0].entries) == per_block
    for block in blocks:
        value = block_draft(block).seal(block.number).value
        assert value is not None and len(value) <= VALUE_BYTES_MAX
    assert faults(blocks, blocks) == set()


def test_an_entry_is_never_larger_than_it_was_taken_for() -> None:
    """The longest names and numbers, without the texts from outside, stay within the allowance."""
    longest = max((account.value for account in Account), key=len)
    numbers = {"amount": LARGEST_INTEGER, "number": LARGEST_INTEGER, "line": 500, "row": 99}
    texts = {"balance_transaction": "", "cause": "", "credit": longest, "debit": longest}
    assert len(canonical(numbers | texts)) + len(",") <= ENTRY_BYTES


def test_nothing_to_post_is_no_block() -> None:
    """An empty group appends nothing."""
    assert seal("campaign-1", "EUR", ChainHead(), EMPTY, [], NOW) == ()
