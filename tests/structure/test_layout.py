"""A stranger finds the same names in all four services, and nothing that must not land."""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.groups import GROUPS
from tests.structure.repository import ROOT, SERVICES, tracked_files

SERVICE_FILES = (
    "README.md",
    "HOW-IT-WORKS.md",
    "CHANGELOG.md",
    "RUNBOOK.md",
    "pyproject.toml",
    "src/{name}/__main__.py",
    "src/{name}/app.py",
    "src/{name}/timetable.py",
    "src/{name}/command_line.py",
    "src/{name}/settings.py",
    "src/{name}/metrics.py",
    "src/{name}/domain",
    "src/{name}/ports.py",
    "src/{name}/handlers",
    "src/{name}/wire.py",
    "src/{name}/consumer.py",
    "src/{name}/http/parts.py",
    "src/{name}/adapters/unit.py",
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
    + r"m|ro"
    + r"ot|ho"
    + r"me|tm"
    + r"p)/|index-u"
    + r"rl|py"
    + r"pi\.org|python"
    + r"hosted\.org|repo1?\.mav"
    + r"en|BEGIN (RSA |EC )?PRIVATE K"
    + r"EY"
)


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a module that grew may be a package of its name."""
    grown = path.with_suffix("") / "__init__.py"
    return path.exists() or (path.suffix == ".py" and grown.exists())


@pytest.mark.parametrize("service", SERVICES)
def test_the_four_services_have_the_same_tree(service: str) -> None:
    """What stands in one place in one service stands there in all; a missing one is found."""
    folder = ROOT / "services" / service
    places = [folder / name.format(name=service) for name in SERVICE_FILES]
    assert [str(place) for place in places if not is_there(place)] == []
    assert not is_there(folder / "src" / service / "attic.py")
    assert not is_there(folder / "tests.py")


def test_no_service_escapes_these_tests() -> None:
    """Every folder of services/ is one that the tests of structure know, and the reverse."""
    folders = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert folders == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_the_entry_point_is_short(service: str) -> None:
    """`__main__.py` reads settings and sets the exit code, in less than 30 lines."""
    entry = ROOT / "services" / service / "src" / service / "__main__.py"
    assert len(entry.read_text().splitlines()) < 30


@pytest.mark.parametrize("service", SERVICES)
def test_the_composition_root_is_a_page(service: str) -> None:
    """`app.py` is read top down: less than 150 lines, its tables stand beside it."""
    root = ROOT / "services" / service / "src" / service / "app.py"
    assert len(root.read_text().splitlines()) < 150


def attics(files: list[Path]) -> list[str]:
    """Return the files whose name, or a folder's above, says nothing."""
    # A Dockerfile is named for what it builds: a service, any of them.
    named = [path for path in files if path.suffix != ".Dockerfile"]
    return [str(path) for path in named if FORBIDDEN_NAMES & {*path.parts, path.stem}]


def test_no_file_is_an_attic() -> None:
    """No `utils`, `common`, `helpers` or `service.py`, no such folder; planted ones are found."""
    assert attics([path.relative_to(ROOT) for path in tracked_files()]) == []
    assert attics([Path("payouts/utils.py")])
    assert attics([Path("payouts/common/money.py")])


def leaks(text: str) -> bool:
    """Whether a text names a machine path, a registry or a key."""
    return MUST_NOT_LAND.search(text) is not None


def test_no_file_names_a_machine_a_registry_or_a_key() -> None:
    """Nothing that belongs to one machine lands; a planted path is found."""
    texts = [p for p in tracked_files() if p.suffix not in {".sqlite", ".png"}]
    assert [str(p) for p in texts if leaks(p.read_text(errors="replace"))] == []
    assert leaks("open('/wo" + "rk/main/x')")
    assert leaks("--index-u" + "rl x")
    assert leaks("https://py" + "pi.org/simple")
    assert not leaks("network/rooted/home")


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


def left_out(tests: Sequence[Path], groups: Mapping[str, Sequence[str]] = GROUPS) -> list[str]:
    """Return the tests that `make test-all` does not run once."""
    folders = [Path(folder) for group in groups.values() for folder in group]
    times = {test: sum(test.is_relative_to(folder) for folder in folders) for test in tests}
    return [str(test) for test, count in times.items() if count != 1]


def test_make_test_all_runs_every_test_once() -> None:
    """Each file of tests lies in exactly one group; one in none, or in two, is found."""
    found = [path.relative_to(ROOT) for path in tracked_files()]
    assert left_out([path for path in found if path.name.startswith("test_")]) == []
    assert left_out([Path("tests/browser/test_pages.py")]) == ["tests/browser/test_pages.py"]
    twice = {"here": ("tests/access",), "there": ("tests",)}
    assert left_out([Path("tests/access/test_x.py")], twice) == ["tests/access/test_x.py"]


def test_make_help_names_every_target() -> None:
    """Each target that a person may want says what it does, and none is longer than three lines."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*)", makefile)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target
    for recipe in re.findall(r"^[a-z./-]+:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE):
        assert len(recipe.splitlines()) <= 3, recipe


def test_every_part_has_an_owner() -> None:
    """CODEOWNERS has a line for each service, each part of infra, and the topics."""
    lines = (ROOT / "CODEOWNERS").read_text().splitlines()
    owned = {line.split()[0] for line in lines if len(line.split()) > 1}
    infra = {f"/infra/{p.relative_to(ROOT).parts[1]}/" for p in _below("infra")}
    services = {f"/services/{service}/" for service in SERVICES}
    assert infra | services | {"/contracts/topics/"} <= owned


def _below(folder: str) -> list[Path]:
    return [p for p in tracked_files() if p.is_relative_to(ROOT / folder)]


@pytest.mark.parametrize(
    "locked", sorted((ROOT / "requirements").glob("*.in")), ids=lambda p: p.stem
)
def test_every_requirement_says_why(locked: Path) -> None:
    """Above each library stands a sentence with the reason for it."""
    lines = locked.read_text().splitlines()
    wanted = [n for n, line in enumerate(lines) if line and line[0] not in "#-"]
    silent = [lines[n] for n in wanted if not (n and lines[n - 1].startswith("# "))]
    assert silent == []


def unhashed(text: str) -> list[str]:
    """Return the pins of a lock file that carry no hash."""
    entries = re.findall(r"^(\S+==\S+)(.*(?:\n    --hash.*)*)", text, re.MULTILINE)
    return [pin for pin, rest in entries if "--hash=sha256:" not in rest]


@pytest.mark.parametrize("name", ["build", "surroundings", "development", "stranger", *SERVICES])
def test_every_pin_has_a_hash(name: str) -> None:
    """What is installed is what was looked at; a planted pin without a hash is found."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "==" in text
    assert unhashed(text) == []
    assert unhashed(text + "surprise==1.0\n") == ["surprise==1.0"]


def several_versions(texts: Iterable[str]) -> dict[str, set[str]]:
    """Return the libraries of which the lock files pin more than one version."""
    pinned: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)(?:\[.*\])?==(\S+)", "\n".join(texts), re.MULTILINE
    ):
        pinned.setdefault(name, set()).add(version)
    return {name: versions for name, versions in pinned.items() if len(versions) > 1}


def test_a_library_has_one_version_wherever_it_is_pinned() -> None:
    """What the tests ran on is what an image holds; one that was locked later is found."""
    texts = [path.read_text() for path in sorted((ROOT / "requirements").glob("*.txt"))]
    assert several_versions(texts) == {}
    assert several_versions(["a[x]==1 \\\nb==1", "a==2 \\\nb==1"]) == {"a": {"1", "2"}}


def test_ci_runs_the_readmes_test_command() -> None:
    """`.ci/run` adds nothing of its own, and leaves nothing out."""
    assert "`make test-all` runs every test" in (ROOT / "README.md").read_text()
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[-1] == "make test-all"
