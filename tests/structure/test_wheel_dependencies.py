"""A wheel asks for every library that its code imports, so that it starts where only pip put it."""

import ast
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.structure.repository import WHEELS

# Parts of a library's own face: whoever asks for the one gets and may use the other.
COMES_WITH = {
    "starlette": "fastapi",
    "pymongo": "motor",
    "markupsafe": "jinja2",
    "pydantic-core": "pydantic",
}


def imported(source: str) -> set[str]:
    """Return the names of the libraries that a module imports, at its top or within."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


def not_asked_for(modules: set[str], asked: set[str], known: Mapping[str, list[str]]) -> set[str]:
    """Return the modules that no library brings that is asked for; some are brought by several."""
    return {
        module
        for module in modules
        if not asked
        & {
            COMES_WITH.get(name, name)
            for name in map(canonicalize_name, known.get(module, [module]))
        }
    }


def asked_for(package: str) -> set[str]:
    """Return what a wheel asks for, and what those wheels of ours ask for that it asks for."""
    project = tomllib.loads((WHEELS[package] / "pyproject.toml").read_text())["project"]
    asked = {str(canonicalize_name(Requirement(line).name)) for line in project["dependencies"]}
    ours = {str(canonicalize_name(name)): name for name in WHEELS}
    for name in asked & ours.keys():
        asked |= asked_for(ours[name])
    return asked


@pytest.mark.parametrize("package", WHEELS)
def test_a_wheel_asks_for_what_its_code_imports(package: str) -> None:
    """A library that only the developers' environment happens to have is found."""
    sources = (WHEELS[package] / "src" / package).rglob("*.py")
    modules = set[str]().union(*(imported(path.read_text()) for path in sources)) - {package}
    assert not_asked_for(modules, asked_for(package), packages_distributions()) == set()


def test_a_library_that_nobody_asked_for_is_found(tmp_path: Path) -> None:
    """Also where a function imports it, and where its module has another name."""
    source = "import os\nfrom notifier.app import run\ndef late() -> None:\n    import PIL.Image\n"
    (tmp_path / "offender.py").write_text(source)
    modules = imported((tmp_path / "offender.py").read_text())
    known = {"PIL": ["Pillow"], "notifier": ["notifier"]}
    assert not_asked_for(modules, asked_for("servicekit"), known) == {"PIL", "notifier"}
