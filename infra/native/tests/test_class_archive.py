"""A broker starts on the classes that one before it has read."""

import shutil
from pathlib import Path

import pytest

from infra.native import NativeStack, kafka
from infra.native.kafka import KafkaServer


def maps_of(broker: KafkaServer) -> str:
    """The files that its process has in memory."""
    assert broker.process is not None
    return Path(f"/proc/{broker.process.process_id}/maps").read_text()


def test_a_broker_maps_the_archived_classes(breakable_stack: NativeStack) -> None:
    """Java took the archive: made by another Java or of other jars it would leave it aside."""
    assert str(kafka._class_archive()) in maps_of(breakable_stack.kafka)


def test_a_damaged_archive_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of other bytes in its middle: the broker reads its classes from the jars."""
    damaged = tmp_path / "classes.jsa"
    shutil.copyfile(kafka._class_archive(), damaged)
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        page = file.read(4_096)
        file.seek(-len(page), 1)
        file.write(bytes(byte ^ 0xFF for byte in page))
    monkeypatch.setattr(kafka, "_class_archive", lambda: damaged)
    broker = KafkaServer([tmp_path / "kafka"], 1, detached=False)
    broker.start()
    try:
        assert str(damaged) not in maps_of(broker)
    finally:
        broker.stop()
