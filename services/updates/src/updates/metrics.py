"""Metrics of updates: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter

from updates.domain.update import UpdateKind

PUBLISHED = Counter(
    "sosst_updates_published_total",
    "Updates published, each once. Compare with the causes that notifier has.",
    ["kind"],
)

for _kind in UpdateKind:
    PUBLISHED.labels(_kind.value)
