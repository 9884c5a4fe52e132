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

    `funds` is None where it is not known what is there: the provider does not answer, or more is
    new there than the reconciliation has compared. Raises `FloatMoved` for an old reading. Whoever
    posts them is counted there, also who asks nobody: a bank, or a set-off that is taken back.
    """
    lent = lent_in(postings)
    if lent == 0:
        return
    if funds is None:
        why = "the provider does not answer, or more is new there than was compared with the books"
        raise Refused("balance-unknown", f"what the platform has there is not known now: {why}")
    if short := max(0, lent - funds.platform_float):
        raise Refused("top-up-needed", f"the platform's own money there is {short} short")
    if await unit.lendings.count(currency) != funds.lendings:
        raise FloatMoved


def lent_in(postings: Iterable[Posting]) -> int:
    """Return how much of the platform's own money they give to a campaign."""
    entries = [entry for posting in postings for entry in posting.entries]
    return sum(entry.amount for entry in entries if (entry.debit, entry.credit) == _LENT)
