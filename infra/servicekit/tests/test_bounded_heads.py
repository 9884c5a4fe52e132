"""Over real sockets: a head is bounded and not believed, a kept connection is not cut."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import pytest
from starlette.types import Receive, Scope, Send

from infra.servicekit.tests.conftest import until
from servicekit.bounded_heads import HEAD_BYTES_MAX
from servicekit.process import _Server

KILO = 1024


@dataclass
class Answering:
    """A server whose application reads the body and keeps the headers as they are then."""

    port: int = 0
    headers: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.headers.append(list(scope["headers"]))
        self.bodies.append(body)
        self.callers.append(scope["client"][0])
        length = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"ok"})

    async def statuses(self, *pieces: bytes) -> list[int]:
        """Send the pieces, each by itself, and return the statuses of all answers.

        A connection that is closed under what is still being sent may lose its answer: then none.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answered = b""
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            while some := await asyncio.wait_for(reader.read(64 * KILO), 30):
                answered += some
        except ConnectionError:
            pass
        finally:
            writer.close()
        return [int(part[:3]) for part in answered.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    application = Answering()
    server = _Server(application, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve_until_told())

    async def started() -> bool:
        return server.started

    await until("the server listens", started)
    application.port = server.servers[0].sockets[0].getsockname()[1]
    yield application
    server.tell_to_end()
    await serving


def head(*headers: bytes, target: bytes = b"/", method: bytes = b"GET") -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"host: here", *headers, b"", b""]
    return b"\r\n".join(lines)


def long_header(size: int) -> bytes:
    return b"x-long: " + b"v" * size


def in_pieces(data: bytes, size: int = KILO) -> Iterable[bytes]:
    return (data[begin : begin + size] for begin in range(0, len(data), size))


CLOSE = b"connection: close"
MANY = [b"x-%04d: " % number + b"v" * 56 for number in range(20 * KILO // 64)]


async def test_a_caller_on_this_machine_is_not_believed_about_its_address(
    answering: Answering,
) -> None:
    """uvicorn by itself would take the header for the caller's address (decision 0050)."""
    said = b"x-forwarded-for: 198.51.100.7"
    assert await answering.statuses(head(CLOSE, said)) == [200]
    assert answering.callers == ["127.0.0.1"]


@pytest.mark.parametrize("size", [KILO, 1 << 20])
async def test_a_head_of_fifteen_kilobytes_passes(answering: Answering, size: int) -> None:
    """At once or in pieces, in one header or in the target."""
    for one in (head(CLOSE, long_header(15 * KILO)), head(CLOSE, target=b"/" + b"t" * 15 * KILO)):
        assert await answering.statuses(*in_pieces(one, size)) == [200]
    assert len(answering.headers) == 2


@pytest.mark.parametrize("size", [KILO, 1 << 20])
@pytest.mark.parametrize(
    "refused",
    [
        head(CLOSE, long_header(20 * KILO)),
        head(CLOSE, *MANY),
        head(CLOSE, target=b"/" + b"t" * 20 * KILO),
    ],
    ids=["one header", "many headers", "target"],
)
async def test_a_head_of_twenty_kilobytes_is_refused(
    answering: Answering, refused: bytes, size: int
) -> None:
    """Whoever sends it has shown no token yet."""
    assert await answering.statuses(*in_pieces(refused, size)) in ([400], [])
    assert answering.headers == []


async def test_the_limit_is_the_whole_head(answering: Answering) -> None:
    """Not of one header: target and headers together, each with what stands around it."""
    around = len(b"/") + len(b"hosthere") + 4 + len(b"x-long") + 4
    last = head(long_header(HEAD_BYTES_MAX - around))
    assert await answering.statuses(last, head(CLOSE)) == [200, 200]
    assert await answering.statuses(head(long_header(HEAD_BYTES_MAX - around + 1))) == [400]


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (b"GET / HTTP/1.1\r\nhost: here\r\nx-long: ", b"v" * 4 * KILO),
        (b"GET / HTTP/1.1\r\nhost: here\r\n", b"x-many: " + b"v" * 56 + b"\r\n"),
        (b"GET /", b"t" * 4 * KILO),
        (b"", b"\r\n" * KILO),
        (head(b"transfer-encoding: chunked", method=b"POST") + b"0\r\nx-last: ", b"v" * 4 * KILO),
    ],
    ids=["value", "headers", "target", "empty lines", "trailer"],
)
async def test_what_never_ends_is_cut(answering: Answering, begin: bytes, endless: bytes) -> None:
    """The end comes from the server: whoever sends would go on."""
    _, writer = await asyncio.open_connection("127.0.0.1", answering.port)

    async def send(bound: int = 64 << 20) -> None:
        writer.write(begin)
        for _ in range(bound // len(endless)):
            writer.write(endless)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await send()
    writer.close()


async def test_a_trailer_is_no_header(answering: Answering) -> None:
    """Neither of the request that it ends nor of the next on the connection."""
    chunked = head(b"transfer-encoding: chunked", method=b"POST")
    trailers = b"0\r\nx-first: 1\r\nauthorization: Bearer forged\r\n\r\n"
    pieces = (chunked + b"2\r\nab\r\n", trailers, head(CLOSE))
    assert await answering.statuses(*pieces) == [200, 200]
    names = [[name for name, _ in headers] for headers in answering.headers]
    assert names == [[b"host", b"transfer-encoding"], [b"host", b"connection"]]
    assert answering.bodies == [b"ab", b""]


async def test_a_kept_connection_is_not_cut(answering: Answering) -> None:
    """Each request has the whole limit; a body counts nowhere, whatever its length."""
    count = 40
    body = b"b" * 100 * KILO
    length = b"content-length: %d" % len(body)
    one = head(long_header(KILO), length, method=b"POST") + body
    assert await answering.statuses(*[one] * count, head(CLOSE)) == [200] * (count + 1)
    assert answering.bodies == [body] * count + [b""]
