"""Pages of objects: newest first, by cursor, as Stripe lists them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from infra.sandbox.provider import ledger
from infra.sandbox.provider.book import Body, Session
from infra.sandbox.provider.errors import missing_resource
from infra.sandbox.provider.parameters import Page

COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
Condition = tuple[str, Any]


def list_objects(
    session: Session, url: str, kind: str, account: str, page: Page, filters: dict[str, str | None]
) -> Body:
    """`filters`: `parent` or a field of the body, with None meaning any."""
    conditions: list[Condition] = [("kind = ?", kind), ("account = ?", account)]
    for name, value in filters.items():
        if value is not None:
            column = name if name == "parent" else f"json_extract(body, '$.{name}')"
            conditions.append((f"{column} = ?", value))
    return _page(session, url, "objects", conditions, page, lambda row: json.loads(row["body"]))


def list_balance_transactions(
    session: Session,
    account: str,
    page: Page,
    filters: dict[str, str | None],
    created: dict[str, str],
) -> Body:
    conditions: list[Condition] = [("account = ?", account)]
    conditions += [(f"{name} = ?", value) for name, value in filters.items() if value is not None]
    conditions += [
        (f"created {COMPARISONS[name]} CAST(? AS INTEGER)", value)
        for name, value in created.items()
        if name in COMPARISONS
    ]
    url = "/v1/balance_transactions"
    return _page(session, url, "balance_transactions", conditions, page, ledger.as_object)


def _page(
    session: Session,
    url: str,
    table: str,
    conditions: Sequence[Condition],
    page: Page,
    read: Callable[[sqlite3.Row], Body],
) -> Body:
    upward = page.ending_before is not None
    conditions = [*conditions, *_cursor(session, table, page)]
    where = " AND ".join(text for text, _ in conditions)
    rows = session.connection.execute(
        f"SELECT * FROM {table} WHERE {where}"  # noqa: S608 (names are ours, values are bound)
        f" ORDER BY sequence {'ASC' if upward else 'DESC'} LIMIT ?",
        (*(value for _, value in conditions), page.limit + 1),
    ).fetchall()
    data = [read(row) for row in rows[: page.limit]]
    if upward:
        data.reverse()
    return {"object": "list", "url": url, "has_more": len(rows) > page.limit, "data": data}


def _cursor(session: Session, table: str, page: Page) -> list[Condition]:
    found: list[Condition] = []
    for comparison, identifier, name in (
        ("<", page.starting_after, "starting_after"),
        (">", page.ending_before, "ending_before"),
    ):
        if identifier is None:
            continue
        row = session.connection.execute(
            f"SELECT sequence FROM {table} WHERE id = ?",  # noqa: S608
            (identifier,),
        ).fetchone()
        if row is None:
            raise missing_resource("object", identifier, name)
        found.append((f"sequence {comparison} ?", row["sequence"]))
    return found
