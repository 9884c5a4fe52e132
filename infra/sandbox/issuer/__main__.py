"""`python -m infra.sandbox.issuer run --mode development --port P --keys FILE`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import uvicorn

from infra.sandbox.issuer.app import build_app
from infra.sandbox.issuer.keys import KeyFile, KeysUnreadable

EXIT_ARGUMENTS = 64
EXIT_UNAVAILABLE = 69


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_ARGUMENTS)


def main() -> None:
    parser = _Arguments(prog="python -m infra.sandbox.issuer")
    run = parser.add_subparsers(required=True).add_parser("run")
    run.add_argument("--mode", choices=("production", "development"), default="production")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, required=True)
    run.add_argument("--keys", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.mode == "production":
        parser.error("gives anybody any role, so it never runs in production: --mode development")
    logging.basicConfig(level=logging.WARNING)
    try:
        app = build_app(KeyFile(arguments.keys))
    except (KeysUnreadable, OSError) as error:
        print(f"issuer: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNAVAILABLE) from error
    uvicorn.run(
        app, host=arguments.host, port=arguments.port, access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main()
