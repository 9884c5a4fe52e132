"""Dashboards are what the metrics and the promises say: every panel is read by Prometheus."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.monitoring.dashboards import (
    MODULES,
    PROMISES,
    alerts,
    dashboards,
    main,
    metrics_of,
)
from infra.monitoring.tests.test_rules import promtool, unknown_metrics

__all__ = ["promtool"]
DASHBOARDS = dashboards()
Panel = dict[str, Any]


def panels() -> list[Panel]:
    return [panel for dashboard in DASHBOARDS.values() for panel in dashboard["panels"]]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_a_folder_of_dashboards_is_what_grafana_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of JSON for each service, one of all, one of the promises; none is empty."""
    monkeypatch.setattr("sys.argv", ["dashboards", "--to", str(tmp_path / "new")])
    main()
    read = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "new").iterdir()}
    assert read == DASHBOARDS and set(read) == {*MODULES, "promises"}
    assert all(dashboard["panels"] for dashboard in read.values())


def test_every_panel_asks_for_what_is_published_and_stands_alone() -> None:
    """No metric that nobody has, no two panels in one place; a planted offender is found."""
    assert [wrong for asked in expressions() for wrong in unknown_metrics(asked)] == []
    assert unknown_metrics("max(sosst_nothing)") == ["sosst_nothing"]
    for dashboard in DASHBOARDS.values():
        places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
        assert len(places) == len(set(places))


def test_every_alert_has_a_panel() -> None:
    """That links to its runbook; who asks for no metric of ours by name needs none."""
    linked = {link["title"] for panel in panels() for link in panel.get("links", [])}
    asking = {one["alert"] for one in alerts() if "sosst_" in one["expr"]}
    assert asking == linked
    assert {"Watchdog", "ServiceDown"} & linked == set()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.title)
def test_every_promise_counts_what_is_measured(promise: Any) -> None:
    """Its bound is a bucket of the histogram: another one would count nothing, for ever."""
    named, _, labels = promise.good.partition("{")
    name = named.removesuffix("_bucket")
    metrics = {m._name: m for module in MODULES.values() for m in metrics_of(module)}
    metric = metrics.get(name) or metrics[name.removesuffix("_total")]
    if 'le="' in labels:
        bound = float(labels.partition('le="')[2].partition('"')[0])
        assert bound in metric._upper_bounds  # type: ignore[attr-defined]


def test_prometheus_reads_every_panel(promtool: str, tmp_path: Path) -> None:
    """As the rules of a file of its own; one that is cut off is found."""
    assert _checked(promtool, tmp_path, expressions()) == 0
    assert _checked(promtool, tmp_path, [expressions()[0][:-1]]) != 0


def _checked(promtool: str, folder: Path, asked: list[str]) -> int:
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(asked)]
    file = folder / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    ran = subprocess.run([promtool, "check", "rules", file], capture_output=True, check=False)
    return ran.returncode
