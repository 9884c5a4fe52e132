"""Who may import whom, checked on the tree and shown an offender."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.repository import ROOT, SERVICES, WHEELS, tracked_files

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
    "the plumbing imports motor elsewhere": (
        "servicekit/outbox.py",
        "import motor.motor_asyncio",
        "Only servicekit.mongo imports motor",
    ),
    "the contracts import the plumbing": (
        "sosst_contracts/codec.py",
        "import servicekit.clock",
        "Contracts need nothing of ours",
    ),
    "the plumbing imports a service": (
        "servicekit/clock.py",
        "import updates.ports",
        "The plumbing knows no service",
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
    refuses(done, rule)


def test_a_module_outside_the_layers_is_found(packages: Path) -> None:
    """A new module cannot escape the layers by having no place in them."""
    module = packages / "payouts" / "attic.py"
    module.write_text("")
    try:
        done = lint(packages)
    finally:
        module.unlink()
    refuses(done, "Layers of a service")


def refuses(done: subprocess.CompletedProcess[str], rule: str) -> None:
    """Assert that import-linter failed and named the rule."""
    assert done.returncode != 0
    assert any(rule in text and "BROKEN" in text for text in done.stdout.splitlines()), done.stdout


def imported(source: str) -> set[str]:
    """Return the modules that a source names; those of `from x import y` as `x`."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


def impurities(service: str, source: str) -> set[str]:
    """Return what a rule imports beside its domain, the pure contracts and the standard library.

    Pure are money and the chain's proof (0016), which need no more themselves.
    """
    allowed = {"sosst_contracts.money", "sosst_contracts.chain", f"{service}.domain"}
    return {
        name
        for name in imported(source) - allowed
        if not name.startswith(f"{service}.domain.")
        and (name.split(".")[0] not in sys.stdlib_module_names or name.startswith("logging"))
    }


@pytest.mark.parametrize("service", SERVICES)
def test_rules_need_the_standard_library_and_pure_contracts_only(service: str) -> None:
    """A list of what is allowed, which import-linter has not; planted offenders are found."""
    domain = ROOT / "services" / service / "src" / service / "domain"
    modules = sorted(domain.rglob("*.py"))
    assert modules
    assert {p.name: bad for p in modules if (bad := impurities(service, p.read_text()))} == {}
    for line in ("import rich", "import logging", f"import {service}.ports", "from . import x"):
        assert impurities(service, line), line
    assert impurities(service, "from sosst_contracts import funding") == {"sosst_contracts"}


def test_motor_is_imported_in_one_file_of_the_repository() -> None:
    """Tools and tests, which import-linter does not see, leave motor alone too (decision 0009)."""
    texts = {p: p.read_text() for p in tracked_files() if p.suffix == ".py"}
    # Only what has the word is parsed: twelve hundred files take seconds.
    named = {p: imported(text) for p, text in texts.items() if "motor" in text}
    users = [
        str(p.relative_to(ROOT))
        for p, names in named.items()
        if "motor" in {name.split(".")[0] for name in names}
    ]
    assert users == ["infra/servicekit/src/servicekit/mongo.py"]
