"""The shapes of the documents: instants as dates, words as in the domain."""

from typing import Any

from notifier.domain.cause import Cause, CauseKind, CauseState, Origin, Told
from notifier.domain.chunk import Chunk, ChunkState, Kept
from notifier.domain.kind import ToldAs
from servicekit.documents import read_as

Document = dict[str, Any]


def _told_fields(told: Told) -> Document:
    return {
        "cause": told.cause,
        "kind": told.kind.value,
        "subject": told.subject,
        "campaign_id": told.campaign_id,
        "caused_at": told.caused_at,
        "content": dict(told.content),
        "origin": _origin_fields(told.origin),
    }


def _origin_fields(origin: Origin | None) -> Document | None:
    if origin is None:
        return None
    return {
        "fact_id": origin.fact_id,
        "correlation_id": origin.correlation_id,
        "traceparent": origin.traceparent,
    }


def _told_from(row: Document) -> Told:
    return Told(
        kind=CauseKind(row["kind"]),
        subject=row["subject"],
        campaign_id=row["campaign_id"],
        caused_at=row["caused_at"],
        content=row["content"],
        # Documents of a release before this one have none.
        origin=read_as(Origin, row["origin"]) if row.get("origin") else None,
    )


def cause_document(cause: Cause) -> Document:
    return {
        "_id": cause.name,
        **_told_fields(cause.told),
        "pledges_sequence": cause.pledges_sequence,
        "expected": cause.expected,
        "state": cause.state.value,
        "heard_at": cause.heard_at,
        "audience": cause.audience,
        "planned_at": cause.planned_at,
        "completed_at": cause.completed_at,
        "version": cause.version,
        "campaign_sequence": cause.campaign_sequence,
    }


def cause_from(row: Document) -> Cause:
    return Cause(
        told=_told_from(row),
        pledges_sequence=row["pledges_sequence"],
        expected=row["expected"],
        state=CauseState(row["state"]),
        heard_at=row["heard_at"],
        audience=row["audience"],
        planned_at=row["planned_at"],
        completed_at=row["completed_at"],
        version=row["version"],
        # Documents of a release before this one have none.
        campaign_sequence=row.get("campaign_sequence"),
    )


def chunk_document(chunk: Chunk) -> Document:
    """Return the document; `size` spares the totals from reading the recipients."""
    return {
        "_id": chunk.chunk_id,
        **_told_fields(chunk.told),
        "recipients": list(chunk.recipients),
        "size": len(chunk.recipients),
        "partition": chunk.partition,
        "state": chunk.state.value,
        "reason_gone": chunk.reason_gone,
        "role": chunk.role.value,
        **_exceptions(chunk),
    }


def _exceptions(chunk: Chunk) -> Document:
    """Return what not all chunks have; `hushed` spares the totals from reading who it is.

    Of a plan's, `first` and `last` stand in an index in the place of all between; `as_of` says
    beside them who may stand there.
    """
    fields: Document = {}
    if chunk.is_cut and chunk.recipients:
        first, last = chunk.recipients[0], chunk.recipients[-1]
        fields |= {"first": first, "last": last, "as_of": chunk.as_of}
    if chunk.suppressed:
        people = [{"person": one, "reason": why} for one, why in chunk.suppressed.items()]
        fields |= {"suppressed": people, "hushed": len(people)}
    if chunk.supplement:
        fields["supplement"] = True
    return fields


def chunk_from(row: Document) -> Chunk:
    return Chunk(
        chunk_id=row["_id"],
        told=_told_from(row),
        recipients=tuple(row["recipients"]),
        partition=row["partition"],
        state=ChunkState(row["state"]),
        # Documents of a release before this one have none.
        reason_gone=row.get("reason_gone", False),
        role=ToldAs(row.get("role", ToldAs.BACKER)),
        suppressed={one["person"]: one["reason"] for one in row.get("suppressed", ())},
        supplement=row.get("supplement", False),
        kept=Kept(row["size"], row.get("hushed", 0)) if row.get("forgotten") else None,
        as_of=row.get("as_of"),
    )
