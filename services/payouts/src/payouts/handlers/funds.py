"""The provider's balance against what the books hold there, read at most once a second."""

import asyncio
import time
from dataclasses import replace

from payouts.domain.funds import ProviderFunds
from payouts.domain.reconciliation import PLATFORM, BreakKind, Movement
from payouts.metrics import FLOAT
from payouts.ports.provider import MANUAL, Provider
from payouts.ports.reconciliation import Reconciliation
from payouts.ports.sending import Ledger

FRESH_SECONDS = 1.0
PAGE = 100
# More movements than these are not looked through before something is lent: it is asked for again.
NEW_PAGES_MAX = 20


class AutomaticPayouts(Exception):
    """The provider would sweep the backers' money to the platform's bank by itself."""


class RefuseAutomaticPayouts:
    """Refuses a start while the provider pays out by a schedule of its own (`money.md` 6)."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self) -> None:
        """Return if it is manual, or if nobody answers, which is no reason to stop."""
        account = await self._provider.platform_account()
        if account is not None and account.payout_schedule != MANUAL:
            schedule = account.payout_schedule
            raise AutomaticPayouts(f"the provider's payout schedule is {schedule}, not {MANUAL}")


class FundsReader:
    """One reading per currency for all work of this process; the provider has the last word."""

    def __init__(self, provider: Provider, ledger: Ledger, store: Reconciliation) -> None:
        self._provider = provider
        self._ledger = ledger
        self._store = store
        self._readings: dict[str, tuple[float, ProviderFunds]] = {}
        self._on_their_way: dict[str, asyncio.Task[ProviderFunds | None]] = {}

    async def read(self, currency: str, *, anew: bool = False) -> ProviderFunds | None:
        """Return the reading, a new one where asked; None if the provider does not answer."""
        read_at, funds = self._readings.get(currency, (0.0, None))
        if funds is not None and not anew and time.monotonic() - read_at < FRESH_SECONDS:
            return funds
        # Whoever comes while it is read waits for that answer: a call each, when a reading grows
        # old under a whole run, would be more than the provider takes.
        reading = self._on_their_way.get(currency)
        if reading is None:
            reading = asyncio.create_task(self._read(currency))
            self._on_their_way[currency] = reading
            reading.add_done_callback(lambda _: self._on_their_way.pop(currency))
        return await asyncio.shield(reading)

    async def read_to_lend(self, currency: str) -> ProviderFunds | None:
        """Return a new reading: neither what was lent a moment ago nor what is unbooked is lent.

        A payment that was captured is in the provider's total before its fact is in a book, and
        what is leaving may still be there: neither is the platform's to give. None also where too
        much is new at the provider to be looked through.
        """
        cursor = await self._store.cursor(PLATFORM)
        seen = await self._movements_behind(cursor)
        if seen is None:
            return None
        booked = await self._store.booked([one.id for one in seen])
        unbooked = [one for one in seen if one.id not in booked]
        funds = await self._read(currency)
        # What came after the books were read may be in the total, and is in no sum of theirs.
        since = await self._movements_behind(seen[-1].id if seen else cursor)
        if funds is None or since is None:
            return None
        coming = sum(_came_in(one, currency) for one in (*unbooked, *since))
        return replace(funds, leaving=0, unbooked=coming + await self._in_suspense(currency))

    async def _movements_behind(self, cursor: str | None) -> list[Movement] | None:
        """Return them all, None where nobody answers or there are too many."""
        found: list[Movement] = []
        for _ in range(NEW_PAGES_MAX):
            page = await self._provider.movements_of(PLATFORM, cursor)
            if page is None:
                return None
            if not page:
                return found
            found += page
            cursor = page[-1].id
        return None

    async def _in_suspense(self, currency: str) -> int:
        """Return what the reconciliation found to be in no book."""
        total, after = 0, ""
        while page := await self._store.breaks(after, PAGE, open_only=True):
            of_platform = [one for one in page if one.account == PLATFORM]
            total += sum(
                max(0, one.amount)
                for one in of_platform
                if one.currency == currency and one.kind is not BreakKind.NOT_AT_PROVIDER
            )
            after = page[-1].break_id
        return total

    async def _read(self, currency: str) -> ProviderFunds | None:
        # First of all: whoever gives after this is seen by who saves what follows from it.
        lendings = await self._ledger.lendings(currency)
        booked, leaving = await self._ledger.booked_and_leaving(currency)
        balance = await self._provider.balance(currency)
        if balance is None:
            return None
        funds = ProviderFunds(balance.available, balance.total, booked, leaving, lendings)
        FLOAT.labels(currency).set(funds.platform_float)
        self._readings[currency] = (time.monotonic(), funds)
        return funds


def _came_in(movement: Movement, currency: str) -> int:
    """Return how much of a backer's or a bank's money a movement brought, fees taken off."""
    if movement.is_own or movement.currency != currency:
        return 0
    return max(0, movement.amount - movement.fee)
