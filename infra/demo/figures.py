"""Figures that must agree: each is read from two sides that do not share a database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is, and both readings with where they come from."""

    name: str
    one_side: str
    one: int
    other_side: str
    other: int

    @property
    def agrees(self) -> bool:
        return self.one == self.other


def all_agree(figures: list[Figure]) -> bool:
    """Whether there are figures and no two sides differ."""
    return bool(figures) and all(figure.agrees for figure in figures)
