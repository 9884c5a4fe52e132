"""What was pledged, read from the topic of pledges while a restored view does not know it."""

from collections.abc import Collection, Mapping

from servicekit.kafka import KafkaConnection
from servicekit.topic_reader import TopicReader
from updates.domain.pledge import Promise
from updates.ports.pledged import PledgePlace
from updates.wire.heard import PLEDGES_TOPIC
from updates.wire.pledges import promises_from


class TopicOfPledges:
    """`ports.pledged.Pledged`: the whole topic, from its beginning."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def promises(self, pledges: Collection[PledgePlace]) -> Mapping[PledgePlace, Promise]:
        found: dict[PledgePlace, Promise] = {}
        async for page in TopicReader(self._connection, PLEDGES_TOPIC).read({}):
            read = promises_from([one.record for one in page])
            found |= {place: promise for place, promise in read.items() if place in pledges}
        return found
