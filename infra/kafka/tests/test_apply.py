"""Topics applied to a real broker."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from infra.kafka import Topic, TopicsRefused, ensure_topics
from infra.kafka.apply import carry_out, plan
from infra.kafka.cluster import Cluster, connect
from infra.kafka.difference import Present


def topic(name: str, **settings: str) -> Topic:
    """A topic of three partitions; `_` in a setting's name stands for its dot."""
    named = tuple((key.replace("_", "."), value) for key, value in settings.items())
    return Topic(name, "tests", 3, named)


async def present(servers: str, name: str) -> Present | None:
    """The topic as the broker has it."""
    async with connect(servers) as cluster:
        return (await cluster.present([name])).get(name)


async def test_created_once(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    """The topic exists under its prefix with all its settings, and again changes nothing."""
    wanted = topic("apply.created", cleanup_policy="delete", retention_ms="-1")
    for _ in range(2):
        await ensure_topics(kafka_bootstrap_servers, [wanted], topic_prefix)
        found = await present(kafka_bootstrap_servers, f"{topic_prefix}apply.created")
        assert found == Present(3, {"cleanup.policy": "delete", "retention.ms": "-1"})


async def test_widened_without_loss_of_others(
    kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    """A longer retention is set, and a setting that no file names stays."""
    before = topic("apply.widened", retention_ms="1000", segment_bytes="2000000")
    await ensure_topics(kafka_bootstrap_servers, [before], topic_prefix)
    await ensure_topics(
        kafka_bootstrap_servers, [topic("apply.widened", retention_ms="-1")], topic_prefix
    )
    found = await present(kafka_bootstrap_servers, f"{topic_prefix}apply.widened")
    assert found == Present(3, {"retention.ms": "-1", "segment.bytes": "2000000"})


async def test_copies_as_asked(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    """The numbers of copies are the topic's own settings; another number later is refused."""
    wanted = topic("apply.copies")
    for _ in range(2):
        await ensure_topics(
            kafka_bootstrap_servers,
            [wanted],
            topic_prefix,
            replication_factor=1,
            min_insync_replicas=1,
        )
    found = await present(kafka_bootstrap_servers, f"{topic_prefix}apply.copies")
    assert found == Present(3, {"min.insync.replicas": "1"}, copies=1)
    with pytest.raises(TopicsRefused, match="replication factor 1 -> 3"):
        await ensure_topics(kafka_bootstrap_servers, [wanted], topic_prefix, replication_factor=3)


async def test_narrowing_changes_nothing(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    """One refused change holds back all: the other topic is not created either."""
    kept = topic("apply.kept", retention_ms="-1")
    await ensure_topics(kafka_bootstrap_servers, [kept], topic_prefix)
    narrow = topic("apply.kept", retention_ms="1000")
    with pytest.raises(TopicsRefused, match="would delete records"):
        await ensure_topics(kafka_bootstrap_servers, [topic("apply.new"), narrow], topic_prefix)
    found = await present(kafka_bootstrap_servers, f"{topic_prefix}apply.kept")
    assert found == Present(3, {"retention.ms": "-1"})
    assert await present(kafka_bootstrap_servers, f"{topic_prefix}apply.new") is None


async def test_what_somebody_else_creates_meanwhile_is_looked_at(
    kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    """A plan is older than the cluster: a topic that is there by then is widened or refused."""
    names = [f"{topic_prefix}apply.raced-{which}" for which in ("wider", "narrower")]
    made = [topic(name, retention_ms="5000") for name in names]
    async with connect(kafka_bootstrap_servers) as cluster:
        wider, narrower = topic(names[0], retention_ms="-1"), topic(names[1], retention_ms="1000")
        planned = [await plan(cluster, [one]) for one in (wider, narrower)]
        await ensure_topics(kafka_bootstrap_servers, made)
        await carry_out(cluster, planned[0])
        with pytest.raises(TopicsRefused, match="would delete records"):
            await carry_out(cluster, planned[1])
    assert await present(kafka_bootstrap_servers, names[0]) == Present(3, {"retention.ms": "-1"})
    assert await present(kafka_bootstrap_servers, names[1]) == Present(3, {"retention.ms": "5000"})


class TwoBrokers:
    """An admin client whose questions are answered by two brokers, one behind the other."""

    async def describe_topics(self, topics: object) -> list[dict[str, object]]:
        return [{"topic": name, "partitions": [{"replicas": [1]}]} for name in ("old", "new")]

    async def describe_configs(self, resources: object) -> list[SimpleNamespace]:
        unknown = UnknownTopicOrPartitionError.errno
        return [SimpleNamespace(resources=[(0, "", 2, "old", []), (unknown, "", 2, "new", [])])]


async def test_what_one_broker_has_not_heard_of_is_not_there() -> None:
    """Seen with three: the one that lists a new topic is not the one that knows its settings."""
    admin: Any = TwoBrokers()
    assert await Cluster(admin).present(["old", "new"]) == {"old": Present(1, {})}


async def test_dry_run(kafka_bootstrap_servers: str, topic_prefix: str, tmp_path: Path) -> None:
    """Without --yes the difference is printed and nothing made; with it, it is made."""
    (tmp_path / "one.yaml").write_text(
        "topic: apply.dry\nowner: tests\npartitions: 3\ncleanup: delete\nretention_ms: -1\n"
    )
    name = f"{topic_prefix}apply.dry"
    servers = ["--bootstrap-servers", kafka_bootstrap_servers, "--topics", str(tmp_path)]
    command = [sys.executable, "-m", "infra.kafka", "apply", "--prefix", topic_prefix, *servers]

    def run(*more: str) -> str:
        return subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout

    assert f"+ {name}: 3 partitions" in run()
    assert await present(kafka_bootstrap_servers, name) is None
    assert "1 changes made" in run("--yes")
    assert "nothing to change" in run("--yes")
    assert await present(kafka_bootstrap_servers, name) is not None


def test_no_broker(tmp_path: Path) -> None:
    """A broker that does not answer is exit status 69, without a traceback."""
    (tmp_path / "one.yaml").write_text(
        "topic: apply.dry\nowner: tests\npartitions: 3\ncleanup: delete\nretention_ms: -1\n"
    )
    servers = ["--bootstrap-servers", "127.0.0.1:1", "--topics", str(tmp_path)]
    command = [sys.executable, "-m", "infra.kafka", "apply", *servers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert "Traceback" not in done.stderr
