"""A copy of the contracts that a test may spoil."""

import shutil
from pathlib import Path

import pytest

from contracts.tools.folders import HERE, Folders


@pytest.fixture
def copy(tmp_path: Path) -> Folders:
    """The contracts in a folder of their own."""
    kept = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
    shutil.copytree(HERE.root, tmp_path / "contracts", ignore=kept)
    return Folders(tmp_path / "contracts")
