"""Routes by which anyone gets the daily signatures over all chains' heads."""

from typing import Annotated

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, Field

from payouts.domain.head_signing import DaySigned, page_content
from payouts.ports import HeadKeys, HeadSignatures
from servicekit.access import Guard
from servicekit.problems import Problem

Day = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Place = Annotated[int, Path(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=10, description="`next_cursor` of the page before.")]


class SignatureView(BaseModel):
    """A day's signature; all fields but the last two are what is hashed."""

    date: str
    signed_at: str = Field(description="As it is hashed, with milliseconds.")
    heads: int = Field(description="Chains whose head moved since the day before.")
    pages: list[str] = Field(description="SHA-256 of each page of heads, in order.")
    previous: str = Field(description="Digest of the signature before, zeros for the first.")
    key_id: str
    digest: str = Field(description="SHA-256 of the RFC 8785 JSON of the fields above.")
    signature: str = Field(description="Ed25519 over the digest's bytes, in hexadecimal.")


class SignaturePage(BaseModel):
    items: list[SignatureView]
    keys: dict[str, str] = Field(description="Public keys by id, raw bytes in base64.")
    next_cursor: str | None


class HeadsView(BaseModel):
    """A page of heads as it is hashed: campaign, number of the block, hash of the block."""

    heads: list[tuple[str, int, str]]


def add_ledger_routes(
    api: FastAPI, guard: Guard, signatures: HeadSignatures, keys: HeadKeys
) -> None:
    """Add them."""
    anybody = guard.anybody()

    @api.get("/ledger/signatures", dependencies=[anybody])
    async def list_signatures(cursor: Cursor = "", limit: Limit = 50) -> SignaturePage:
        """List the daily signatures in the order of their days; note them, and compare later."""
        found = await signatures.days(cursor, limit)
        last = found[-1].date if len(found) == limit else None
        items = [signature_view(day) for day in found]
        return SignaturePage(items=items, keys=dict(keys.public()), next_cursor=last)

    @api.get("/ledger/signatures/{day}/heads/{place}", dependencies=[anybody])
    async def read_heads(day: Day, place: Place) -> HeadsView:
        """Show one page of the heads that a day's signature is over."""
        signed = await signatures.day(day)
        heads = await signatures.page(signed, place) if signed else None
        if heads is None:
            raise Problem(404, "page-unknown", "There is no such page of signed heads")
        return HeadsView.model_validate(page_content(heads))


def signature_view(day: DaySigned) -> SignatureView:
    """Return the signature as it is shown to anyone."""
    return SignatureView.model_validate(
        {**day.content(), "digest": day.digest, "signature": day.signature}
    )
