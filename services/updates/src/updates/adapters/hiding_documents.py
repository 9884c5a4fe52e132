"""Hidings as they stand in the document of what is hidden."""

from dataclasses import asdict
from typing import Any

from servicekit.documents import read_as
from updates.domain.hiding import Appeal, Hiding, HidingReason, HidingState, Ruling, Statement

Document = dict[str, Any]


def hiding_document(hiding: Hiding) -> Document:
    statement = hiding.statement
    return {
        "state": hiding.state.value,
        "statement": asdict(statement) | {"reason": statement.reason.value},
        "appeal": asdict(hiding.appeal) if hiding.appeal else None,
        "ruling": asdict(hiding.ruling) if hiding.ruling else None,
    }


def hiding_from(row: Document) -> Hiding:
    said = row["statement"]
    return Hiding(
        statement=read_as(Statement, said, reason=HidingReason(said["reason"])),
        state=HidingState(row["state"]),
        appeal=read_as(Appeal, row["appeal"]) if row["appeal"] else None,
        ruling=read_as(Ruling, row["ruling"]) if row["ruling"] else None,
    )
