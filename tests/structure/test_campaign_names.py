"""Journeys share one running suite: a campaign's name is taken by one file of tests."""

import ast
from collections import defaultdict
from pathlib import Path

from infra.native.folders import REPOSITORY
from tests.groups import GROUPS

LAUNCHING = {"launch", "launch_paid", "Launch"}


def launched(source: str) -> set[str]:
    """Return the campaigns that are launched under a name that stands there."""
    tree = ast.parse(source)
    named = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args or _called(node) not in LAUNCHING:
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant):
            found.add(str(first.value))
        elif isinstance(first, ast.Name) and first.id in named:
            found.add(named[first.id])
    return found


def _called(node: ast.Call) -> str:
    name = node.func
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")


def test_no_two_files_launch_the_same_campaign() -> None:
    """The second would be refused, but only in the run in which both take part."""
    files: dict[str, list[Path]] = defaultdict(list)
    for place in (REPOSITORY / one for one in GROUPS["journeys"]):
        for file in sorted(place.glob("test_*.py")) if place.is_dir() else [place]:
            for name in launched(file.read_text()):
                files[name].append(file.relative_to(REPOSITORY))
    assert len(files) > 30, "launches are written otherwise now"
    assert {name: found for name, found in files.items() if len(found) > 1} == {}


def test_launches_are_seen() -> None:
    """By a literal or by a constant of the file, with the platform's or the world's own call."""
    source = """
LAMP = "lamp"
async def test(world):
    await world.launch("sun", goal=1)
    await world.launch_paid(
        "moon", rows)
    await world.checkout.launch(Launch(LAMP, "creator"))
"""
    assert launched(source) == {"sun", "moon", "lamp"}
