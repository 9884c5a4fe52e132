"""What the pages say can be found and typed: links, commands, tables of topics and modules."""

import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.structure.repository import ROOT, SERVICES, WHEELS, tracked_files

PAGES = [path for path in tracked_files() if path.suffix == ".md"]
MAKEFILE = (ROOT / "Makefile").read_text()
# `infra.<name>` stands for any module below a package.
COMMAND_MODULES = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)\b(?!\.<)")
# Words behind "make" that name a target stand in a line of code or between backticks.
TARGETS = re.compile(r"(?:`|^ {4})make ([a-z-]+)", re.MULTILINE)


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def dead_links(page: str, folder: Path) -> Iterator[str]:
    """Return the links of a page in `folder` that lead to no file, or to no heading of it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = folder / name
        there = page if not name else target.read_text() if target.is_file() else ""
        if not target.exists() or (anchor and anchor not in anchors(there)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading of it where one is named."""
    assert list(dead_links(page.read_text(), page.parent)) == []


def test_dead_links_are_found() -> None:
    """One to a file that is gone, and one to a heading that has another name."""
    page = (
        "# Here\n[a](gone.md) [b](#here) [c](#there) [d](README.md#two-commands) [e](README.md#x)"
    )
    assert list(dead_links(page, ROOT)) == ["gone.md", "#there", "README.md#x"]


def unknown_commands(page: str) -> Iterator[str]:
    """Return the commands on a page that nothing runs: targets of make, modules of ours."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    yield from (f"make {one}" for one in TARGETS.findall(page) if one not in targets)
    for module in COMMAND_MODULES.findall(page):
        if not find_spec(module.split(".")[0]) or not runnable(module):
            yield f"python -m {module}"


def runnable(module: str) -> bool:
    """Whether `python -m` has something to run."""
    found = find_spec(module)
    if found is None:
        return False
    return not found.submodule_search_locations or find_spec(f"{module}.__main__") is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_can_be_typed(page: Path) -> None:
    """A target of the Makefile, or a module that `python -m` runs."""
    assert list(unknown_commands(page.read_text())) == []


def test_unknown_commands_are_found() -> None:
    """A misspelt target, a module that is gone, a package that nothing runs."""
    page = "`make demmo`\n    make help\nmake it so\n`python -m infra.gone` `python -m infra.suite`"
    assert list(unknown_commands(page)) == [
        "make demmo",
        "python -m infra.gone",
        "python -m infra.suite",
    ]


PHONY = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()


@pytest.mark.parametrize("target", PHONY)
def test_every_target_can_be_made(target: str) -> None:
    """`make` finds all that the target needs, and each Python module that it runs is there."""
    command = ["make", "-n", target, "CAMPAIGN=lamp", "SEED=1", "ARGUMENTS=--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    ours = re.findall(r"bin/python -m ([a-z_]+(?:\.[a-z_]+)*)", said.stdout)
    assert [module for module in ours if not runnable(module)] == []


def groups_of(service: str) -> set[tuple[str, str]]:
    """Return the topics that a service reads, each with its group, as the topic files say."""
    files = (yaml.safe_load(f.read_text()) for f in (ROOT / "contracts/topics").glob("*.yaml"))
    return {
        (file["topic"], reader["group"])
        for file in files
        for reader in file["consumers"]
        if reader["service"] == service
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_page_names_every_topic_that_it_reads_and_its_group(service: str) -> None:
    """Whoever grants rights or resets a group reads them there."""
    page = (ROOT / "services" / service / "README.md").read_text()
    rows = page.split("## Topics\n")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z.]+)` \(`([a-z-]+)`\)", rows))
    assert named == groups_of(service) != set()


def test_the_plumbings_page_says_what_each_module_promises() -> None:
    """A module that nobody describes is used by nobody who does not know it."""
    folder = WHEELS["servicekit"]
    table = (folder / "README.md").read_text().split("\n## ")[0]
    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE))))
    modules = {p.stem for p in (folder / "src/servicekit").iterdir() if p.name[0].isalpha()}
    modules -= {"py", "templates"}  # A marker of types, and what `pages` renders.
    assert described == modules
