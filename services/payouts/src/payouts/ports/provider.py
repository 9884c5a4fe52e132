"""The payment provider: what may be asked of it, and each way in which it may answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from payouts.domain.dispute import DisputeSeen
from payouts.domain.reconciliation import Movement
from payouts.domain.refund import Refund
from payouts.domain.refund_outcome import RefundSeen
from payouts.domain.stage import Stage
from payouts.domain.stage_outcome import PayoutSeen, TransferSeen
from payouts.domain.stage_recovery import TransferMade

# The payout schedule of an account whose money goes to its bank only where somebody asks for it.
MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Declined:
    """A definite refusal: nothing was done. `for_funds`: the balance did not cover it."""

    reason: str
    retryable: bool
    for_funds: bool = False


@dataclass(frozen=True, slots=True)
class Throttled:
    """Nothing was done and the key is still good: ask again after so many seconds."""

    retry_after_seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nobody knows whether it was done. `key_spent`: the key would only replay an error."""

    key_spent: bool = False


@dataclass(frozen=True, slots=True)
class NotThere:
    """A look-up found nothing."""


@dataclass(frozen=True, slots=True)
class MadeBefore:
    """Of this attempt there is nothing, but an earlier one of the same refund had made it.

    `refused`: this attempt was refused definitely; else a look-up did not find it, which counts
    only when nothing can still arrive.
    """

    seen: RefundSeen
    refused: bool


@dataclass(frozen=True, slots=True)
class ProviderBalance:
    """The platform's balance in one currency, minor units."""

    available: int
    total: int


@dataclass(frozen=True, slots=True)
class PlatformAccount:
    """The account that our key is of, and how its own money is paid out."""

    account: str
    payout_schedule: str


@dataclass(frozen=True, slots=True)
class CashMovement:
    """A balance transaction: what moved, and the id of the object that it belongs to."""

    id: str
    type: str
    source: str


class Provider(Protocol):
    """The payment provider. No method raises for what the provider says or fails to say.

    Calls with effects carry a key; the same key and body give the first answer again for 24 hours
    (`money.md` 6). The client's time-out is shorter than any lease and it never retries by itself.
    """

    async def create_refund(
        self, refund: Refund
    ) -> RefundSeen | MadeBefore | Declined | Throttled | NoAnswer:
        """Ask for the refund under its attempt's key.

        A later attempt is `Declined` only if no earlier one holds money; where the provider has
        refunded already and lists nothing of ours yet, there is no answer.
        """
        ...

    async def find_refund(self, refund: Refund) -> RefundSeen | MadeBefore | NotThere | NoAnswer:
        """Look the current attempt up by its charge, then those before it."""
        ...

    async def create_transfer(self, stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        """Ask for the first leg, to the creator's connected account."""
        ...

    async def find_transfer(self, stage: Stage) -> TransferSeen | NotThere | NoAnswer: ...

    async def create_payout(self, stage: Stage) -> PayoutSeen | Declined | Throttled | NoAnswer:
        """Ask for the second leg, from the connected account to the bank."""
        ...

    async def find_payout(self, stage: Stage) -> PayoutSeen | NotThere | NoAnswer: ...

    async def find_dispute(self, dispute_id: str) -> DisputeSeen | NotThere | NoAnswer:
        """Read a dispute as it is now."""
        ...

    async def refunds_of(self, refund: Refund) -> list[RefundSeen] | NoAnswer:
        """Look up every attempt of this refund that the provider holds, by its charge."""
        ...

    async def transfers_of(self, stage: Stage) -> list[TransferMade] | NoAnswer:
        """Look up every transfer of this stage, whichever attempt it was."""
        ...

    async def payouts_of(self, stage: Stage, account: str) -> list[PayoutSeen] | NoAnswer:
        """Look up every payout of this stage from a connected account."""
        ...

    async def account_problem(self, account: str) -> str | NoAnswer | None:
        """Return why the account cannot receive payouts, None if it can.

        One that pays out by a schedule of its own cannot: it would sweep what was transferred, our
        payout would be declined, and the stage would fail although the creator has the money.
        """
        ...

    async def balance(self, currency: str) -> ProviderBalance | None:
        """Return the platform's balance, None if the provider does not answer."""
        ...

    async def movements_after(self, cursor: str | None) -> list[CashMovement] | None:
        """Return the oldest movements behind the cursor (None: from the beginning), in order."""
        ...

    async def movements_of(self, account: str, cursor: str | None) -> list[Movement] | None:
        """Return the same with their amounts, of the platform ("") or of a connected account."""
        ...

    async def campaign_of(self, movement: CashMovement) -> str | NoAnswer | None:
        """Return whose money a refund or transfer of ours moved, None if it does not say."""
        ...

    async def platform_account(self) -> PlatformAccount | None:
        """Return whose account it is that we ask, None if there is no answer."""
        ...


def found_among(listed: Sequence[RefundSeen], refund: Refund) -> RefundSeen | MadeBefore | NotThere:
    """Return what all that the provider lists of a refund says of its current attempt."""
    by_number = {one.attempt: one for one in listed}
    current = refund.attempt.number
    if current in by_number:
        return by_number[current]
    made = [one for number, one in by_number.items() if number < current and one.holds_money]
    return MadeBefore(made[0], refused=False) if made else NotThere()
