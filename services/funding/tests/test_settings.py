"""What funding refuses to start with: currencies that no campaign can be in."""

import pytest
from pydantic import ValidationError

from funding.settings import FundingSettings


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("EUR", True),
        ("EUR,JPY", True),
        ("EUR, JPY", True),
        ("eur", False),
        ("EURO", False),
        ("EUR;JPY", False),
        ("EUR,", False),
        ("", False),
    ],
)
def test_what_is_settled_in_is_a_list_of_currencies(typed: str, fits: bool) -> None:
    """With a slip of the pen the process starts, and refuses every launch in what was meant."""
    with pytest.raises(ValidationError) as refusal:
        # Everything else is missing here, and refused as well.
        FundingSettings(settlement_currencies=typed)  # type: ignore[arg-type, call-arg]
    said = [one for one in refusal.value.errors() if one["loc"][0] == "settlement_currencies"]
    assert (said == []) is fits
