"""Cells of CSV files that no spreadsheet takes for a formula (OWASP, CSV injection)."""

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(cell: str) -> str:
    """Return the cell with an apostrophe before whatever a spreadsheet would compute.

    Also where apostrophes of its own stand before that, so that no two cells become the same one.
    """
    text = cell.replace("\x00", "")
    return f"'{text}" if text.lstrip(" '").startswith(_BEGINNINGS) else text


def kept(cell: str) -> str:
    """Return the cell inert, and such that `meant` gives it back with the blanks around it."""
    text, own = inert(cell), cell.lstrip("'")
    return f"'{text}" if own != own.strip() and text == cell else text


def meant(cell: str) -> str:
    """Return what stood there before it was `kept`; of any other cell blanks around it go."""
    return cell[1:] if cell.startswith("'") and kept(cell[1:]) == cell else cell.strip()
