"""Topics as code: what contracts/topics says, applied to a cluster."""

from infra.kafka.apply import TopicsRefused, ensure_topics
from infra.kafka.topics import Topic, read_topics

__all__ = ["Topic", "TopicsRefused", "ensure_topics", "read_topics"]
