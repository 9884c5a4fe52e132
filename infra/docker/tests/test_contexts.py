"""What the images of the servers are built from is the native stack's, and all there."""

import re
from pathlib import Path

import pytest

from infra.docker.images import GATHERERS, HERE


@pytest.mark.parametrize("name", GATHERERS)
def test_every_file_that_is_copied_is_gathered(name: str, tmp_path: Path) -> None:
    """Each COPY of the Dockerfile finds its file in the context."""
    GATHERERS[name](tmp_path)
    copied = re.findall(r"^COPY (.+) \S+$", (HERE / f"{name}.Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert sources == {path.name for path in tmp_path.iterdir()}
