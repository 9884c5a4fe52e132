"""Reports reach who sent the mail also when nobody was there at first."""

import asyncio

from infra.sandbox.mail.app import Reporting, ReportsBody
from infra.sandbox.mail.reporting import deliver

NOTHING, AWAY = b"", b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n"
TAKEN = b"HTTP/1.1 204 Taken\r\n\r\n"
REFUSED = b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"


async def asked(*answers: bytes) -> int:
    """Return how often a report was brought to a server that gives these answers in turn."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"the report")
        writer.write(left.pop(0))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reporting = Reporting()
    reporting.to = ReportsBody(url=f"http://127.0.0.1:{port}/mail-reports", secret="secret")
    async with server:
        await asyncio.wait_for(deliver(reporting, b"the report", pause_seconds=0.01), 20)
    return len(answers) - len(left)


async def test_a_report_is_brought_until_it_is_taken() -> None:
    """Cut off, then away, then taken: a restart of the receiver loses no bounce."""
    assert await asked(NOTHING, AWAY, TAKEN, TAKEN) == 3


async def test_a_report_that_is_refused_is_given_up() -> None:
    """A wrong secret stays wrong."""
    assert await asked(REFUSED, TAKEN) == 1
