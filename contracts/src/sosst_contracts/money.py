"""Amounts: integers of minor units beside an ISO 4217 currency; standard library only."""

from dataclasses import dataclass

# Ten million pledges of this size stay below 2^53 (`events.md` rule 7).
MAXIMUM_AMOUNT = 900_000_000
BASIS_POINTS = 10_000

# Active ISO 4217 currencies of countries, without funds and metals, as of 2026. Topics are kept for
# ever, so a currency that ISO retires later stays here: its old facts must remain readable.
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN "
    "QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
    "TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
EXPONENTS: dict[str, int] = (
    dict.fromkeys(_ZERO.split(), 0)
    | dict.fromkeys(_TWO.split(), 2)
    | dict.fromkeys(_THREE.split(), 3)
)


class UnknownCurrency(ValueError):
    """Not an active ISO 4217 currency that money can be collected in."""


class AmountRefused(ValueError):
    """Not a whole number of minor units between zero and `MAXIMUM_AMOUNT`."""


def exponent(currency: str) -> int:
    """Return how many decimal digits the currency has (JPY 0, EUR 2, KWD 3)."""
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        raise UnknownCurrency(f"unknown currency {currency!r}") from None


def check_amount(amount: int) -> int:
    """Return the amount, or raise `AmountRefused`; booleans and floats are not amounts."""
    if type(amount) is not int:
        raise AmountRefused(f"an amount is a whole number of minor units, not {amount!r}")
    if not 0 <= amount <= MAXIMUM_AMOUNT:
        raise AmountRefused(f"an amount lies between 0 and {MAXIMUM_AMOUNT}, not {amount}")
    return amount


@dataclass(frozen=True, slots=True)
class Money:
    """A checked amount in a known currency."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        check_amount(self.amount)
        exponent(self.currency)


def floor_share(amount: int, basis_points: int) -> int:
    """Return the share, rounded down: what is promised is never more than what is there."""
    return amount * basis_points // BASIS_POINTS


def half_up_share(amount: int, basis_points: int) -> int:
    """Return the share, halves rounded up: how fees are taken (`money.md` 4)."""
    return (amount * basis_points + BASIS_POINTS // 2) // BASIS_POINTS
