"""Who may import whom, checked on the tree and shown an offender."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.repository import ROOT, WHEELS

LINT = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

OFFENDERS = {
    "a service imports another": ("payouts/app.py", "import funding.wire", "No service imports"),
    "a rule imports the plumbing": (
        "funding/domain/pledge.py",
        "import servicekit.clock",
        "Rules are pure",
    ),
    "a rule imports a framework": ("updates/domain/update.py", "import pydantic", "Rules are pure"),
    "a handler imports an adapter": (
        "notifier/handlers/plan.py",
        "import notifier.adapters.queries",
        "Layers of a service",
    ),
    "a service imports motor": (
        "funding/adapters/queries.py",
        "import motor.motor_asyncio",
        "Only servicekit.mongo imports motor",
    ),
    "the plumbing imports an event": (
        "servicekit/outbox.py",
        "import sosst_contracts.funding",
        "The plumbing knows no event",
    ),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over copies of the packages in a folder."""
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        LINT, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the tree, side by side in one folder."""
    folder = tmp_path_factory.mktemp("packages")
    for name, wheel in WHEELS.items():
        kept = shutil.ignore_patterns("__pycache__")
        shutil.copytree(wheel / "src" / name, folder / name, ignore=kept)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_tree_keeps_its_layers(packages: Path) -> None:
    """Domain, ports, handlers, wire, edges, app: imports go downwards only."""
    done = lint(packages)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("offence", OFFENDERS)
def test_a_planted_offender_is_found(packages: Path, offence: str) -> None:
    """Each rule about imports can fail, and names itself when it does."""
    name, line, rule = OFFENDERS[offence]
    module = packages / name
    before = module.read_text()
    module.write_text(f"{before}\n{line}\n")
    try:
        done = lint(packages)
    finally:
        module.write_text(before)
    assert done.returncode != 0
    assert any(rule in text and "BROKEN" in text for text in done.stdout.splitlines()), done.stdout
