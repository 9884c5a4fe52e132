"""What counts as narrowing."""

import pytest

from infra.kafka.difference import Present, differences
from infra.kafka.topics import Topic


@pytest.mark.parametrize(
    ("name", "before", "after", "refused"),
    [
        ("retention.ms", "-1", "1000", True),
        ("retention.ms", "2000", "1000", True),
        ("retention.ms", None, "1000", True),
        ("retention.ms", "1000", "2000", False),
        ("retention.ms", "1000", "-1", False),
        ("retention.ms", None, "-1", False),
        ("cleanup.policy", "delete", "compact", True),
        ("cleanup.policy", "compact", "delete", False),
        ("cleanup.policy", None, "delete", False),
        ("min.insync.replicas", "2", "1", True),
        ("min.insync.replicas", "1", "2", False),
        ("min.insync.replicas", None, "2", False),
    ],
)
def test_settings(name: str, before: str | None, after: str, refused: bool) -> None:
    """A setting that would delete records, or keep them less safely, is refused; no other."""
    present = Present(12, {name: before} if before is not None else {})
    (change,) = differences([Topic("a.b", "a", 12, ((name, after),))], {"a.b": present})
    assert bool(change.refusal) is refused


@pytest.mark.parametrize("partitions", [11, 13])
def test_partitions(partitions: int) -> None:
    """Fewer partitions lose records and more of them move keys: both are refused."""
    (change,) = differences([Topic("a.b", "a", partitions, ())], {"a.b": Present(12, {})})
    assert change.refusal


@pytest.mark.parametrize(("asked", "refused"), [(None, False), (3, False), (1, True), (5, True)])
def test_copies(asked: int | None, refused: bool) -> None:
    """Another number of copies than asked for does not go unnoticed, and is not made here."""
    changes = differences([Topic("a.b", "a", 12, ())], {"a.b": Present(12, {}, copies=3)}, asked)
    assert [bool(change.refusal) for change in changes] == [True] * refused
