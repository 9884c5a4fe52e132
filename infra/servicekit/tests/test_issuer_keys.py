"""The issuer's keys over real HTTP: rotation, withdrawal, silence, and documents of every kind."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.keys import SigningKey
from servicekit.errors import DependencyAway
from servicekit.issuer_keys import DOCUMENT_BYTES_MAX, PublishedKeys, keys_of
from servicekit.loops import Pulse

OLD, NEW = SigningKey.generate(), SigningKey.generate("RS256")
PAUSE, KEPT = 10.0, 600.0


@dataclass
class Publisher:
    """Serves bytes at `url` and counts; `body` None hangs up."""

    url: str = ""
    body: bytes | None = None
    status: int = 200
    asked: int = 0
    now: float = 1_000.0
    _tasks: set[Any] = field(default_factory=set)

    def publish(self, *keys: SigningKey) -> None:
        self.body = json.dumps({"keys": [key.public() for key in keys]}).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self.body is not None:
            head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\n\r\n"
            writer.write(head.encode() + self.body)
        writer.close()


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    served = Publisher()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served.url = f"http://127.0.0.1:{port}/keys"
    served.publish(OLD)
    yield served
    server.close()


def keys_at(publisher: Publisher) -> PublishedKeys:
    return PublishedKeys(
        publisher.url,
        refresh_seconds=0.05,
        kept_seconds_max=KEPT,
        fetch_pause_seconds=PAUSE,
        monotonic=lambda: publisher.now,
    )


async def test_a_known_key_costs_no_look(publisher: Publisher) -> None:
    """One look serves any number of requests, also those that arrive together."""
    keys = keys_at(publisher)
    found = await asyncio.gather(*(keys.find(OLD.key_id) for _ in range(20)))
    assert all(found) and publisher.asked == 1


async def test_an_unknown_key_id_looks_once_and_not_again_at_once(publisher: Publisher) -> None:
    """A new key counts from its first token; callers who invent ids cannot make us ask for each."""
    keys = keys_at(publisher)
    assert await keys.find(OLD.key_id)
    publisher.publish(OLD, NEW)
    assert await keys.find(NEW.key_id) is None and publisher.asked == 1
    publisher.now += PAUSE
    assert await keys.find(NEW.key_id)
    assert [await keys.find(f"invented-{n}") for n in range(50)] == [None] * 50
    assert publisher.asked == 2


async def test_a_key_that_was_taken_away_stops_counting(publisher: Publisher) -> None:
    """After the next look of the loop, without any request."""
    keys = keys_at(publisher)
    assert await keys.find(OLD.key_id)
    publisher.publish(NEW)
    stopping = asyncio.Event()
    loop = asyncio.create_task(keys.run(Pulse("keys"), stopping))
    async with asyncio.timeout(20):
        while await keys.find(OLD.key_id):
            await asyncio.sleep(0.01)
    assert await keys.find(NEW.key_id)
    stopping.set()
    await loop


async def test_all_keys_may_be_taken_away(publisher: Publisher) -> None:
    """An empty set is an answer: nobody's token counts any more."""
    keys = keys_at(publisher)
    assert await keys.find(OLD.key_id)
    publisher.publish()
    assert await keys.fetch() and await keys.find(OLD.key_id) is None


async def test_a_silent_issuer_changes_nothing_until_the_keys_are_too_old(
    publisher: Publisher,
) -> None:
    """Known keys go on counting for the documented time; then it is 503, and never 401."""
    keys = keys_at(publisher)
    assert await keys.find(OLD.key_id)
    publisher.body = None
    publisher.now += KEPT - 1
    assert not await keys.fetch() and await keys.find(OLD.key_id)
    publisher.now += 2
    with pytest.raises(DependencyAway):
        await keys.find(OLD.key_id)
    publisher.publish(OLD)
    publisher.now += PAUSE
    assert await keys.find(OLD.key_id)


async def test_without_any_key_it_is_not_the_callers_fault(publisher: Publisher) -> None:
    """`DependencyAway`, which is answered with 503."""
    publisher.body = None
    with pytest.raises(DependencyAway):
        await keys_at(publisher).find(OLD.key_id)


DOCUMENTS: dict[str, tuple[int, bytes]] = {
    "an error": (500, json.dumps({"keys": []}).encode()),
    "a redirect": (302, b""),
    "nothing": (200, b""),
    "not JSON": (200, b"<html>"),
    "not UTF-8": (200, b"\xff"),
    "a list": (200, b"[]"),
    "no keys": (200, b"{}"),
    "keys of another shape": (200, b'{"keys": {}}'),
    "nested": (200, b"[" * 100_000),
    "too large": (200, b" " * (DOCUMENT_BYTES_MAX + 1)),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
async def test_a_document_that_is_no_set_of_keys_changes_nothing(
    publisher: Publisher, kind: str
) -> None:
    """What is known goes on counting."""
    keys = keys_at(publisher)
    assert await keys.find(OLD.key_id)
    publisher.status, publisher.body = DOCUMENTS[kind]
    assert not await keys.fetch()
    assert await keys.find(OLD.key_id)


def weak() -> dict[str, Any]:
    """A key of RSA that is shorter than 2048 bits."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return SigningKey("weak", "RS256", generate_private_key(65_537, 1_024)).public()


@pytest.mark.parametrize(
    "odd",
    [
        OLD.public() | {"use": "enc"},
        OLD.public() | {"alg": "HS256"},
        NEW.public() | {"alg": "RS512"},
        OLD.public() | {"kid": None},
        OLD.public() | {"x": "!"},
        OLD.public() | {"x": 5},
        OLD.stored(),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "EC", "kid": "curve"},
        weak(),
        {},
        "key",
        None,
    ],
    ids=str,
)
def test_a_key_for_anything_else_is_left_out(odd: object) -> None:
    """Other uses, algorithms and kinds, short keys, broken ones; the good one beside it stays."""
    assert set(keys_of({"keys": [odd, NEW.public()]})) == {NEW.key_id}


async def test_a_fetch_reads_no_authorities(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were read once: doing it at each fetch held up everything else for tens of ms."""
    keys, read = keys_at(publisher), []
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: read.append(1))
    assert await keys.fetch()
    assert read == []
    httpx.create_ssl_context(trust_env=False)
    assert read == [1]
