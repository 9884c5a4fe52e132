"""Metrics that an SRE can trust: names, labels and help of every service (`operations.md` 2)."""

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import TypeGuard

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase

from tests.structure.repository import SERVICES, WHEELS

MODULES = ["servicekit.metrics", *(f"{service}.metrics" for service in SERVICES)]
ALLOWED_LABELS = {
    "account",
    "channel",
    "check",
    "class",
    "code",
    "contracts_version",
    "credential",
    "currency",
    "error",
    "group",
    "invariant",
    "kind",
    "line",
    "method",
    "operation",
    "outcome",
    "priority",
    "reason",
    "revision",
    "route",
    "source",
    "stage",
    "state",
    "step",
    "sweep",
    "switch",
    "to",
    "topic",
    "verdict",
    "version",
}


def metrics_of(module: str) -> list[MetricWrapperBase]:
    values = vars(importlib.import_module(module)).values()
    return [value for value in values if _is_metric(value)]


def _is_metric(value: object) -> TypeGuard[MetricWrapperBase]:
    return isinstance(value, MetricWrapperBase)


def wrong(metrics: Iterable[MetricWrapperBase]) -> Iterator[str]:
    """Say what is wrong with each metric: its name, its labels, or a help that helps nobody."""
    for metric in metrics:
        name = metric._name
        if not name.startswith("sosst_"):
            yield f"{name}: no prefix"
        if unknown := set(metric._labelnames) - ALLOWED_LABELS:
            yield f"{name}: labels {sorted(unknown)} are not from the fixed list"
        if not metric._documentation.endswith("."):
            yield f"{name}: its help is no sentence"


@pytest.mark.parametrize("module", MODULES)
def test_every_metric_has_its_prefix_fixed_labels_and_a_help(module: str) -> None:
    """Keys, campaigns and people are no labels: series stay few."""
    assert metrics_of(module), module
    assert list(wrong(metrics_of(module))) == []


def silent(module: str, sources: Iterable[str]) -> list[str]:
    """Return the metrics of a module that nothing in the sources ever names."""
    used = "\n".join(sources)
    names = [n for n, v in vars(importlib.import_module(module)).items() if _is_metric(v)]
    return [name for name in names if len(re.findall(rf"\b{name}\b", used)) < 2]


@pytest.mark.parametrize("module", MODULES)
def test_no_metric_is_declared_and_never_set(module: str) -> None:
    """A figure that always says 0 is worse than none."""
    sources = [path for wheel in WHEELS.values() for path in wheel.glob("src/**/*.py")]
    lines = [line for path in sources for line in path.read_text().splitlines()]
    # Naming a label at the start gives a series, not a value.
    uses = [line for line in lines if not re.fullmatch(r"    \w+\.labels\([^()]*\)", line)]
    assert silent(module, uses) == []


def test_a_metric_that_nobody_sets_is_found() -> None:
    """The sources without a line that sets it are the offender."""
    assert "BUILD_INFO" in silent("servicekit.metrics", ["BUILD_INFO = Gauge("])


def test_a_planted_offender_is_found() -> None:
    """A metric without prefix, with a person as its label and without a sentence."""
    planted = Counter("mails_total", "mails", ["person_id"], registry=CollectorRegistry())
    assert len(list(wrong([planted]))) == 3
