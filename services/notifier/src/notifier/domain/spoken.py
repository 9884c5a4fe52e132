"""In which languages an audience reads, counted so that a count points at nobody."""

from collections import Counter
from collections.abc import Mapping

# Of fewer readers somebody who knows the backers could tell who they are.
FEWEST = 5
UNKNOWN_LANGUAGE = "unknown"


def primary(language: str) -> str:
    """Return a language without its region: `fr-CH` is read by whoever reads `fr`."""
    return language.split("-")[0].lower()


def by_language(readers: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Return how many read each language, and how many read one that fewer than five do.

    Of the latter no language is named; whose language nobody told of is among them.
    """
    counts: Counter[str] = Counter()
    for language, count in readers.items():
        counts[primary(language)] += count
    named = {
        language: count
        for language, count in sorted(counts.items())
        if count >= FEWEST and language != UNKNOWN_LANGUAGE
    }
    return named, counts.total() - sum(named.values())
