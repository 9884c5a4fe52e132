"""Alerts, metrics, runbooks and situations hold each other; promtool is the judge of the rules."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from infra.native.folders import REPOSITORY
from infra.native.prerequisites import install

HERE = Path(__file__).parents[1]
RULES = sorted(HERE.glob("rules/*.yaml"))
MODULES = ("servicekit", "funding", "payouts", "updates", "notifier")
PARTS = ("Meaning", "Impact", "First look", "Safe action", "Check afterwards")
# Labels that the scraper adds, and that of a histogram's buckets.
SCRAPED = {"job", "instance", "le"}
SUFFIXES = re.compile(r"_(bucket|sum|count|total|created)$")

Rule = dict[str, Any]


def rules(path: Path, kind: str) -> Iterator[Rule]:
    """Return the rules of a kind, `alert` or `record`, in a file."""
    for group in yaml.safe_load(path.read_text())["groups"]:
        yield from (rule for rule in group["rules"] if kind in rule)


ALERTS = [rule for path in RULES for rule in rules(path, "alert")]
RECORDS = [rule for path in RULES for rule in rules(path, "record")]


def declared() -> dict[str, set[str]]:
    """Return every declared metric without its suffix, with its labels."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for value in vars(importlib.import_module(f"{module}.metrics")).values():
            if isinstance(value, MetricWrapperBase):
                found[SUFFIXES.sub("", value._name)] = set(value._labelnames)
    return found


def unknown_metrics(expression: str) -> list[str]:
    """Return what an expression asks for that no service publishes, metrics and labels."""
    known, wrong = declared(), []
    recorded = re.compile("|".join(re.escape(rule["record"]) for rule in RECORDS))
    for name, matchers in re.findall(
        r"\b(sosst_\w+)(?:\{([^}]*)\})?", recorded.sub("", expression)
    ):
        labels = known.get(SUFFIXES.sub("", name))
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        if labels is None:
            wrong.append(name)
        elif asked - labels - SCRAPED:
            wrong.append(f"{name}{sorted(asked - labels - SCRAPED)}")
    return wrong


def runbook_problem(rule: Rule) -> str | None:
    """Return what is missing in the runbook's section of an alert."""
    name, anchor = rule["annotations"]["runbook"].split("#")
    sections = re.split(r"^## ", (REPOSITORY / name).read_text(), flags=re.MULTILINE)
    section = next((s for s in sections if s.split("\n")[0].lower() == anchor), None)
    if anchor != rule["alert"].lower() or section is None:
        return "no section"
    missing = [part for part in PARTS if f"**{part}**" not in " ".join(section.split())]
    return f"without {missing}" if missing else None


def situations(path: Path) -> list[Path]:
    """Return the files of situations of a rules file: looked at by the minute, and by the hour."""
    return sorted((HERE / "tests/rules").glob(f"{path.stem}*.yaml"))


def fired(path: Path) -> set[str]:
    """Return the alerts that fire in some situation of a rules file."""
    texts = [played.read_text() for played in situations(path)]
    return set(re.findall(r'alertname="(\w+)", alertstate', "".join(texts)))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_metric_a_severity_a_runbook_and_a_situation(rule: Rule) -> None:
    """It asks only for what is published, and whoever it wakes finds a section for it."""
    assert unknown_metrics(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"page", "warning", "none"}
    assert runbook_problem(rule) is None
    assert rule["alert"] in {name for path in RULES for name in fired(path)}


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule["record"])
def test_every_recorded_ratio_asks_for_what_is_published(rule: Rule) -> None:
    """An alert over a ratio of nothing would stay silent."""
    assert unknown_metrics(rule["expr"]) == []


def test_planted_offenders_are_found() -> None:
    """A metric that nobody publishes, a label that it lacks, a runbook without a section."""
    assert unknown_metrics("sosst_mails_total > 0") == ["sosst_mails_total"]
    assert unknown_metrics('sosst_outbox_rows{key="k"}') == ["sosst_outbox_rows['key']"]
    rule = {"alert": "Nobody", "annotations": {"runbook": "infra/monitoring/RUNBOOK.md#nobody"}}
    assert runbook_problem(rule) == "no section"


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker; installed where we may, else its absence fails the test."""
    if shutil.which("promtool") is None:
        install("prometheus")
    return shutil.which("promtool") or "promtool"


def test_every_situation_is_played() -> None:
    """Each file of situations belongs to one file of rules, whose name it begins with."""
    played = [file for path in RULES for file in situations(path)]
    assert sorted(played) == sorted((HERE / "tests/rules").glob("*.yaml"))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_exactly_the_right_alerts_fire_in_each_situation(promtool: str, path: Path) -> None:
    """promtool reads the rules and plays the situations."""
    for command in (["check", "rules", path], ["test", "rules", *situations(path)]):
        ran = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_finds_a_rule_that_never_fires(promtool: str, tmp_path: Path) -> None:
    """The same situations over a threshold that nothing reaches are a failure."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests" / "rules").mkdir(parents=True)
    text = (HERE / "rules/notifier.yaml").read_text()
    (tmp_path / "rules/notifier.yaml").write_text(text.replace("> 900", "> 900000"))
    tests = tmp_path / "tests/rules/notifier.yaml"
    tests.write_text((HERE / "tests/rules/notifier.yaml").read_text())
    ran = subprocess.run([promtool, "test", "rules", tests], capture_output=True, check=False)
    assert ran.returncode != 0
