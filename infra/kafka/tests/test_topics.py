"""Topic files: what is read, and what is refused with the file's name."""

from pathlib import Path

import pytest

from infra.kafka import Topic, read_topics
from infra.kafka.topics import MalformedTopicFile

GOOD = "topic: funding.pledges\nowner: funding\npartitions: 12\ncleanup: delete\nretention_ms: -1\n"


def test_read(tmp_path: Path) -> None:
    """A file becomes a topic with Kafka's setting names; other owners are left out on demand."""
    (tmp_path / "funding.pledges.yaml").write_text(GOOD)
    settings = (("cleanup.policy", "delete"), ("retention.ms", "-1"))
    assert read_topics(tmp_path) == [Topic("funding.pledges", "funding", 12, settings)]
    assert read_topics(tmp_path, owner="payouts") == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("topic: funding.pledges", "topic: funding_pledges"),
        ("partitions: 12", "partitions: '12'"),
        ("partitions: 12", "partitions: 0"),
        ("owner: funding", ""),
        ("retention_ms: -1", "retention_ms: true"),
    ],
)
def test_refused(tmp_path: Path, line: str, wrong: str) -> None:
    """A missing, mistyped or impossible value is refused with the file's name."""
    (tmp_path / "bad.yaml").write_text(GOOD.replace(line, wrong))
    with pytest.raises(MalformedTopicFile, match=r"bad\.yaml"):
        read_topics(tmp_path)
