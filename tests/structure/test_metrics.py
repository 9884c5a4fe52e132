"""Metrics that an SRE can trust: names, labels and help of every service (`operations.md` 2)."""

import importlib
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase

from tests.structure.repository import SERVICES

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
    return [value for value in values if isinstance(value, MetricWrapperBase)]


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


def test_a_planted_offender_is_found() -> None:
    """A metric without prefix, with a person as its label and without a sentence."""
    planted = Counter("mails_total", "mails", ["person_id"], registry=CollectorRegistry())
    assert len(list(wrong([planted]))) == 3
