"""The sandbox's mail server in the test's own process, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiosmtpd.smtp import SMTP

from infra.sandbox.mail.faults import Faults
from infra.sandbox.mail.sink import Sink
from infra.sandbox.mail.store import MailStore
from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import SmtpAccount

# How long an answer may take that comes.
PATIENT_SECONDS = 30.0


class Box:
    """The sandbox's own parts in this process, behind a real port, and what came to them."""

    def __init__(self, folder: Path, *, grouped: bool) -> None:
        self.faults = Faults()
        self.store = MailStore(folder / "mails.sqlite")
        self.sink = Sink(self.store, self.faults, self._reported, grouped=grouped)
        self.connections = 0

    def speak(self) -> SMTP:
        self.connections += 1
        return SMTP(self.sink, hostname="sink.invalid", enable_SMTPUTF8=True)

    def came(self, recipient: str | None = None) -> list[str]:
        return [one["recipient"] for one in self.store.listed(recipient, 0, 10_000)]

    async def _reported(self, report: bytes) -> None:
        raise AssertionError("nobody asked for reports")


def server_at(
    port: int, connections: int = 4, timeout_seconds: float = PATIENT_SECONDS
) -> SmtpServer:
    """Return a client of whoever listens there."""
    limits = {"connections": connections, "timeout_seconds": timeout_seconds}
    return SmtpServer(SmtpAccount("127.0.0.1", port, "none", "tests.invalid", **limits))


@asynccontextmanager
async def listening(
    speak: Callable[[], asyncio.Protocol], timeout_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[SmtpServer]:
    """Give a client of a server that speaks so."""
    listener = await asyncio.get_running_loop().create_server(speak, "127.0.0.1", 0)
    client = server_at(listener.sockets[0].getsockname()[1], timeout_seconds=timeout_seconds)
    async with listener:
        yield client
        await client.close()
