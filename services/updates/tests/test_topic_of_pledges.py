"""What was pledged, read from its topic: over a real broker and as the recovery's tests have it."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from services.updates.tests.conftest import NOW
from services.updates.tests.test_recover import ToldPledges
from sosst_contracts import funding
from sosst_contracts.codec import Draft, Record
from sosst_contracts.testing import sample
from updates.adapters.topic_of_pledges import TopicOfPledges
from updates.domain.pledge import Promise
from updates.ports.pledged import Pledged
from updates.wire.heard import PLEDGES_TOPIC


def collected(sequence: int, campaign: str, pledge: str, amount: int) -> Record:
    event = sample(
        funding.PledgeCollected,
        campaign_id=campaign,
        pledge_id=pledge,
        backer_id=f"backer-of-{pledge}",
        reward_id="reward-1",
        amount=amount,
    )
    return Draft(event, NOW).seal(sequence)


WITHDRAWN = Draft(sample(funding.PledgeWithdrawn, campaign_id="lamp", pledge_id="p3"), NOW).seal(3)
RECORDS = [
    collected(1, "lamp", "p1", 2_000),
    collected(2, "lamp", "p2", 3_000),
    WITHDRAWN,
    Record(PLEDGES_TOPIC, b"lamp", b"?", ()),
    collected(1, "book", "p1", 4_000),
]


@pytest.fixture(params=["memory", "kafka"])
async def pledged(request: pytest.FixtureRequest) -> Pledged:
    """The topic with these records, of two partitions."""
    if request.param == "memory":
        return ToldPledges(*RECORDS)
    servers = request.getfixturevalue("kafka_bootstrap_servers")
    connection = KafkaConnection(servers, "test", request.getfixturevalue("topic_prefix"))
    admin = AIOKafkaAdminClient(**connection.client_options())
    await admin.start()
    await admin.create_topics([NewTopic(connection.physical(PLEDGES_TOPIC), 2, 1)])
    await admin.close()
    publisher = KafkaPublisher(connection)
    assert all(await publisher.publish(RECORDS))
    await publisher.close()
    return TopicOfPledges(connection)


async def test_what_was_pledged_is_found_by_campaign_and_pledge(pledged: Pledged) -> None:
    """Only of those asked for; ids count within a campaign, and what nobody can read is passed."""
    wanted = {("lamp", "p2"), ("book", "p1"), ("lamp", "p3"), ("lamp", "never")}
    assert await pledged.promises(wanted) == {
        ("lamp", "p2"): Promise("backer-of-p2", "reward-1", 3_000, "EUR"),
        ("book", "p1"): Promise("backer-of-p1", "reward-1", 4_000, "EUR"),
    }
