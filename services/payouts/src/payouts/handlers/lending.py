"""The platform's own money is given once: who gives it counts, and who read before reads again."""

from collections.abc import Iterable

from payouts.domain.errors import Refused
from payouts.domain.funds import ProviderFunds
from payouts.domain.ledger import Account, Posting
from payouts.ports.unit import PayoutsUnit

# So many others may be given of the same money while one decision is saved.
READINGS_MAX = 5
_LENT = (Account.PROVIDER_BALANCE, Account.PLATFORM_CURRENT)


class FloatMoved(Refused):
    """Somebody else was given of the platform's own money since it was read."""

    def __init__(self) -> None:
        super().__init__("float-moved", "the platform's own money was given of meanwhile")


async def lend(
    unit: PayoutsUnit, currency: str, postings: Iterable[Posting], funds: ProviderFunds | None
) -> None:
    """Refuse the postings where the float does not cover what they take of it (R2).

    `funds` is None where the provider does not say what is there. Raises `FloatMoved` for an old
    reading.
    """
    entries = [entry for posting in postings for entry in posting.entries]
    lent = sum(entry.amount for entry in entries if (entry.debit, entry.credit) == _LENT)
    if lent == 0:
        return
    if funds is None:
        raise Refused("balance-unknown", "the provider does not say what the platform has there")
    if short := max(0, lent - funds.platform_float):
        raise Refused("top-up-needed", f"the platform's own money there is {short} short")
    if not await unit.lendings.add(currency, funds.lendings):
        raise FloatMoved
