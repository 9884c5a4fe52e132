"""What cannot run is said to have not run."""

import re
import subprocess
import sys
from pathlib import Path

from infra.native.folders import REPOSITORY


def test_a_part_that_did_not_run_is_printed(tmp_path: Path) -> None:
    """Without an engine the run passes and ends with what did not run, and why."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/containers", "infra/docker/tests/test_probe.py"],
        cwd=REPOSITORY,
        env={"SOSST_ENGINE": "none", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = r"NOT RUN: \d+ tests of tests/containers: forbidden by SOSST_ENGINE=none"
    assert re.search(said, done.stdout), done.stdout
