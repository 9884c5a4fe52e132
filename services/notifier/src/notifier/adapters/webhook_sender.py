"""Posts facts to addresses that other teams chose: signed, bounded, and to the internet only.

The name is resolved once for a connection, every answer is judged, and the connection goes to the
very addresses that were judged: a name that says something else a moment later changes nothing. TLS
proves the name all the same. Redirects are answers like any other and are never followed.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import httpcore
import structlog
from standardwebhooks import Webhook

from notifier.domain.public_address import is_loopback, is_public
from notifier.domain.webhook_endpoint import SendOutcome
from notifier.ports.webhooks import FeedFact

log = structlog.get_logger()

ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 5.0
# A receiver of which one address is down is there; a name of a thousand is no list of our targets.
ADDRESSES_TRIED_MAX = 3
# What is behind the status is nobody's business; a little of it is read to keep the connection.
BODY_BYTES_MAX = 16 * 1024
BODY_SECONDS = 1.0
CONNECTIONS_MAX = 64
KEPT_SECONDS = 60.0
CONTENT_TYPE = "application/cloudevents+json"
USER_AGENT = "sosst-webhooks/1"


class ForbiddenAddress(Exception):
    """A name stands for an address inside, or for none."""


class Resolver(Protocol):
    """Names to addresses."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return every address of the name; raises `OSError` where there is none."""
        ...


class SystemResolver:
    """As the operating system resolves."""

    async def resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(place[4][0]) for place in found))


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were judged, and to no socket of this machine."""

    def __init__(self, resolver: Resolver, *, loopback: bool) -> None:
        self._resolver = resolver
        self._loopback = loopback
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own words.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async with asyncio.timeout(timeout):
            addresses = await self._resolver.resolve(host, port)
        if not addresses or not all(map(self._is_allowed, addresses)):
            # One bad answer among good ones is somebody trying.
            raise ForbiddenAddress(host)
        tried = addresses[:ADDRESSES_TRIED_MAX]
        each = timeout / len(tried) if timeout is not None else None
        for address in tried[:-1]:
            try:
                return await self._network.connect_tcp(
                    address, port, each, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(tried[-1], port, each, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own words.
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise ForbiddenAddress(path)

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    def _is_allowed(self, address: str) -> bool:
        return is_public(address) or (self._loopback and is_loopback(address))


class HttpWebhookSender:
    """`ports.WebhookSender` over kept connections; `loopback` is for development alone."""

    def __init__(
        self,
        resolver: Resolver | None = None,
        *,
        plain_http: bool = False,
        loopback: bool = False,
        trust: ssl.SSLContext | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._schemes = {b"https", b"http"} if plain_http else {b"https"}
        self._answer_seconds = answer_seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=PinnedNetwork(resolver or SystemResolver(), loopback=loopback),
        )

    async def send(
        self, url: str, fact: FeedFact, secrets: Sequence[str], at: datetime
    ) -> SendOutcome:
        try:
            target = httpcore.URL(url)
            if target.scheme not in self._schemes:
                return SendOutcome.FORBIDDEN_ADDRESS
            async with asyncio.timeout(self._answer_seconds):
                return _outcome(await self._status(target, fact, secrets, at))
        except ForbiddenAddress:
            return SendOutcome.FORBIDDEN_ADDRESS
        except (TimeoutError, httpcore.TimeoutException):
            return SendOutcome.SLOW
        except (OSError, ValueError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            log.info("webhook receiver not reached", error=type(error).__name__)
            return SendOutcome.UNREACHABLE

    async def close(self) -> None:
        await self._pool.aclose()

    async def _status(
        self, url: httpcore.URL, fact: FeedFact, secrets: Sequence[str], at: datetime
    ) -> int:
        body = fact.body or b""
        async with self._pool.stream(
            "POST",
            url,
            headers=_headers(fact, body, secrets, at),
            content=body,
            extensions={"timeout": {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS}},
        ) as response:
            status: int = response.status
            await _read_a_little(response.aiter_stream())
            return status


def _headers(
    fact: FeedFact, body: bytes, secrets: Sequence[str], at: datetime
) -> list[tuple[str, str]]:
    """Return Standard Webhooks' three headers and what describes the body."""
    text = body.decode()
    signatures = [Webhook(secret).sign(fact.fact_id, at, text) for secret in secrets]
    return [
        ("content-type", CONTENT_TYPE),
        ("content-length", str(len(body))),
        ("user-agent", USER_AGENT),
        ("webhook-id", fact.fact_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


async def _read_a_little(parts: AsyncIterator[bytes]) -> None:
    """Read the rest of a short answer; a long or slow one ends with its connection."""
    left = BODY_BYTES_MAX
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in parts:
                left -= len(part)
                if left < 0:
                    return
    except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # The status was said before.


def _outcome(status: int) -> SendOutcome:
    if 200 <= status < 300:
        return SendOutcome.DELIVERED
    if status == 410:
        return SendOutcome.GONE
    return SendOutcome.REDIRECTED if 300 <= status < 400 else SendOutcome.REFUSED
