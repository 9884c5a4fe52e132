"""Spans as a collector receives them, and nothing but spans lost where there is none."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from infra.servicekit.tests.collector import Collector
from infra.servicekit.tests.conftest import NOW, on_memory
from infra.servicekit.tests.reader import Reader, fact, with_header
from infra.servicekit.tests.test_causes import add, placed, sent
from servicekit import traces
from servicekit.causes import current
from servicekit.consume import Refusal
from servicekit.lanes import Lanes
from servicekit.requests import TellCauses
from servicekit.units import Unit
from sosst_contracts.codec import Decoded, Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]")


@asynccontextmanager
async def collected(service: str = "lamp") -> AsyncIterator[Collector]:
    """Send the spans of this process to a collector; at the end it has all of them."""
    with Collector() as collector:
        traces.export_to(collector.endpoint, service, f"{service}-1")
        try:
            yield collector
        finally:
            await traces.close()


def parent_of(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def told_in(record: Record, traceparent: str) -> Record:
    return with_header(record, "traceparent", traceparent.encode())


async def test_a_batch_links_to_the_trace_of_each_record_and_is_nobodys_child() -> None:
    """Five hundred records of five hundred traces: one span, five hundred links, none cut."""
    records = [told_in(fact(n), parent_of(n)) for n in range(1, 501)]
    async with collected() as collector:
        await Reader(on_memory()).read(*records)
    [batch] = collector.named("process funding.pledges")
    assert batch.links == {number.to_bytes(8, "big") for number in range(1, 501)}
    assert batch.span.parent_span_id == b"" and batch.span.kind == Span.SPAN_KIND_CONSUMER
    assert batch.span.dropped_links_count == 0


async def test_records_of_one_transaction_are_one_link() -> None:
    """What was made together carries one context."""
    async with collected() as collector:
        await Reader(on_memory()).read(*(told_in(fact(n), parent_of(7)) for n in (1, 2, 3)))
    assert len(collector.named("process")[0].span.links) == 1


async def test_a_fact_carries_the_span_it_was_made_in() -> None:
    """So the consumer of another service can link to it."""
    plumbed = on_memory()
    reader = Reader(plumbed)

    async def make(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.plumbing.outbox.add([placed("p1", "made")])
        return []

    reader.subscribe(make)
    async with collected() as collector:
        await reader.read(told_in(fact(1), parent_of(7)))
    [batch] = collector.named("process")
    [made] = await sent(plumbed)
    assert batch.is_context_of(made.envelope.traceparent)


async def test_an_unreadable_context_is_no_link() -> None:
    """Whatever stands in the header, the batch is processed."""
    reader = Reader(on_memory())
    odd = [told_in(fact(1), "00-zz"), told_in(fact(2), f"00-{0:032x}-{0:016x}-01"), fact(3)]
    async with collected() as collector:
        await reader.read(*odd)
    assert len(reader.saved) == 3 and collector.named("process")[0].links == set()


async def test_a_group_links_to_everybody_who_submitted() -> None:
    """A lane's transaction is not the child of whoever came first."""

    async def save(_: str, items: Sequence[int]) -> Sequence[int]:
        return items

    lanes: Lanes[int, int] = Lanes(save)

    async def caller(number: int) -> None:
        with traces.span(f"caller {number}"):
            await lanes.submit("k", number)

    async with collected() as collector:
        await asyncio.gather(*(caller(number) for number in range(3)))
    [group] = collector.named("save group")
    assert group.links == {seen.span.span_id for seen in collector.named("caller")}
    assert group.span.parent_span_id == b""


async def test_an_error_is_marked_by_its_type_and_never_by_its_words() -> None:
    """The words of an exception may hold what must not leave the service."""
    async with collected() as collector:
        with pytest.raises(ValueError), traces.span("fails"):  # noqa: PT011
            raise ValueError("secret words")
    [seen] = collector.named("fails")
    assert (seen.span.status.code, seen.span.status.message) == (
        Status.STATUS_CODE_ERROR,
        "ValueError",
    )
    assert b"secret" not in seen.span.SerializeToString()


def api() -> TellCauses:
    """An application that says what it knows of its request."""
    app = FastAPI()

    @app.get("/lamps/{lamp_id}/of/{backer_id}")
    async def read(lamp_id: str, backer_id: str) -> dict[str, object]:
        [cause] = current()
        return {"things": cause.things, "trace": cause.traceparent, "story": cause.correlation_id}

    return TellCauses(app)


async def asked(headers: dict[str, str]) -> tuple[dict[str, object], str]:
    """Ask the application; return what it knew and the correlation id it answered with."""
    transport = httpx.ASGITransport(api())
    async with httpx.AsyncClient(transport=transport, base_url="http://lamp") as client:
        answer = await client.get("/lamps/l1/of/anna", headers=headers)
    return answer.json(), answer.headers["X-Correlation-Id"]


async def test_a_request_continues_the_callers_trace_and_story() -> None:
    """The span is the caller's child, and what the request makes carries the span."""
    async with collected() as collector:
        known, answered = await asked(
            {"traceparent": parent_of(7), "X-Correlation-Id": "order:4711"}
        )
    [seen] = collector.named("GET /lamps/{lamp_id}/of/{backer_id}")
    assert seen.span.parent_span_id == (7).to_bytes(8, "big")
    assert seen.is_context_of(str(known["trace"]))
    assert known["story"] == answered == "order:4711"


async def test_without_a_collector_a_request_still_has_a_trace() -> None:
    """The caller's goes on unchanged; where there is none, one begins."""
    known, _ = await asked({"traceparent": parent_of(7)})
    assert known["trace"] == parent_of(7)
    for given in ({}, {"traceparent": "nonsense"}):
        known, _ = await asked(given)
        assert TRACEPARENT.fullmatch(str(known["trace"]))


@pytest.mark.parametrize("given", ["", "a b", "anna@example.org", "é", "x" * 101, "-x", 'a"b'])
async def test_a_story_that_could_name_a_person_is_begun_anew(given: str) -> None:
    """It is copied into facts that are kept for ever."""
    known, answered = await asked({"X-Correlation-Id": given.encode()} if given else {})
    assert known["story"] == answered and re.fullmatch("[0-9a-f]{32}", answered)


async def test_the_ids_of_people_are_left_out_of_what_a_request_is_about() -> None:
    """The contracts say which fields are people's."""
    known, _ = await asked({})
    assert known["things"] == [["lamp_id", "l1"]]


async def test_a_collector_that_is_away_costs_nothing_but_spans() -> None:
    """Everything is processed, and the end does not wait for what nobody takes."""
    traces.export_to("http://127.0.0.1:9", "lamp", "lamp-1")
    plumbed = on_memory()
    try:
        reader = Reader(plumbed)
        await reader.read(*(fact(number) for number in range(1, 51)))
        for number in range(3_000):  # More than the queue holds.
            with traces.span(f"span {number}"):
                pass
        await add(plumbed, Draft(sample(PledgePlaced, campaign_id="c"), NOW))
    finally:
        async with asyncio.timeout(traces.CLOSING_DEADLINE_SECONDS + 20):
            await traces.close()
    assert len(reader.saved) == 50
    [made] = await sent(plumbed)
    assert TRACEPARENT.fullmatch(made.envelope.traceparent or "")
