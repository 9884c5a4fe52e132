"""Figures that must agree: each is read from two sides that do not share a database."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is, and both readings with where they come from.

    `unmatched` counts what stands on one side only, where the sides are sets: as many
    notifications as backers is no agreement when one of them went to a stranger.
    """

    name: str
    one_side: str
    one: int
    other_side: str
    other: int
    unmatched: int = 0

    @classmethod
    def of_sets(
        cls,
        name: str,
        one_side: str,
        one: Iterable[Hashable],
        other_side: str,
        other: Iterable[Hashable],
    ) -> Self:
        """Compare two sets member by member."""
        left, right = set(one), set(other)
        return cls(name, one_side, len(left), other_side, len(right), len(left ^ right))

    @property
    def agrees(self) -> bool:
        return self.one == self.other and self.unmatched == 0


def all_agree(figures: list[Figure]) -> bool:
    """Whether there are figures and no two sides differ."""
    return bool(figures) and all(figure.agrees for figure in figures)
