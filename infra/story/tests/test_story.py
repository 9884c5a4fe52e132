"""Order, words and refusals of the story; the whole of it on a real suite is a journey."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from infra.kafka import Topic, ensure_topics
from infra.native.addresses import Addresses
from infra.story.__main__ import main
from infra.story.facts import Fact, SilentBroker, in_order, read_facts
from infra.story.place import Place
from infra.story.words import lines_of
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Decoded, Draft, Record, Unusable, decode
from sosst_contracts.event import Event
from sosst_contracts.funding import PledgeCollected, VerdictReached
from sosst_contracts.payouts import RefundCreated
from sosst_contracts.testing import sample

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fact(event: Event, sequence: int, at: datetime = NOW, cause: str | None = None) -> Fact:
    read = decode(Draft(event, at, causation_id=cause).seal(sequence))
    assert isinstance(read, Decoded)
    return Fact(event.topic, 0, sequence, at, read)


def story() -> list[Fact]:
    """A pledge, its verdict and its refund, all of one instant."""
    pledge = fact(sample(PledgeCollected, campaign_id="c", amount=1_999, currency="EUR"), 1)
    verdict = fact(sample(VerdictReached, campaign_id="c"), 2, cause=pledge.fact_id)
    refund = sample(RefundCreated, campaign_id="c", refund_id="r1", amount=5, currency="JPY")
    return [pledge, verdict, fact(refund, 1, cause=verdict.fact_id)]


def test_of_one_instant_causes_stand_before_effects() -> None:
    """Whatever the topics are called and in whichever order they were read."""
    facts = story()
    assert in_order(reversed(facts)) == in_order([facts[1], facts[0], facts[2]]) == facts


def test_a_time_cut_to_milliseconds_is_the_same_instant() -> None:
    """MongoDB keeps milliseconds: a notice of a verdict stood above the verdict."""
    _, verdict, refund = story()
    cut = NOW.replace(microsecond=416_000)
    exact = fact(verdict.read.event, 2, cut.replace(microsecond=416_789))  # type: ignore[union-attr]
    effect = fact(refund.read.event, 1, cut, cause=exact.fact_id)  # type: ignore[union-attr]
    assert in_order([effect, exact]) == [exact, effect]


def test_time_goes_before_everything() -> None:
    """A later instant stands later, also a cause whose clock was wrong."""
    pledge, verdict, _ = story()
    late = fact(pledge.read.event, 1, NOW + timedelta(seconds=1))  # type: ignore[union-attr]
    assert in_order([late, verdict]) == [verdict, late]


def test_a_circle_of_causes_has_an_end() -> None:
    """A foreign producer can name any id; the story is told all the same."""
    event = sample(PledgeCollected, campaign_id="c")
    first, second = "funding.pledges:c:1", "funding.pledges:c:2"
    circle = [fact(event, 1, cause=second), fact(event, 2, cause=first), fact(event, 3, cause="x")]
    assert len(in_order(circle)) == 3


def test_a_line_says_what_how_much_and_why() -> None:
    """Minor units as people write them, in the currency's own digits."""
    pledge, verdict, refund = (line.text for line in lines_of(story()))
    assert "pledge-collected" in pledge and "19.99 EUR" in pledge and "because" not in pledge
    assert verdict.endswith("because of pledge-collected 1")
    assert "r1" in refund and " 5 JPY" in refund and refund.endswith("because of verdict-reached 2")


def test_a_cause_that_no_topic_holds_is_named() -> None:
    """Nobody looks for it in vain."""
    [line] = lines_of([fact(sample(PledgeCollected), 1, cause="gone\x1b[2J")])
    assert line.text.endswith(r"because of gone\x1b[2J, which is not on the topics")


def test_what_cannot_be_read_is_told_too() -> None:
    """With the reason, where it stands, and when it was published."""
    read = decode(Record("funding.pledges", b"c", None, ()))
    assert isinstance(read, Unusable)
    [line] = lines_of([replace(story()[0], read=read, offset=7)])
    assert "CANNOT BE READ" in line.text and read.reason in line.text
    assert json.loads(line.as_json())["id"] == "funding.pledges[0]@7"


def test_without_a_suite_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was started and nothing is given: one line, exit 69."""
    monkeypatch.setattr("infra.story.place.state_folder", lambda: tmp_path)
    for name in ("SOSST_KAFKA_BOOTSTRAP_SERVERS", "SOSST_MONGODB_URI"):
        monkeypatch.delenv(name, raising=False)
    assert main(["c"]) == 69
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "make up" in told.err


def test_servers_that_are_away_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No trace of the program and no address, which may hold a password: exit 69."""
    monkeypatch.setenv("SOSST_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("SOSST_MONGODB_URI", "mongodb://user:secret@127.0.0.1:9/")
    monkeypatch.setenv("TOPIC_PREFIX", "s-")
    assert main(["c"]) == 69
    told = capsys.readouterr()
    assert told.err == "Kafka does not answer\n" and "secret" not in told.out + told.err


@pytest.mark.parametrize("waits", [True, False], ids=["it hangs", "nothing comes"])
async def test_a_broker_that_falls_silent_is_named_and_left(
    waits: bool,
    kafka_bootstrap_servers: str,
    mongodb_uri: str,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is known to be there is not waited for without end, and nothing fetches on."""
    connection = KafkaConnection(kafka_bootstrap_servers, "tests", topic_prefix)
    topics = [Topic(PledgeCollected.topic, "funding", 3, ())]
    await ensure_topics(kafka_bootstrap_servers, topics, topic_prefix)
    publisher = KafkaPublisher(connection)
    await publisher.publish([Draft(sample(PledgeCollected, campaign_id="c"), NOW).seal(1)])
    await publisher.close()
    place = Place(Addresses(kafka_bootstrap_servers, mongodb_uri), topic_prefix)
    assert len((await read_facts(place, "c")).facts) == 1
    silences = 0

    async def silence(*partitions: object, **options: object) -> dict[object, object]:
        nonlocal silences
        silences += 1
        await (asyncio.Event().wait() if waits else asyncio.sleep(0.01))
        return {}

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", silence)
    monkeypatch.setattr("infra.story.facts.SILENT_SECONDS", 5.0)
    before = asyncio.all_tasks()
    with pytest.raises(SilentBroker, match=r"no more of funding\.pledges"):
        async with asyncio.timeout(60):
            await read_facts(place, "c")
    assert silences
    left = asyncio.all_tasks() - before
    assert not left or not (await asyncio.wait(left, timeout=10))[1]


def test_a_silent_broker_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which topic stopped, and exits with 69."""

    async def tell(campaign_id: str, *, as_json: bool) -> None:
        raise SilentBroker("Kafka says no more of funding.pledges")

    monkeypatch.setattr("infra.story.__main__._tell", tell)
    assert main(["c"]) == 69
    assert capsys.readouterr().err == "Kafka says no more of funding.pledges\n"
