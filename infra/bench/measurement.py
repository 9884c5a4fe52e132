"""What a measurement found: rounds, ratios to the raw limit, targets, and figures that must agree.

A bare time says more about the machine than about the suite, so a round always holds both: how
long the suite took, and how long the same bytes take without it, minutes apart at most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from infra.demo.figures import Figure, all_agree


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the greatest of the rounds."""

    least: float
    middle: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True, slots=True)
class Round:
    """One repetition; `processor_seconds` is what each part's processes used in the meantime.

    `also` holds seconds that explain the round and are no part of its ratio; `memory_mebibytes` is
    how far the service's memory rose above what it had, where that was watched.
    """

    items: int
    seconds: float
    raw_seconds: Mapping[str, float]
    processor_seconds: Mapping[str, float]
    figures: Sequence[Figure]
    also: Mapping[str, float] = field(default_factory=dict)
    memory_mebibytes: float = 0.0

    @property
    def raw(self) -> float:
        """All raw parts together, one after the other."""
        return sum(self.raw_seconds.values())

    @property
    def times_raw(self) -> float:
        """How many times as long as raw: smaller is better."""
        return self.seconds / self.raw

    @property
    def share_of_raw(self) -> float:
        """Which share of the raw speed: greater is better."""
        return self.raw / self.seconds

    @property
    def processor_microseconds(self) -> float:
        """What one item costs, over all parts."""
        return sum(self.processor_seconds.values()) / self.items * 1e6


@dataclass(frozen=True, slots=True)
class Target:
    """One promise about the middle of the rounds; without a bound it is only shown."""

    what: str
    of: Callable[[Round], float]
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        """Whether a value keeps the promise."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    @property
    def is_bound(self) -> bool:
        """Whether anything is promised."""
        return self.at_most is not None or self.at_least is not None

    def __str__(self) -> str:
        if not self.is_bound:
            return ""
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """All rounds of one thing that the suite does."""

    name: str
    item: str
    raw_is: str
    targets: Sequence[Target]
    rounds: Sequence[Round]

    @property
    def is_correct(self) -> bool:
        """Whether every figure of every round agrees; what is wrong has no speed."""
        return bool(self.rounds) and all(all_agree(list(one.figures)) for one in self.rounds)

    def spread(self, of: Callable[[Round], float]) -> Spread:
        """Return least, middle and greatest of something over the rounds."""
        return Spread.of([of(one) for one in self.rounds])


def times_raw(at_most: float | None = None) -> Target:
    """Promise a time of at most so many times the raw one, or only show it."""
    return Target("time ÷ raw", lambda one: one.times_raw, at_most=at_most)


def share_of_raw(at_least: float) -> Target:
    """Promise at least a share of the raw speed."""
    return Target("raw ÷ time", lambda one: one.share_of_raw, at_least=at_least)


def processor_microseconds(at_most: float) -> Target:
    """Promise what one item costs in processor time, over worker, mongod and broker."""
    return Target("CPU µs", lambda one: one.processor_microseconds, at_most=at_most)


def memory_mebibytes(at_most: float) -> Target:
    """Promise how far the service's memory rises, however many items there are."""
    return Target("memory MiB", lambda one: one.memory_mebibytes, at_most=at_most)
