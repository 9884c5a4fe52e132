"""The provider's balance against what the books hold there, read at most once a second."""

import asyncio
import time

from payouts.domain.funds import ProviderFunds
from payouts.metrics import FLOAT
from payouts.ports.provider import Provider
from payouts.ports.sending import Ledger

FRESH_SECONDS = 1.0


class AutomaticPayouts(Exception):
    """The provider would sweep the backers' money to the platform's bank by itself."""


class RefuseAutomaticPayouts:
    """Refuses a start while the provider pays out by a schedule of its own (`money.md` 6)."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def __call__(self) -> None:
        """Return if it is manual, or if nobody answers, which is no reason to stop."""
        account = await self._provider.platform_account()
        if account is not None and account.payout_schedule != "manual":
            schedule = account.payout_schedule
            raise AutomaticPayouts(f"the provider's payout schedule is {schedule}, not manual")


class FundsReader:
    """One reading per currency for all work of this process; the provider has the last word."""

    def __init__(self, provider: Provider, ledger: Ledger) -> None:
        self._provider = provider
        self._ledger = ledger
        self._readings: dict[str, tuple[float, ProviderFunds]] = {}
        self._on_their_way: dict[str, asyncio.Task[ProviderFunds | None]] = {}

    async def read(self, currency: str) -> ProviderFunds | None:
        """Return the reading, None if the provider does not answer."""
        read_at, funds = self._readings.get(currency, (0.0, None))
        if funds is not None and time.monotonic() - read_at < FRESH_SECONDS:
            return funds
        # Whoever comes while it is read waits for that answer: a call each, when a reading grows
        # old under a whole run, would be more than the provider takes.
        reading = self._on_their_way.get(currency)
        if reading is None:
            reading = asyncio.create_task(self.read_anew(currency))
            self._on_their_way[currency] = reading
            reading.add_done_callback(lambda _: self._on_their_way.pop(currency))
        return await asyncio.shield(reading)

    async def read_anew(self, currency: str) -> ProviderFunds | None:
        """Return a new reading: what was lent a moment ago is not lent once more."""
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
