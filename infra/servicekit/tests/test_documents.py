"""Documents that the release after this one wrote are read by this one."""

from dataclasses import dataclass

import pytest

from servicekit.documents import read_as


@dataclass(frozen=True, slots=True)
class _Parcel:
    carrier: str
    number: int = 0


def test_what_a_later_release_has_added_is_left_out() -> None:
    """It runs beside this one on one database, and may not break what this one reads."""
    assert read_as(_Parcel, {"_id": "p1", "carrier": "La Poste", "weight": 3}) == _Parcel(
        "La Poste"
    )


def test_what_is_decoded_stands_for_what_was_saved() -> None:
    """A word of a vocabulary or a list is no value yet."""
    assert read_as(_Parcel, {"carrier": "DHL", "number": "7"}, number=7) == _Parcel("DHL", 7)


def test_what_is_missing_is_an_error() -> None:
    """A document without what it must have is broken, by whichever release."""
    with pytest.raises(TypeError, match="carrier"):
        read_as(_Parcel, {"number": 1})
