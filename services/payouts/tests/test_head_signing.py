"""Once a day all heads are signed: a chain that lost one is named by the database alone."""

import base64
import hashlib
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import REGISTRY

from payouts.adapters.ledger_keys import LedgerKeys
from payouts.commands import perform_verify_ledger
from payouts.domain.book import Book
from payouts.domain.chain import Fault
from payouts.domain.head_signing import HEADS_PER_PAGE, DaySigned, Head, draft
from payouts.handlers.sign_heads import read_signed, sign_heads
from payouts.handlers.verify_ledger import SIGNED, Proof, compare_signed, verify_ledger
from payouts.sweeps.books import SignHeads
from servicekit.problems import install_problems
from services.payouts.tests.builders import NOW
from services.payouts.tests.conftest import CAMPAIGN, KEYS, SEEDS, Payouts
from services.payouts.tests.test_http import api_of, problem
from services.payouts.tests.test_verify_ledger import Books, books, relay
from sosst_contracts.chain import canonical

__all__ = ["books"]
DAY = timedelta(days=1)


async def sign(payouts: Payouts, keys: LedgerKeys = KEYS) -> DaySigned | None:
    return await sign_heads(payouts.queries, payouts.signatures, keys, payouts.clock.now())


async def three_days(payouts: Payouts) -> list[DaySigned]:
    """A pledge and a signature on each of three days."""
    days = []
    for number in (1, 2, 3):
        await payouts.collect(number)
        day = await sign(payouts)
        assert day is not None
        days.append(day)
        payouts.clock.advance(seconds=DAY.total_seconds())
    payouts.clock.advance(seconds=-DAY.total_seconds())
    return days


async def findings(payouts: Payouts, keys: LedgerKeys = KEYS) -> list[str]:
    return (await read_signed(payouts.signatures, keys, payouts.clock.now())).findings


async def test_each_day_has_one_signature_over_what_moved(payouts: Payouts) -> None:
    """The second look of the day signs nothing; the next day's names the digest of this one's."""
    days = await three_days(payouts)
    assert await sign(payouts) is None
    assert [day.heads for day in days] == [1, 1, 1]
    assert [day.previous for day in days[1:]] == [day.digest for day in days[:-1]]
    payouts.clock.advance(seconds=DAY.total_seconds())
    quiet = await sign(payouts)
    assert quiet is not None and (quiet.heads, quiet.pages) == (0, ())
    signed = await read_signed(payouts.signatures, KEYS, payouts.clock.now())
    assert signed.findings == []
    assert [head.number for _, head in signed.heads[CAMPAIGN]] == [1, 2, 3]
    assert await payouts.signatures.days("", 10) == [*days, quiet]


async def test_two_who_sign_at_once_leave_one_signature(payouts: Payouts) -> None:
    """The second one's document and pages are not kept, and prove nothing wrong."""
    await payouts.collect(1)
    pages = [[Head(CAMPAIGN, 1, "f" * 64)]]
    other = draft(None, pages, KEYS.current, "other", payouts.clock.now())
    first = await sign(payouts)
    assert first is not None
    assert await payouts.signatures.keep(other, pages) is False
    assert await payouts.signatures.last() == first
    assert await payouts.signatures.page(other, 0) is None
    assert await findings(payouts) == []


async def test_heads_fill_several_pages(payouts: Payouts) -> None:
    """Each page has a hash of its own in what is signed."""
    heads = [Head(f"campaign-{n:05}", 1, "0" * 64) for n in range(HEADS_PER_PAGE + 1)]
    pages = [heads[:HEADS_PER_PAGE], heads[HEADS_PER_PAGE:]]
    day = draft(None, pages, KEYS.current, "set", payouts.clock.now())
    day = replace(day, signature=KEYS.sign(bytes.fromhex(day.digest)))
    assert await payouts.signatures.keep(day, pages)
    assert await findings(payouts) == []
    known = await payouts.signatures.signed(["campaign-00000", "nobody"])
    assert known == {"campaign-00000": heads[0]}


async def test_a_rotated_key_goes_on_verifying(payouts: Payouts) -> None:
    """The first of the list signs; one that was taken out of it is named."""
    await payouts.collect(1)
    await sign(payouts, LedgerKeys(SEEDS[1:]))
    assert await findings(payouts, KEYS) == []
    (unknown,) = await findings(payouts, LedgerKeys(SEEDS[:1]))
    assert unknown.startswith("2026-03-01: signed by key ") and "not among ours" in unknown


@pytest.mark.parametrize("seeds", [[], ["?"], [base64.b64encode(b"short").decode()]])
def test_what_is_no_key_is_refused(seeds: list[str]) -> None:
    """At the start, and not at midnight."""
    with pytest.raises(ValueError, match="key"):
        LedgerKeys(seeds)


Days = dict[str, DaySigned]
Pages = dict[tuple[str, int], list[Head]]


def _removed_day(days: Days, pages: Pages) -> None:
    del days["2026-03-02"]


def _other_day(days: Days, pages: Pages) -> None:
    days["2026-03-02"] = replace(days["2026-03-02"], heads=7)


def _other_signature(days: Days, pages: Pages) -> None:
    days["2026-03-03"] = replace(days["2026-03-03"], signature="00" * 64)


def _no_signature(days: Days, pages: Pages) -> None:
    days["2026-03-03"] = replace(days["2026-03-03"], signature="no")


def _removed_page(days: Days, pages: Pages) -> None:
    del pages[days["2026-03-02"].set_id, 0]


def _other_page(days: Days, pages: Pages) -> None:
    pages[days["2026-03-02"].set_id, 0] = [Head(CAMPAIGN, 2, "0" * 64)]


def _last_days_removed(days: Days, pages: Pages) -> None:
    del days["2026-03-02"], days["2026-03-03"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_removed_day, ["2026-03-03: a day after 2026-03-01 was removed or changed"]),
        (
            _other_day,
            [
                "2026-03-02: the signature is not of this document",
                "2026-03-03: a day after 2026-03-02 was removed or changed",
            ],
        ),
        (_other_signature, ["2026-03-03: the signature is not of this document"]),
        (_no_signature, ["2026-03-03: the signature is not of this document"]),
        (_removed_page, ["2026-03-02: page 0 of its heads is gone"]),
        (_other_page, ["2026-03-02: page 0 of its heads is not what was signed"]),
        (_last_days_removed, ["no signature for two days: the last one is of 2026-03-01"]),
    ],
)
async def test_whatever_is_done_to_signatures_is_named(
    books: Books, spoil: Callable[[Days, Pages], None], named: list[str]
) -> None:
    """Day and part; a tail of days that was cut off shows once it is two days old."""
    await three_days_of(books)
    tables = books.database.table("head_signatures"), books.database.table("head_pages")
    spoil(*tables)
    books.payouts.clock.advance(seconds=1)
    found = await findings(books.payouts)
    assert [line[: len(one)] for line, one in zip(found, named, strict=True)] == named


async def three_days_of(books: Books) -> None:
    payouts = books.payouts
    for number in (11, 12, 13):
        await payouts.collect(number, counted=False)
        assert await sign(payouts)
        payouts.clock.advance(seconds=DAY.total_seconds())
    payouts.clock.advance(seconds=-DAY.total_seconds())
    books.topic.published += await relay(payouts)


async def proof_of(books: Books) -> Proof:
    signed = await read_signed(books.payouts.signatures, KEYS, books.payouts.clock.now())
    proof = await verify_ledger(books.payouts.queries, books.topic, None)
    compare_signed(proof, signed, None)
    return proof


async def against_signatures(books: Books) -> list[tuple[str, Fault, int, str]]:
    found = (await proof_of(books)).findings
    return [(f.campaign_id, f.fault, f.block, f.detail) for side, f in found if side == SIGNED]


async def test_a_tail_cut_on_both_sides_is_named_by_the_signature(books: Books) -> None:
    """Database, book and topic agree with each other again: only what was signed remembers."""
    await three_days_of(books)
    assert (await proof_of(books)).findings == []
    last = max(number for _, number in books.blocks)
    for _ in range(2):
        cut = max(number for _, number in books.blocks)
        del books.blocks[CAMPAIGN, cut]
        del books.topic.published[-1]
    table: dict[str, Book] = books.database.table("books")
    head = books.blocks[CAMPAIGN, last - 2]
    table[CAMPAIGN] = replace(table[CAMPAIGN], head=head.head, balances=head.balances)
    proof = await proof_of(books)
    assert {side for side, _ in proof.findings} == {SIGNED}
    detail = "the chain no longer contains the head that was signed on 2026-03-02"
    assert await against_signatures(books) == [
        (CAMPAIGN, Fault.CUT_TAIL, last - 1, detail),
    ]


async def test_a_book_that_is_gone_everywhere_is_named(books: Books) -> None:
    """With its blocks and its records: whose it was is still written there."""
    await three_days_of(books)
    books.database.table("books").clear()
    books.blocks.clear()
    books.topic.published.clear()
    ((campaign, fault, _, detail),) = await against_signatures(books)
    assert (campaign, fault) == (CAMPAIGN, Fault.CUT_TAIL) and "2026-03-01" in detail


async def test_a_removed_and_a_tampered_block_are_named_at_their_place(books: Books) -> None:
    """The signature names the head that is lost, the chain itself the block."""
    await three_days_of(books)
    last = max(number for _, number in books.blocks)
    del books.blocks[CAMPAIGN, last - 1]
    named = {(side, f.fault, f.block) for side, f in (await proof_of(books)).findings}
    assert named == {("database", Fault.GAP, last - 1), (SIGNED, Fault.CUT_TAIL, last - 1)}


async def test_the_command_names_them(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    """Side, campaign, block and day; 1 for a lost head and for a spoilt signature."""
    await three_days_of(books)
    days: Days = books.database.table("head_signatures")

    async def perform() -> tuple[int, str]:
        payouts, arguments = books.payouts, Namespace(campaign=None, from_topic=False)
        code = await perform_verify_ledger(
            arguments, payouts.queries, books.topic, payouts.signatures, KEYS, payouts.clock.now()
        )
        return code, capsys.readouterr().out

    assert (await perform())[0] == 0
    whole = days["2026-03-03"]
    days["2026-03-03"] = replace(whole, heads=0)
    code, printed = await perform()
    assert code == 1 and "signatures: 2026-03-03: the signature is not of this" in printed
    days["2026-03-03"] = whole
    books.database.table("books").clear()
    code, printed = await perform()
    assert code == 1
    assert f"{SIGNED}: campaign {CAMPAIGN}, block 7: cut-tail: the chain no longer" in printed


async def test_the_sweep_signs_after_midnight_and_says_when(payouts: Payouts) -> None:
    """Once a day, whoever looks how often."""
    sweep = SignHeads(payouts.queries, payouts.signatures, KEYS)

    def signed_at() -> float | None:
        return REGISTRY.get_sample_value("sosst_payouts_heads_signed_timestamp_seconds")

    await payouts.collect(1)
    for hours in (0, 1, 10):
        payouts.clock.advance(seconds=hours * 3_600)
        await sweep(payouts.clock.now())
        assert signed_at() == NOW.timestamp()
    payouts.clock.advance(seconds=3_600)
    await sweep(payouts.clock.now())
    midnight = datetime(2026, 3, 2, tzinfo=NOW.tzinfo)
    assert signed_at() == midnight.timestamp()


@pytest.fixture
async def client(books: Books) -> AsyncIterator[httpx.AsyncClient]:
    await three_days_of(books)
    api = api_of(books.payouts)
    install_problems(api)
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://payouts") as client:
        yield client


async def test_anybody_gets_and_checks_the_signatures(client: httpx.AsyncClient) -> None:
    """Without a token, from what the routes say alone: keys, digests, pages, chain of days."""
    answer = (await client.get("/ledger/signatures")).json()
    before = "0" * 64
    for item in answer["items"]:
        signature, digest = item.pop("signature"), item.pop("digest")
        assert hashlib.sha256(canonical(item)).hexdigest() == digest
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(answer["keys"][item["key_id"]]))
        key.verify(bytes.fromhex(signature), bytes.fromhex(digest))
        assert item["previous"] == before
        before = digest
        for place, expected in enumerate(item["pages"]):
            page: Any = await client.get(f"/ledger/signatures/{item['date']}/heads/{place}")
            assert hashlib.sha256(canonical(page.json())).hexdigest() == expected
    assert len(answer["items"]) == 3
    page_two = await client.get("/ledger/signatures", params={"limit": 1, "cursor": "2026-03-01"})
    assert page_two.json()["next_cursor"] == "2026-03-02"
    gone = await client.get("/ledger/signatures/2026-03-01/heads/1")
    assert problem(gone) == (404, "page-unknown")
    assert problem(await client.get("/ledger/signatures/today/heads/0"))[0] == 422
