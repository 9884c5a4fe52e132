"""`python -m infra.sandbox.provider run --port P --book FILE [--seed N]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from infra.sandbox.provider.app import build_app
from infra.sandbox.provider.book import BookUnavailable, open_book
from infra.sandbox.provider.connections import AbortableProtocol

EXIT_ARGUMENTS = 64
EXIT_UNAVAILABLE = 69


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
    run = parser.add_subparsers(required=True).add_parser("run")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, required=True, help="0: any free port, printed")
    run.add_argument("--book", type=Path, required=True)
    run.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
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
        timeout_graceful_shutdown=2,
    )
    # uvicorn raises the signal that stopped it once more; a clean stop is to end with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    asyncio.run(_Server(configuration).serve())


if __name__ == "__main__":
    main()
