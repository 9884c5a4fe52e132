"""`python -m infra.sandbox.mail run --port P --smtp-port P --store FILE`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import sys
from functools import partial
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP

from infra.sandbox.mail.app import Reporting, build_app
from infra.sandbox.mail.faults import Faults
from infra.sandbox.mail.reporting import deliver
from infra.sandbox.mail.sink import Sink
from infra.sandbox.mail.store import MailStore

EXIT_ARGUMENTS = 64
EXIT_UNAVAILABLE = 69


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_ARGUMENTS)


def main() -> None:
    parser = _Arguments(prog="python -m infra.sandbox.mail")
    run = parser.add_subparsers(required=True).add_parser("run")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, required=True, help="of HTTP")
    run.add_argument("--smtp-port", type=int, required=True)
    run.add_argument("--store", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # It says "no close" of each connection that ends, which here is any.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        store = MailStore(arguments.store)
    except (sqlite3.Error, OSError) as error:
        print(f"mail: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNAVAILABLE) from error
    try:
        asyncio.run(_serve(arguments, store))
    except OSError as error:
        print(f"mail: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNAVAILABLE) from error


async def _serve(arguments: argparse.Namespace, store: MailStore) -> None:
    faults, reporting = Faults(), Reporting()
    sink = Sink(store, faults, partial(deliver, reporting))
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SMTP(sink, hostname="sink.invalid", enable_SMTPUTF8=True, loop=loop),
        arguments.host,
        arguments.smtp_port,
        backlog=1_024,
    )
    configuration = uvicorn.Config(
        build_app(store, faults, reporting),
        host=arguments.host,
        port=arguments.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    async with smtp:
        await uvicorn.Server(configuration).serve()


if __name__ == "__main__":
    main()
