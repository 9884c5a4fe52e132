"""A published chain proves itself to whoever has this wheel, and each thing done to it is named."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.tools.examples import examples_of
from contracts.tools.folders import HERE
from sosst_contracts.chain import (
    ACCOUNTS,
    GENESIS_HASH,
    LARGEST_INTEGER,
    Chains,
    Fault,
    NotABlock,
    canonical,
    hash_of,
    read_block,
)
from sosst_contracts.payouts import BlockSealed, LedgerBalances
from sosst_contracts.testing import sample

NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXTS, INTEGERS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
Json = dict[str, Any]


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_canonical_is_rfc_8785(value: Json) -> None:
    """For objects with ASCII names, text and safe integers our bytes are the library's."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [LARGEST_INTEGER + 1, -LARGEST_INTEGER - 1, 1.5, float("nan"), {"é": 1}, "\ud800", object()],
)
def test_what_readers_could_understand_differently_is_refused(value: object) -> None:
    """Unsafe numbers, fractions, odd names and broken text are never hashed."""
    with pytest.raises(NotABlock):
        canonical({"a": [value]})


def block_after(block: Json | None, amount: int = 1_000) -> Json:
    """Return the next block of a chain: one more pledge of this amount."""
    number = block["number"] + 1 if block else 1
    held = (block["balances"]["backer_funds"] if block else 0) + amount
    made = {
        "campaign_id": "campaign-1",
        "currency": "EUR",
        "number": number,
        "previous_hash": block["hash"] if block else GENESIS_HASH,
        "first_entry": number,
        "entries": [
            {
                "number": number,
                "row": 1,
                "cause": f"txn_{number}/pledge",
                "line": 1,
                "debit": "provider_balance",
                "credit": "backer_funds",
                "amount": amount,
                "balance_transaction": f"txn_{number}",
            }
        ],
        "balances": dict.fromkeys(ACCOUNTS, 0) | {"provider_balance": held, "backer_funds": held},
        "sealed_at": "2026-03-01T12:00:00.000+00:00",
    }
    return made | {"hash": hash_of(made)}


def chain_of(length: int) -> list[Json]:
    blocks: list[Json] = []
    for _ in range(length):
        blocks.append(block_after(blocks[-1] if blocks else None))
    return blocks


def found_in(blocks: list[Json]) -> list[tuple[Fault, int]]:
    """Return what is found in these blocks, as they would stand on the topic."""
    chains = Chains()
    findings = [f for block in blocks for f in chains.take(json.dumps(block).encode())]
    assert all(finding.campaign_id == "campaign-1" for finding in findings)
    return [(finding.fault, finding.block) for finding in findings]


def changed(block: Json, **changes: Any) -> Json:
    return block | changes


def resealed(block: Json, **changes: Any) -> Json:
    made = block | changes
    return made | {"hash": hash_of(made)}


def entry_changed(block: Json, **changes: Any) -> Json:
    return changed(block, entries=[block["entries"][0] | changes])


def test_a_whole_chain_has_no_findings() -> None:
    """Blocks as sealed prove themselves, also when each comes twice."""
    blocks = chain_of(4)
    assert found_in(blocks) == []
    assert found_in([block for block in blocks for _ in (1, 2)]) == []
    assert found_in([*blocks, *blocks]) == []


def test_a_later_minor_version_is_proven_by_this_release() -> None:
    """A field that this release does not know is hashed with the rest, and changing it is found."""
    block = resealed(chain_of(1)[0], surprise="new")
    assert found_in([block]) == []
    assert found_in([changed(block, surprise="other")]) == [(Fault.TAMPERED, 1)]


Spoil = Callable[[list[Json]], list[Json]]
SPOILT: dict[str, tuple[Spoil, list[tuple[Fault, int]]]] = {
    "an amount": (
        lambda b: [b[0], entry_changed(b[1], amount=5), *b[2:]],
        [(Fault.TAMPERED, 2), (Fault.WRONG_BALANCES, 2)],
    ),
    "a cause": (
        lambda b: [b[0], entry_changed(b[1], cause="other"), *b[2:]],
        [(Fault.TAMPERED, 2)],
    ),
    "a time": (
        lambda b: [b[0], changed(b[1], sealed_at="2026-03-01T12:00:00.001+00:00"), *b[2:]],
        [(Fault.TAMPERED, 2)],
    ),
    "a hash": (
        lambda b: [b[0], changed(b[1], hash="f" * 64), *b[2:]],
        [(Fault.TAMPERED, 2), (Fault.BROKEN_LINK, 3)],
    ),
    "a resealed block": (
        lambda b: [b[0], resealed(b[1], sealed_at="2026-03-01T12:00:00.001+00:00"), *b[2:]],
        [(Fault.BROKEN_LINK, 3)],
    ),
    "a removed block": (lambda b: [*b[:1], *b[2:]], [(Fault.GAP, 2)]),
    "three removed blocks": (lambda b: b[3:], [(Fault.GAP, 1)]),
    "two blocks with one number": (
        lambda b: [*b[:2], block_after(b[0], 7), *b[2:]],
        [(Fault.TAMPERED, 2), (Fault.DUPLICATE_CAUSE, 2)],
    ),
    "a cause posted twice": (
        lambda b: [
            *b[:3],
            resealed(b[3], entries=[b[3]["entries"][0] | {"cause": "txn_1/pledge"}]),
        ],
        [(Fault.DUPLICATE_CAUSE, 4)],
    ),
    "entries out of order": (
        lambda b: [*b[:3], resealed(b[3], first_entry=9)],
        [(Fault.GAP, 4), (Fault.GAP, 4)],
    ),
    "money that is nobody's": (
        lambda b: [*b[:3], resealed(b[3], balances=b[3]["balances"] | {"provider_balance": 1})],
        [(Fault.WRONG_BALANCES, 4), (Fault.WRONG_BALANCES, 4)],
    ),
    "an account of a later release": (
        lambda b: [*b[:3], resealed(b[3], balances=b[3]["balances"] | {"new": 0})],
        [(Fault.UNKNOWN_ACCOUNT, 4)],
    ),
    "no entries": (
        lambda b: [*b[:3], resealed(b[3], entries=[], balances=b[2]["balances"])],
        [(Fault.UNREADABLE, 4)],
    ),
    "entries that are none": (
        lambda b: [*b[:3], resealed(b[3], entries=[7])],
        [(Fault.UNREADABLE, 4)],
    ),
    "a number that is none": (
        lambda b: [*b[:3], resealed(b[3], number="4")],
        [(Fault.UNREADABLE, 4)],
    ),
    "a fraction": (lambda b: [*b[:3], changed(b[3], first_entry=4.0)], [(Fault.UNREADABLE, 4)]),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_done_to_a_chain_is_found_and_named(what: str) -> None:
    """Fault and block are told, and what is wrong with one block is not held against the next."""
    spoil, expected = SPOILT[what]
    assert found_in(spoil(chain_of(4))) == expected


@given(st.binary(max_size=40) | st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps))
def test_any_bytes_are_a_finding(value: bytes | str) -> None:
    """What is no block is told as such; nothing raises."""
    raw = value.encode() if isinstance(value, str) else value
    assert [finding.fault for finding in Chains().take(raw)] == [Fault.UNREADABLE]
    assert [finding.fault for finding in Chains().take(None)] == [Fault.UNREADABLE]


@given(st.sampled_from(sorted(chain_of(1)[0])), VALUES)
def test_a_block_with_any_field_replaced_is_a_finding(name: str, value: object) -> None:
    """Whatever stands in a field instead, it is told and nothing raises."""
    block = chain_of(1)[0]
    if name != "campaign_id" and block[name] != value:
        assert found_in([block | {name: value}])


def test_a_name_that_stands_twice_is_refused() -> None:
    """Two readers could see two blocks."""
    with pytest.raises(NotABlock):
        read_block(b'{"number": 1, "number": 2}')


def test_the_examples_are_a_true_chain() -> None:
    """Two named examples follow each other, every example's hash is true, and so is a sample's."""
    blocks = {p.stem: json.loads(p.read_text()) for p in examples_of(HERE, BlockSealed)}
    assert found_in([blocks["typical"], blocks["next-block"]]) == []
    written = {name: block["hash"] for name, block in blocks.items()}
    assert {name: hash_of(block) for name, block in blocks.items()} == written
    event = sample(BlockSealed)
    assert event.hash == hash_of(json.loads(event.model_dump_json(exclude_none=True)))


def test_the_hash_needs_nothing_of_ours() -> None:
    """SHA-256 of the RFC 8785 JSON of a record's value without its hash, by other libraries."""
    value = sample(BlockSealed).model_dump_json(exclude_none=True)
    content = json.loads(value)
    assert content.pop("hash") == hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def test_the_event_names_the_accounts() -> None:
    """Balances on the wire are those of the accounts that can be added up."""
    assert set(LedgerBalances.model_fields) == ACCOUNTS
