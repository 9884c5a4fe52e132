"""Topics and rights as code: what contracts/topics says, applied to a cluster."""

from infra.kafka.apply import TopicsRefused, ensure_topics
from infra.kafka.rights import Right, read_rights
from infra.kafka.topics import Topic, read_topics

__all__ = ["Right", "Topic", "TopicsRefused", "ensure_topics", "read_rights", "read_topics"]
