"""The smallest amount that a provider pays out in a currency, in minor units (`money.md` 4).

What is below it cannot be sent: stages floor to it, and what stays is called dust.
"""

from collections.abc import Iterable

from sosst_contracts.money import exponent

# Stripe pays these out in whole units only, although it charges their hundredths
# (docs.stripe.com/currencies, special cases); ISO 4217 gives ISK and UGX no hundredths at all.
_WHOLE_UNITS = frozenset({"HUF", "TWD"})
# Of three decimal digits it wants the last one to be 0.
_THREE_DIGITS = 10
# The sandbox stands in for Stripe.
_LIKE_STRIPE = frozenset({"stripe", "sandbox"})

# The dust of a book is below this, whatever its currency and provider.
QUANTUM_MAX = 100
DUST = "dust"


def quantum_of(currency: str, provider: str) -> int:
    """Return how many minor units of the currency the provider pays out at least."""
    if provider not in _LIKE_STRIPE:
        return 1
    if currency in _WHOLE_UNITS:
        return 100
    return _THREE_DIGITS if exponent(currency) == 3 else 1


def quantum_among(currency: str, providers: Iterable[str]) -> int:
    """Return the coarsest of all through which a campaign's money came."""
    return max((quantum_of(currency, one) for one in set(providers)), default=1)


def floor_to(amount: int, quantum: int) -> int:
    """Round down to whole quanta: what cannot be paid out is not promised."""
    return amount - amount % quantum
