"""A stranger finds the same names in all four services, and nothing that must not land."""

import ast
import re
from pathlib import Path

import pytest

from tests.structure.repository import ROOT, SERVICES, tracked_files

SERVICE_FILES = (
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "src/{name}/__main__.py",
    "src/{name}/app.py",
    "src/{name}/settings.py",
    "src/{name}/metrics.py",
    "src/{name}/domain",
    "src/{name}/ports.py",
    "src/{name}/handlers",
    "src/{name}/wire.py",
    "src/{name}/consumer.py",
    "src/{name}/http",
    "src/{name}/adapters",
    "tests/fakes.py",
    "tests/test_transitions.py",
    "tests/test_handlers.py",
    "tests/test_wire.py",
    "tests/test_stores.py",
)
FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "service"}
# Spelt in pieces, so that this file does not find itself.
MUST_NOT_LAND = re.compile(
    r"(^|[^A-Za-z0-9_.])/(wo"
    + r"rk|far"
    + r"m)/|index-u"
    + r"rl|BEGIN (RSA |EC )?PRIVATE K"
    + r"EY"
)


@pytest.mark.parametrize("service", SERVICES)
def test_the_four_services_have_the_same_tree(service: str) -> None:
    """What stands in one place in one service stands there in all."""
    folder = ROOT / "services" / service
    missing = [
        name for f in SERVICE_FILES if not (folder / (name := f.format(name=service))).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_entry_point_is_short(service: str) -> None:
    """`__main__.py` reads settings and sets the exit code, in less than 30 lines."""
    entry = ROOT / "services" / service / "src" / service / "__main__.py"
    assert len(entry.read_text().splitlines()) < 30


def attics(files: list[Path]) -> list[str]:
    """Return the Python files whose name says nothing."""
    return [str(path) for path in files if path.suffix == ".py" and path.stem in FORBIDDEN_NAMES]


def test_no_file_is_an_attic() -> None:
    """No `utils`, `common`, `helpers` or `service.py`; a planted one is found."""
    assert attics(tracked_files()) == []
    assert attics([Path("payouts/utils.py")])


def leaks(text: str) -> bool:
    """Whether a text names a machine path, a registry or a key."""
    return MUST_NOT_LAND.search(text) is not None


def test_no_file_names_a_machine_a_registry_or_a_key() -> None:
    """Nothing that belongs to one machine lands; a planted path is found."""
    texts = [p for p in tracked_files() if p.suffix not in {".sqlite", ".png"}]
    assert [str(p) for p in texts if leaks(p.read_text(errors="replace"))] == []
    assert leaks("open('/wo" + "rk/main/x')")


def claims_missing(source: str) -> list[str]:
    """Return the tests in a module that do not say first what they claim."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tests = [node for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]
    named = [node for node in tests if node.name.startswith("test_")]
    return [node.name for node in named if not ast.get_docstring(node)]


def test_every_test_begins_with_its_claim() -> None:
    """A test's first line says what it proves; a planted silent test is found."""
    modules = [p for p in tracked_files() if p.name.startswith("test_") and p.suffix == ".py"]
    silent = {str(p.relative_to(ROOT)): m for p in modules if (m := claims_missing(p.read_text()))}
    assert silent == {}
    assert claims_missing("def test_x():\n    assert True") == ["test_x"]


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """A test that did not run must not look like one that passed."""
    marks = re.compile(r"mark\.(skip|xfail|skipif)|pytest\.(skip|xfail|importorskip)" + r"\(")
    own = Path(__file__)
    tests = [p for p in tracked_files() if "tests" in p.parts and p.suffix == ".py" and p != own]
    assert [str(p) for p in tests if marks.search(p.read_text())] == []


def test_every_decision_names_a_test_that_exists() -> None:
    """A decision without a test is an opinion."""
    decisions = sorted((ROOT / "contracts" / "decisions").glob("[0-9]*.md"))
    assert len(decisions) >= 9
    for decision in decisions:
        named = re.search(r"Enforced by `([^`]+)`", decision.read_text())
        assert named is not None, decision.name
        assert (ROOT / named[1]).exists(), f"{decision.name} names {named[1]}"


def test_make_help_names_every_target() -> None:
    """Each target that a person may want says what it does, and none is longer than three lines."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*)", makefile)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target
    for recipe in re.findall(r"^[a-z./-]+:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE):
        assert len(recipe.splitlines()) <= 3, recipe


def test_ci_runs_the_readmes_test_command() -> None:
    """`.ci/run` adds nothing of its own."""
    assert "make test" in (ROOT / "README.md").read_text()
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[-1] == "make test"
