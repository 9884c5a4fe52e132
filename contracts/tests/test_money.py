"""Amounts and currencies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosst_contracts.money import (
    BASIS_POINTS,
    EXPONENTS,
    MAXIMUM_AMOUNT,
    AmountRefused,
    Money,
    UnknownCurrency,
    check_amount,
    exponent,
    floor_share,
    half_up_share,
)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("JPY", 0), ("XOF", 0), ("EUR", 2), ("USD", 2), ("MGA", 2), ("KWD", 3), ("TND", 3)],
)
def test_exponents(currency: str, digits: int) -> None:
    """A currency has as many decimals as ISO 4217 says."""
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "XAU", "XXX", "CLF", "HRK", None, ["EUR"]])
def test_unknown_currencies(currency: object) -> None:
    """Metals, funds, retired currencies and nonsense are unknown."""
    with pytest.raises(UnknownCurrency):
        exponent(currency)  # type: ignore[arg-type]


def test_every_currency_stands_once() -> None:
    """No currency is listed under two exponents, and only 0, 2 and 3 occur."""
    from sosst_contracts import money

    listed = f"{money._ZERO} {money._TWO} {money._THREE}".split()
    assert len(listed) == len(set(listed)) == len(EXPONENTS)
    assert set(EXPONENTS.values()) == {0, 2, 3}


@pytest.mark.parametrize("amount", [0, 1, MAXIMUM_AMOUNT])
def test_amounts(amount: int) -> None:
    """Zero, one and the largest amount are amounts."""
    assert check_amount(amount) == Money(amount, "EUR").amount == amount


@pytest.mark.parametrize("amount", [-1, MAXIMUM_AMOUNT + 1, 1.0, True, "1", None, float("nan")])
def test_refused_amounts(amount: object) -> None:
    """Negative, oversized, float, boolean and text amounts are refused, also inside Money."""
    with pytest.raises(AmountRefused):
        check_amount(amount)  # type: ignore[arg-type]
    with pytest.raises(AmountRefused):
        Money(amount, "EUR")  # type: ignore[arg-type]


def test_ten_million_largest_pledges_are_exact_in_json() -> None:
    """Ten million pledges of the largest amount stay below 2^53 (`events.md` rule 7)."""
    assert 10_000_000 * MAXIMUM_AMOUNT < 2**53


@given(st.integers(0, 10_000_000 * MAXIMUM_AMOUNT), st.integers(0, BASIS_POINTS))
def test_shares(amount: int, basis_points: int) -> None:
    """Floor never promises more than the exact share; half up is the nearest, halves upwards."""
    exact = amount * basis_points
    assert 0 <= exact - floor_share(amount, basis_points) * BASIS_POINTS < BASIS_POINTS
    error = half_up_share(amount, basis_points) * BASIS_POINTS - exact
    assert -BASIS_POINTS // 2 < error <= BASIS_POINTS // 2


@pytest.mark.parametrize(("amount", "share"), [(1, 1), (3, 2), (2, 1), (0, 0)])
def test_halves_go_up(amount: int, share: int) -> None:
    """Half of one is one, half of three is two."""
    assert half_up_share(amount, 5_000) == share
