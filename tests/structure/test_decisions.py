"""Decisions are kept, each by a test that exists."""

import re
from pathlib import Path

from tests.structure.repository import ROOT, tracked_files

DECISIONS = ROOT / "contracts" / "decisions"
TALK_TO_BROKERS = {"kafka.py", "subscribe.py", "publish.py", "positions.py"}
TALK_TO_BROKERS |= {"topic_pages.py", "topic_reader.py"}


def pages() -> list[Path]:
    """Return the decisions in the order of their numbers."""
    return sorted(DECISIONS.glob("[0-9]*.md"))


def test_every_decision_names_a_test_that_exists() -> None:
    """A decision without a test is an opinion."""
    for page in pages():
        named = re.search(r"Enforced by `([^`]+/test_\w+\.py)`", page.read_text())
        assert named is not None, page.name
        assert (ROOT / named[1]).is_file(), f"{page.name} names {named[1]}"


def test_decisions_are_numbered_without_gaps_and_stand_in_the_index() -> None:
    """The index lists every decision once, in order, under the title of its page."""
    index = re.findall(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \|$", _index(), re.MULTILINE)
    titles = [page.read_text().splitlines()[0] for page in pages()]
    assert [f"# {number} {title}" for number, title, _ in index] == titles
    assert [name for _, _, name in index] == [page.name for page in pages()]
    assert [int(number) for number, _, _ in index] == list(range(1, len(titles) + 1))


def _index() -> str:
    return (DECISIONS / "README.md").read_text()


def test_every_decision_says_why_what_and_what_follows() -> None:
    """A reader finds the same three parts on every page."""
    for page in pages():
        parts = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert parts == ["Why", "Decision", "What follows"], page.name


def puts_a_prefix_on(source: str) -> bool:
    """Whether a module makes a physical name from a logical one."""
    return (
        ".physical(" in source
        or re.search(r"topic_prefix\s*\+|\{\w*\.?topic_prefix\}", source) is not None
    )


def test_only_what_talks_to_brokers_knows_the_prefix() -> None:
    """Decision 0012: deployed code names topics logically; a planted offender is found."""
    modules = [p for p in tracked_files() if "src" in p.parts and p.suffix == ".py"]
    offenders = [p for p in modules if puts_a_prefix_on(p.read_text())]
    kit = ROOT / "infra" / "servicekit" / "src" / "servicekit"
    assert set(offenders) == {kit / name for name in TALK_TO_BROKERS}
    assert puts_a_prefix_on("name = settings.topic_prefix + 'funding.pledges'")
    assert puts_a_prefix_on("name = connection.physical(topic)")
