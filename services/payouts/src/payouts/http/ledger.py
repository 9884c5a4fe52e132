"""Routes over all books: the daily signatures for anyone, the trial balance for staff."""

from dataclasses import asdict
from datetime import date
from typing import Annotated

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, Field

from payouts.domain.head_signing import DaySigned, page_content
from payouts.domain.trial_balance import TrialBalance, end_of
from payouts.handlers.unclaimed import unclaimed_ledgers
from payouts.http.paths import Limit
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.queries import Queries
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.instants import Day
from servicekit.problems import Problem

SignedDay = Annotated[str, Path(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Place = Annotated[int, Path(ge=0, le=1_000_000)]
CampaignCursor = Annotated[str, Query(max_length=200, description="The page before's.")]
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


class AccountView(BaseModel):
    account: str
    debit: int
    credit: int


class TrialBalanceView(BaseModel):
    """Every account over all books of a currency, in minor units."""

    currency: str
    books: int
    accounts: list[AccountView]
    debits: int
    credits: int


class TrialBalancesView(BaseModel):
    as_of: date
    items: list[TrialBalanceView]


class UnclaimedView(BaseModel):
    """What a ledger holds of a campaign and nothing has made again; the first causes of it."""

    campaign_id: str
    currency: str
    postings: int
    causes: list[str]
    undivided: int = Field(description="What is not divided among its backers meanwhile.")


class UnclaimedPage(BaseModel):
    items: list[UnclaimedView]
    next_cursor: str | None


def add_ledger_routes(
    api: FastAPI, guard: Guard, queries: Queries, signatures: HeadSignatures, keys: HeadKeys
) -> None:
    """Add them."""

    @api.get("/ledger/trial-balance", dependencies=[guard.allow(Role.STAFF)])
    async def read_trial_balance(
        as_of: Annotated[Day, Query(description="Booked until the end of this day, UTC.")],
    ) -> TrialBalancesView:
        """Show debit and credit of every account over all books."""
        found = await queries.trial_balances(end_of(as_of))
        return TrialBalancesView(as_of=as_of, items=[_trial_balance_view(one) for one in found])

    @api.get("/ledger/unclaimed", dependencies=[guard.allow(Role.STAFF)])
    async def list_unclaimed(cursor: CampaignCursor = "", limit: Limit = 50) -> UnclaimedPage:
        """List the campaigns whose ledger knows more than the restored database, for a person."""
        found = await unclaimed_ledgers(queries, cursor, limit)
        last = found[-1].campaign_id if len(found) == limit else None
        items = [UnclaimedView(**asdict(one)) for one in found]
        return UnclaimedPage(items=items, next_cursor=last)

    anybody = guard.anybody()

    @api.get("/ledger/signatures", dependencies=[anybody])
    async def list_signatures(cursor: Cursor = "", limit: Limit = 50) -> SignaturePage:
        """List the daily signatures in the order of their days; note them, and compare later."""
        found = await signatures.days(cursor, limit)
        last = found[-1].date if len(found) == limit else None
        items = [signature_view(day) for day in found]
        return SignaturePage(items=items, keys=dict(keys.public()), next_cursor=last)

    @api.get("/ledger/signatures/{day}/heads/{place}", dependencies=[anybody])
    async def read_heads(day: SignedDay, place: Place) -> HeadsView:
        """Show one page of the heads that a day's signature is over."""
        signed = await signatures.day(day)
        heads = await signatures.page(signed, place) if signed else None
        if heads is None:
            raise Problem(404, "page-unknown", "There is no such page of signed heads")
        return HeadsView.model_validate(page_content(heads))


def _trial_balance_view(one: TrialBalance) -> TrialBalanceView:
    columns = sorted(one.columns().items())
    return TrialBalanceView(
        currency=one.currency,
        books=one.books,
        accounts=[AccountView(account=a.value, debit=d, credit=c) for a, (d, c) in columns],
        debits=one.debits,
        credits=one.credits,
    )


def signature_view(day: DaySigned) -> SignatureView:
    """Return the signature as it is shown to anyone."""
    return SignatureView.model_validate(
        {**day.content(), "digest": day.digest, "signature": day.signature}
    )
