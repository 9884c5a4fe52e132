"""How answers of the provider are sorted, also those that no sandbox gives."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from payouts.adapters.stripe_provider import StripeProvider
from payouts.domain.book import collect
from payouts.domain.refund import Refund, request
from payouts.domain.refund_sending import send
from payouts.ports.provider import Declined, NoAnswer, Throttled
from servicekit.pace import Pace
from services.payouts.tests.builders import NOW, a_book, a_pledge

# How long a call may take: short where the answer never comes, else longer than any machine needs.
TIMEOUT_SECONDS, PATIENCE_SECONDS = 0.3, 30.0
Answers = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Stub:
    """Gives the same answer to every request, and keeps the requests."""

    answer: Answers
    heard: list[str] = field(default_factory=list)
    pace: Pace = field(default_factory=lambda: Pace(1_000))

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heard.append(head)
        await self.answer(writer)
        writer.close()


@asynccontextmanager
async def answering(answer: Answers) -> AsyncIterator[tuple[StripeProvider, Stub]]:
    stub = Stub(answer)
    server = await asyncio.start_server(stub, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    timeout = TIMEOUT_SECONDS if answer is drips else PATIENCE_SECONDS
    provider = StripeProvider(f"http://127.0.0.1:{port}", "sk_test_1", timeout, stub.pace)
    yield provider, stub
    await provider.close()
    server.close()


def says(status: int, body: object, **headers: str) -> Answers:
    async def answer(writer: asyncio.StreamWriter) -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(sent)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
        await writer.drain()

    return answer


def refuses(status: int, type: str, code: str | None = None, **headers: str) -> Answers:
    error = {"type": type, "message": "no"} | ({"code": code} if code else {})
    return says(status, {"error": error}, **headers)


async def drips(writer: asyncio.StreamWriter) -> None:
    """A byte now and then: each read is in time, the answer never is."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TIMEOUT_SECONDS / 5)


def a_sent_refund() -> Refund:
    return send(request(collect(a_book(), a_pledge()).money, "cause", NOW).refund, NOW)


SHORT = "balance_insufficient"
REQUEST = "invalid_request_error"
AGAIN = {"Stripe_Should_Retry": "true"}


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (refuses(429, REQUEST, "rate_limit", Retry_After="7"), Throttled(7)),
        (refuses(429, REQUEST, "lock_timeout", **AGAIN), Throttled(1)),
        (refuses(429, REQUEST, Retry_After="Thu, 01 Jan 2026 00:00:00 GMT"), Throttled(1)),
        (refuses(409, "idempotency_error", "idempotency_key_in_use", **AGAIN), Throttled(1)),
        (refuses(400, "idempotency_error"), NoAnswer(key_spent=True)),
        (refuses(401, REQUEST), Throttled(30)),
        (refuses(403, REQUEST, "more_permissions_required"), Throttled(30)),
        (refuses(403, REQUEST, "account_invalid"), Declined("account_invalid", False)),
        (refuses(400, REQUEST, SHORT), Declined(SHORT, True, for_funds=True)),
        (refuses(402, "card_error", "card_declined"), Declined("card_declined", True)),
        (refuses(404, REQUEST, "resource_missing"), Declined("resource_missing", False)),
        (refuses(500, "api_error", **AGAIN), NoAnswer(key_spent=True)),
        (refuses(503, "api_error", **AGAIN), NoAnswer()),
        (says(400, b"<html>refused by something on the way</html>"), NoAnswer()),
        (says(500, {"message": "nobody we know"}), NoAnswer()),
        (says(200, b"<html>please sign in</html>"), NoAnswer()),
        (says(302, b"", Location="http://127.0.0.1:1/"), NoAnswer()),
        (drips, NoAnswer()),
    ],
    ids=lambda value: value.__name__ if value is drips else None,
)
async def test_each_answer_says_whether_it_was_done_and_whether_its_key_is_good(
    answer: Answers, meaning: object
) -> None:
    """And the library asks once, whatever it is told: repeating is the domain's to decide."""
    async with answering(answer) as (provider, stub):
        assert await provider.create_refund(a_sent_refund()) == meaning
        assert len(stub.heard) == 1


async def test_a_call_carries_its_key_and_nothing_about_this_machine() -> None:
    """The version of the interface is pinned by the library; where we run is nobody's business."""
    refund = a_sent_refund()
    async with answering(refuses(500, "api_error")) as (provider, stub):
        await provider.create_refund(refund)
        await provider.create_refund(refund)
    for head in stub.heard:
        sent = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        lower = {name.lower(): value for name, value in sent.items()}
        assert lower["idempotency-key"] == refund.attempt_id
        assert lower["stripe-version"] and "x-stripe-client-telemetry" not in lower
        assert "platform" not in json.loads(lower["x-stripe-client-user-agent"])
