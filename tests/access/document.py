"""The matrix as a page for people: rules as the routes carry them, answers as they are tested."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from servicekit.access import guarded_routes
from servicekit.issuer_keys import FETCH_PAUSE_SECONDS, KEPT_SECONDS_MAX, REFRESH_SECONDS
from tests.access.applications import make
from tests.access.callers import KINDS, Callers
from tests.access.expectations import ROWS, Row

PAGE = Path(__file__).resolve().parents[2] / "services" / "ACCESS.md"
KEPT_HOURS_MAX = KEPT_SECONDS_MAX / 3_600
SERVICES = ("funding", "payouts", "updates", "notifier")
Rules = Mapping[tuple[str, str, str], str]

HEAD = f"""# Who may call what

Made by `make access` from the rules that the routes carry and the answers that `tests/access`
gets from the real applications; a route without its row fails there. Health and metrics have a
port of their own, without tokens.

A bearer token is verified in the process: EdDSA or RS256 by a key that the issuer publishes,
issuer, audience, expiry, subject. No token, or one that does not count: 401, with a `type` that
says why. No role that could: 403. A role that could, but somebody else's object: 404, byte for
byte like an object that is not there. Whose an object is, each service takes from what it knows
itself, never from what the caller says.

The issuer's keys are fetched every {REFRESH_SECONDS:g} seconds, which is how long a key that it
withdraws still counts. A key id never seen is looked for at once, every {FETCH_PAUSE_SECONDS:g}
seconds at most. While the issuer is away the known keys count for {KEPT_HOURS_MAX:g} hours; then,
and before the first fetch, a token is answered with 503.

*backer* and *creator* are the ones whom the object belongs to; the *other* ones hold the same
role and nothing of it.
"""


async def rules() -> dict[tuple[str, str, str], str]:
    """Return the rule of every route that the four applications really have."""
    found = {}
    for service in SERVICES:
        application = await make(service, Callers().guard)
        for route in guarded_routes(application.api):
            found[service, route.method, route.path] = str(route.rule)
    return found


def page() -> str:
    """Return the text of the page."""
    known = asyncio.run(rules())
    parts = [HEAD]
    for service in SERVICES:
        own = [row for row in ROWS if row.service == service]
        parts.append(f"\n## {service}\n\n{_rules(own, known)}\n{_answers(own)}")
    return "".join(parts)


def _rules(rows: Iterable[Row], known: Rules) -> str:
    lines = ["| route | who may | a repeat is known by |", "|---|---|---|"]
    seen = {(row.method, row.route): row for row in rows}
    for (method, route), row in seen.items():
        rule = known.get((row.service, method, route), "no such route")
        lines.append(f"| `{method} {route}` | {rule} | {row.natural_key or '-'} |")
    return "\n".join(lines) + "\n"


def _answers(rows: Iterable[Row]) -> str:
    lines = ["| route | " + " | ".join(KINDS) + " |", "|---|" + "---|" * len(KINDS)]
    for row in rows:
        of = f" {row.what}" if row.what else ""
        answers = " | ".join(str(row.expected[kind]) for kind in KINDS)
        lines.append(f"| `{row.method} {row.route}`{of} | {answers} |")
    return "\n".join(lines) + "\n"
