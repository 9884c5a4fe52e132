"""Metrics of notifier: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter, Gauge, Histogram

CAUSES = Gauge(
    "sosst_notifier_causes",
    "Causes that are not completed, by state. Growing: the view is behind or Kafka is away.",
    ["state"],
)
OLDEST_INCOMPLETE = Gauge(
    "sosst_notifier_cause_oldest_incomplete_timestamp_seconds",
    "When the oldest incomplete cause was heard; 0 = none. Older than 15 minutes pages.",
)
GAP = Gauge(
    "sosst_notifier_completeness_gap",
    "People of open causes with no outcome and not pending. Anything but 0 is a bug that pages.",
)
CONTRADICTIONS = Counter(
    "sosst_notifier_audience_contradictions_total",
    "Causes whose audience was counted differently by their maker. Any: somebody must look.",
)
TOLD_DELAY = Histogram(
    "sosst_notifier_told_delay_seconds",
    "From the fact to the event and inbox. Promise: 60 s for 99.5 %.",
    ["channel"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)
NOTIFICATIONS = Counter(
    "sosst_notifier_notifications_total",
    "People told, by outcome; a chunk that is repeated after a crash counts again.",
    ["outcome"],
)

for _state in ("waiting", "planned"):
    CAUSES.labels(_state)
TOLD_DELAY.labels("inbox")
NOTIFICATIONS.labels("delivered")
