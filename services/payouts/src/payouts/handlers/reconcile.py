"""Reconciling: each balance transaction with its entries, each cash entry with its transaction.

Both sides are read in order from where the last reading ended, and only once they are old enough
for the other side to have followed. What is missing then is kept as a break, and looked at again
until it ends. Nothing here moves money: a movement is booked by its own rule, or by nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from payouts.domain.reconciliation import (
    PLATFORM,
    BookedCash,
    Break,
    BreakKind,
    Movement,
    cash_in,
    compare,
    end,
    not_at_provider,
)
from payouts.ports.provider import Provider
from payouts.ports.reconciliation import BlockPlace, Reconciliation

PAGE = 100
NEW_PAGES_MAX = 20


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How much was compared in one turn, and what is open after it.

    `answered` is false where the provider did not say.
    """

    movements: int = 0
    blocks: int = 0
    answered: bool = True
    open: tuple[Break, ...] = ()

    @property
    def caught_up(self) -> bool:
        return self.movements == self.blocks == 0


async def reconcile(
    store: Reconciliation,
    provider: Provider,
    patience: timedelta,
    now: datetime,
    accounts: Sequence[str],
) -> Reconciled:
    """Compare the next page of each account, and the next blocks; then look at open breaks.

    `accounts` are connected ones. One that a block has cash of is read whether named or not.
    """
    until, counts = now - patience, list[int | None]()
    for account in (PLATFORM, *accounts):
        counts.append(await _follow(store, provider, account, until, now))
    movements = sum(count or 0 for count in counts)
    blocks: int | None = 0
    # An entry whose account could not be read would look like cash that is not there.
    if None not in counts and not movements:
        blocks = await _take_blocks(store, provider, until, now)
    answered = None not in (*counts, blocks)
    return Reconciled(movements, blocks or 0, answered, await _end_what_followed(store, now))


async def _follow(
    store: Reconciliation, provider: Provider, account: str, until: datetime, now: datetime
) -> int | None:
    """Compare the next page of one account's list; None where the provider does not answer."""
    page = await provider.movements_of(account, await store.cursor(account))
    if page is None:
        return None
    # Up to the first young one, and not those behind it: the cursor would pass what was not read.
    old = list(takewhile(lambda one: one.created_at <= until, page))
    if not old:
        return 0
    booked = await store.booked([one.id for one in old])
    payouts = [one.source for one in old if one.is_payout and one.id not in booked]
    # The cash leaves with the call, the entry follows with the bank, days later or never.
    with_banks = await store.unbooked_payouts(payouts)
    found = [compare(one, booked.get(one.id), now) for one in old if one.source not in with_banks]
    await store.keep_movements(old)
    await store.open_breaks([one for one in found if one])
    await store.move_cursor(account, old[-1].id)
    return len(old)


async def _take_blocks(
    store: Reconciliation, provider: Provider, until: datetime, now: datetime
) -> int | None:
    blocks = await store.blocks_sealed(await store.place(), until, PAGE)
    if not blocks:
        return 0
    booked = {one.balance_transaction: one for block in blocks for one in cash_in(block)}
    listed = await store.movements(booked.keys())
    missing = _not_in(listed, booked)
    # What was listed before it was booked is compared here.
    differing = [compare(listed[name], one, now) for name, one in booked.items() if name in listed]
    campaigns = {one.campaign_id for one in missing if not one.at_platform}
    for account in await store.accounts(campaigns) if campaigns else ():
        while followed := await _follow(store, provider, account, until, now):
            pass
        if followed is None:
            return None
    if campaigns:
        missing = _not_in(await store.movements(booked.keys()), booked)
    found = [not_at_provider(one, now) for one in missing]
    await store.open_breaks(found + [one for one in differing if one])
    last = blocks[-1]
    await store.move_place(BlockPlace(last.sealed_at, last.campaign_id, last.number))
    return len(blocks)


def _not_in(listed: Mapping[str, Movement], booked: Mapping[str, BookedCash]) -> list[BookedCash]:
    return [one for name, one in booked.items() if name not in listed]


async def _end_what_followed(store: Reconciliation, now: datetime) -> tuple[Break, ...]:
    """End the breaks whose other side is there by now; return those that stay open."""
    still: list[Break] = []
    after = ""
    while page := await store.breaks(after, PAGE, open_only=True):
        names = [one.balance_transaction for one in page]
        booked, known = await store.booked(names), await store.movements(names)
        for one in page:
            if _followed(one, booked, known, now):
                await store.save_break(end(one, "followed", now))
            else:
                still.append(one)
        after = page[-1].break_id
    return tuple(still)


def _followed(
    found: Break,
    booked: Mapping[str, BookedCash],
    known: Mapping[str, Movement],
    now: datetime,
) -> bool:
    movement = known.get(found.balance_transaction)
    if found.kind is BreakKind.NOT_AT_PROVIDER:
        return movement is not None
    cash = booked.get(found.balance_transaction)
    return movement is not None and cash is not None and compare(movement, cash, now) is None


async def unexplained_total(store: Reconciliation, provider: Provider, currency: str) -> int | None:
    """Return by how much the provider's balance is not the sum of its own list (I3).

    None where it moved or did not answer while it was read, or too much of it is new.
    """
    before = await provider.balance(currency)
    listed = (await store.totals()).get(currency, 0)
    cursor, pages = await store.cursor(PLATFORM), 0
    while page := await provider.movements_of(PLATFORM, cursor):
        listed += sum(one.amount - one.fee for one in page if one.currency == currency)
        cursor, pages = page[-1].id, pages + 1
        if pages == NEW_PAGES_MAX:
            return None
    after = await provider.balance(currency)
    if page is None or before is None or after != before:
        return None
    return before.total - listed
