"""Grafana dashboards as code: `python -m infra.monitoring.dashboards --to FOLDER` writes them all.

A panel for every metric that a service declares, with what its help says and the runbooks of the
alerts that ask for it; and a dashboard of the promises, each beside what was promised. Nothing is
drawn by hand, so no panel asks for what nobody publishes, and no alert is without one.
"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

HERE = Path(__file__).parent
# The file of a dashboard, and the module whose metrics it shows.
MODULES = {name: name for name in ("funding", "payouts", "updates", "notifier")} | {
    "suite": "servicekit"
}
COLUMNS, WIDTH, HEIGHT = 3, 8, 8
SOURCE = {"type": "prometheus", "uid": "${source}"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Promise:
    """A share of good ones over thirty days, and what was promised of it."""

    title: str
    good: str
    all: str
    promised: float

    @property
    def expression(self) -> str:
        return f"sum({self._month(self.good)}) / sum({self._month(self.all)})"

    @staticmethod
    def _month(series: str) -> str:
        return f"increase({series}[30d])"


def _within(metric: str, labels: str, bound: str) -> tuple[str, str]:
    """Return how many came within the bound, and how many came."""
    return (
        f'sosst_{metric}_bucket{{{labels}le="{bound}"}}',
        f"sosst_{metric}_count{{{labels.rstrip(',')}}}",
    )


PROMISES = (
    Promise(
        "API: no 5xx",
        'sosst_http_requests_total{code!~"5.."}',
        "sosst_http_requests_total",
        0.999,
    ),
    Promise(
        "Committed, on the broker within 5 s",
        *_within("outbox_publish_delay_seconds", "", "5.0"),
        0.999,
    ),
    Promise(
        "Fact, saved in our consumers within 10 s",
        *_within("consumer_event_age_seconds", "", "10.0"),
        0.99,
    ),
    Promise(
        "Told in the inbox within 60 s",
        *_within("notifier_told_delay_seconds", 'channel="inbox",', "60.0"),
        0.995,
    ),
    Promise(
        "Told by mail within 15 min",
        *_within("notifier_told_delay_seconds", 'channel="email",', "900.0"),
        0.99,
    ),
)


def metrics_of(module: str) -> list[MetricWrapperBase]:
    """Return the metrics that a service declares, in its order."""
    values = vars(import_module(f"{module}.metrics")).values()
    found = [value for value in values if isinstance(value, MetricWrapperBase)]
    return list({value._name: value for value in found}.values())


def expression(metric: MetricWrapperBase) -> str:
    """Return what a panel shows: rates of counters, ages of instants, all replicas together."""
    name, labels = metric._name, ", ".join(("job", *metric._labelnames))
    if isinstance(metric, Counter):
        return f"sum by ({labels}) (rate({name}_total[5m]))"
    if isinstance(metric, Histogram):
        buckets = f"sum by (le, {labels}) (rate({name}_bucket[5m]))"
        return f"histogram_quantile(0.99, {buckets})"
    if name.endswith("_timestamp_seconds"):
        return f"max by ({labels}) (time() - ({name} > 0))"
    return f"max by ({labels}) ({name})"


@cache
def alerts() -> tuple[Json, ...]:
    """Return every alert of the rules, read once: every panel asks for them."""
    groups = [
        group
        for path in sorted(HERE.glob("rules/*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return tuple(rule for group in groups for rule in group["rules"] if "alert" in rule)


def alerts_about(metric: MetricWrapperBase) -> list[Json]:
    """Return the alerts that ask for this metric."""
    asked = re.compile(rf"\b{metric._name}(_bucket|_sum|_count|_total)?\b")
    return [rule for rule in alerts() if asked.search(rule["expr"])]


def _panel(metric: MetricWrapperBase) -> Json:
    name = metric._name.removeprefix("sosst_")
    links = [
        {"title": rule["alert"], "url": rule["annotations"]["runbook"]}
        for rule in alerts_about(metric)
    ]
    legend = " ".join(f"{{{{{label}}}}}" for label in ("job", *metric._labelnames))
    drawn = _drawn(name, metric._documentation, expression(metric), _unit(metric), legend)
    return drawn | {"links": links}


def _unit(metric: MetricWrapperBase) -> str:
    if isinstance(metric, Counter):
        return "ops"
    return "s" if metric._name.endswith("_seconds") else "short"


def _drawn(title: str, description: str, asked: str, unit: str, legend: str) -> Json:
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [{"refId": "A", "expr": asked, "legendFormat": legend}],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
    }


def _promise(promise: Promise) -> Json:
    said = f"Promised: {promise.promised:.1%} of thirty days (operations, 4)."
    steps = [{"color": "red", "value": None}, {"color": "green", "value": promise.promised}]
    drawn = _drawn(promise.title, said, promise.expression, "percentunit", "")
    drawn["fieldConfig"]["defaults"] |= {"thresholds": {"mode": "absolute", "steps": steps}}
    return drawn | {"type": "stat"}


def _dashboard(name: str, panels: Sequence[Json]) -> Json:
    placed = [
        panel
        | {
            "id": number + 1,
            "gridPos": {
                "x": number % COLUMNS * WIDTH,
                "y": number // COLUMNS * HEIGHT,
                "w": WIDTH,
                "h": HEIGHT,
            },
        }
        for number, panel in enumerate(panels)
    ]
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"}
    return {
        "uid": f"sosst-{name}",
        "title": f"sosst {name}",
        "tags": ["sosst"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": placed,
    }


def dashboards() -> dict[str, Json]:
    """Return every dashboard by its name."""
    made = {
        name: [_panel(metric) for metric in metrics_of(module)] for name, module in MODULES.items()
    } | {"promises": [_promise(promise) for promise in PROMISES]}
    return {name: _dashboard(name, panels) for name, panels in sorted(made.items())}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.monitoring.dashboards")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to")
    folder: Path = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    for name, dashboard in dashboards().items():
        (folder / f"{name}.json").write_text(json.dumps(dashboard, indent=1), encoding="utf-8")
        print(f"wrote {name}.json: {len(dashboard['panels'])} panels")


if __name__ == "__main__":
    main()
