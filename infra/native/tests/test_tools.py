"""Kafka's own tools, run as `tool_command` says."""

import subprocess
from pathlib import Path

from infra.native.kafka import tool_command


def test_a_tool_leaves_no_file_where_it_runs(tmp_path: Path) -> None:
    """Only a broker names a file for its log; a tool once made one called as the property is."""
    command = [*tool_command("org.apache.kafka.tools.consumer.ConsoleConsumer"), "--version"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
