"""The comparison can fail, and so can the waiting."""

import io

import httpx
import pytest
from rich.console import Console

from infra.demo.figures import Figure, all_agree
from infra.demo.telling import NothingMoves, Telling

SAME = Figure("refunded", "provider", 5, "payouts", 5)


def telling(currency: str = "EUR") -> tuple[Telling, io.StringIO]:
    """Return a storyteller without patience, and what it prints."""
    printed = io.StringIO()
    return Telling(Console(file=printed, width=100), currency, stall_seconds=0), printed


def test_a_difference_of_one_unit_is_found() -> None:
    """One unit in one of many figures is enough; no figures at all are no agreement."""
    assert all_agree([SAME])
    assert not all_agree([SAME, Figure("held", "updates", 5, "payouts", 6), SAME])
    assert not all_agree([])


def test_a_stranger_in_place_of_a_backer_is_found() -> None:
    """As many people told as there are backers is no agreement if one of them is another."""
    assert Figure.of_sets("told", "CSV", ["a", "b", "b"], "topic", ["b", "a"]).agrees
    swapped = Figure.of_sets("told", "CSV", ["a", "b"], "topic", ["a", "c"])
    assert swapped.one == swapped.other
    assert not swapped.agrees


def test_a_difference_is_printed_as_one() -> None:
    """Who looks at the table sees which figure differs."""
    told, printed = telling()
    told.figures([SAME, Figure("held", "updates", 1, "payouts", 2)])
    lines = {line.split()[0]: line for line in printed.getvalue().splitlines() if line.strip()}
    assert "agrees" in lines["refunded"]
    assert "DIFFERS" in lines["held"]


@pytest.mark.parametrize(
    ("currency", "text"),
    [("EUR", "21,341.07 EUR"), ("JPY", "2,134,107 JPY"), ("KWD", "2,134.107 KWD")],
)
def test_money_is_told_with_the_digits_of_its_currency(currency: str, text: str) -> None:
    """Minor units are not cents everywhere."""
    assert telling(currency)[0].money(2_134_107) == text


async def test_what_stands_still_ends_the_waiting() -> None:
    """The message says how far it came; a service that does not answer stands still."""
    told, _ = telling()
    answers = [1, 3, 3, 3, 3, 3]

    async def count() -> int:
        if len(answers) < 3:
            raise httpx.ConnectError("killed")
        return answers.pop(0)

    with pytest.raises(NothingMoves, match="refunds: 3 of 8"):
        await told.fill("refunds", 8, count)


async def test_waiting_ends_where_it_is_asked_to() -> None:
    """Stopping early is how a kill comes in the middle."""
    told, printed = telling()
    answers = iter([1, 2, 5, 8])

    async def count() -> int:
        return next(answers)

    await told.fill("refunds", 8, count, stop_at=4)
    assert next(answers) == 8
    assert "5/8" in printed.getvalue()
