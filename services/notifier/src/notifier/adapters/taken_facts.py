"""What endpoints have taken, by the topic: read once, after a restored backup."""

from collections import defaultdict

from notifier.handlers.recover_endpoints import Taken
from notifier.wire.webhooks import DELIVERIES_TOPIC, taken_from
from servicekit.kafka import KafkaConnection
from servicekit.topic_reader import TopicReader


async def taken_facts(connection: KafkaConnection) -> Taken:
    """Return what the topic holds of the last thirty days; raises `DependencyAway`."""
    found: dict[str, set[str]] = defaultdict(set)
    async for page in TopicReader(connection, DELIVERIES_TOPIC).read({}):
        for one in page:
            taken = taken_from(one.record)
            if taken is not None:
                recipient_id, told_id = taken
                found[recipient_id].add(told_id)
    return found
