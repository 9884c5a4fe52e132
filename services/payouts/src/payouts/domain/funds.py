"""Whether the provider's balance covers what is about to leave (`money.md` 1, R2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderFunds:
    """One reading of the platform's balance, in minor units of one currency.

    `total` is available and pending; `booked` the sum of `provider_balance` over all books;
    `leaving` what was sent but not yet booked as cash, which may or may not be in `total`; none
    of it where the platform is to lend.
    `lendings` counts how often the platform had given of its own before the reading began.
    `unbooked` is what came in and no book has yet: somebody's pledge whose fact is on its way.
    """

    available: int
    total: int
    booked: int
    leaving: int = 0
    lendings: int = 0
    unbooked: int = 0

    @property
    def platform_float(self) -> int:
        """The platform's own money there, beside the campaigns'; below zero: fees ate theirs."""
        return self.total - self.booked + self.leaving - self.unbooked


def top_up_needed(funds: ProviderFunds, amount: int, set_off: int = 0) -> int:
    """Return the top-up after which the amount may leave; 0 when it may leave now.

    `set_off` of the campaign's money becomes the platform's with it.
    """
    return max(0, amount - funds.available, -funds.platform_float - set_off)
