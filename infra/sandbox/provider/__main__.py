"""`python -m infra.sandbox.provider run --port P --book FILE [--seed N]`, and `prepare`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

import httpx
import uvicorn

from infra.sandbox.provider.app import build_app
from infra.sandbox.provider.book import BookUnavailable, open_book
from infra.sandbox.provider.client import SandboxClient
from infra.sandbox.provider.connections import AbortableProtocol
from infra.sandbox.provider.prepare import prepare

EXIT_ARGUMENTS = 64
EXIT_UNAVAILABLE = 69
# Longer than clients keep a connection that nobody uses (httpx: 5 s, as uvicorn by itself).
KEEP_ALIVE_SECONDS = 30


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_ARGUMENTS)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as stop:
            # uvicorn has logged that the address is taken.
            raise SystemExit(EXIT_UNAVAILABLE) from stop
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"sandbox listening on http://{host}:{port}", flush=True)


def main() -> None:
    parser = _Arguments(prog="python -m infra.sandbox.provider")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run")
    run.set_defaults(command=_run)
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, required=True, help="0: any free port, printed")
    run.add_argument("--book", type=Path, required=True)
    run.add_argument("--seed", type=int, default=0)
    ready = commands.add_parser("prepare")
    ready.set_defaults(command=_prepare)
    ready.add_argument("--address", required=True, help="of a running sandbox")
    ready.add_argument("--float", action="append", default=[], type=_float, dest="floats")
    ready.add_argument("--webhook", help="where events are delivered")
    ready.add_argument("--webhook-secret", help="what signs them; needed with --webhook")
    arguments = parser.parse_args()
    if arguments.command is _prepare and arguments.webhook and not arguments.webhook_secret:
        parser.error("--webhook needs --webhook-secret")
    arguments.command(arguments)


def _float(text: str) -> tuple[str, int]:
    currency, _, amount = text.partition("=")
    return currency, int(amount)


def _prepare(arguments: argparse.Namespace) -> None:
    async def prepared() -> list[str]:
        async with SandboxClient(arguments.address) as client:
            return await prepare(
                client, arguments.floats, arguments.webhook, arguments.webhook_secret or ""
            )

    try:
        print("\n".join(asyncio.run(prepared())))
    except httpx.HTTPError as error:
        print(f"sandbox at {arguments.address}: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNAVAILABLE) from error


def _run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.WARNING)
    try:
        connection = open_book(arguments.book)
    except BookUnavailable as error:
        print(f"sandbox: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNAVAILABLE) from error
    configuration = uvicorn.Config(
        build_app(connection, arguments.seed),
        host=arguments.host,
        port=arguments.port,
        http=AbortableProtocol,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    # uvicorn raises the signal that stopped it once more; a clean stop is to end with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    asyncio.run(_Server(configuration).serve())


if __name__ == "__main__":
    main()
