"""What people and machines read of the measurements."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.bench.measurement import Measurement, Round, Spread
from infra.demo.figures import Figure


def show(console: Console, measurements: Sequence[Measurement]) -> None:
    """Print ratios beside their targets, what an item costs, and every figure that differs."""
    table = Table(title="Beside the raw limit of the same bytes, in the same run", box=None)
    for column in ("measurement", "what", "min", "median", "max", "target", ""):
        table.add_column(column, justify="left" if column in ("measurement", "what") else "right")
    for one in measurements:
        name = f"{one.name}, {one.rounds[0].items:,}"
        for number, cells in enumerate(_lines(one)):
            table.add_row("" if number else name, *cells)
    console.print(table)
    for one in measurements:
        console.print(f"{one.name}, per {one.item}: raw is {one.raw_is}.", highlight=False)
    for name, figure in differing(measurements):
        console.print(f"[red]DIFFERS[/] {name}: {figure}", highlight=False)


def _lines(one: Measurement) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for target in one.targets:
        spread = one.spread(target.of)
        verdict = "met" if target.met(spread.middle) else "[yellow]missed[/]"
        verdict = verdict if target.is_bound else ""
        lines.append((target.what, *_cells(spread), str(target), verdict))
    if all(target.what != "CPU µs" for target in one.targets):
        spread = one.spread(lambda each: each.processor_microseconds)
        lines.append(("CPU µs", *_cells(spread), "", ""))
    figures = sum(len(each.figures) for each in one.rounds)
    lines.append(("figures", "", f"{figures}", "", "", "agree" if one.is_correct else "DIFFER"))
    return lines


def _cells(spread: Spread) -> tuple[str, str, str]:
    return _short(spread.least), _short(spread.middle), _short(spread.greatest)


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def differing(measurements: Sequence[Measurement]) -> list[tuple[str, Figure]]:
    """Return the figures that are wrong, with the measurement's name."""
    return [
        (measurement.name, figure)
        for measurement in measurements
        for each in measurement.rounds
        for figure in each.figures
        if not figure.agrees
    ]


def write(file: Path, measurements: Sequence[Measurement]) -> None:
    """Write everything that was measured, for machines."""
    content = {
        "machine": {"processors": _processors(), "python": platform.python_version()},
        "correct": all(one.is_correct for one in measurements),
        "measurements": [_content(one) for one in measurements],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _content(one: Measurement) -> dict[str, Any]:
    targets = []
    for target in one.targets:
        spread = one.spread(target.of)
        targets.append(
            {
                "what": target.what,
                "target": str(target),
                "least": spread.least,
                "middle": spread.middle,
                "greatest": spread.greatest,
                "met": target.met(spread.middle),
            }
        )
    return {
        "name": one.name,
        "item": one.item,
        "raw_is": one.raw_is,
        "correct": one.is_correct,
        "targets": targets,
        "rounds": [_round(each) for each in one.rounds],
    }


def _round(one: Round) -> dict[str, Any]:
    return {
        "items": one.items,
        "seconds": one.seconds,
        "raw_seconds": dict(one.raw_seconds),
        "also_seconds": dict(one.also),
        "memory_mebibytes": one.memory_mebibytes,
        "processor_microseconds_per_item": {
            part: seconds / one.items * 1e6 for part, seconds in one.processor_seconds.items()
        },
        "figures": [
            {
                "name": figure.name,
                figure.one_side: figure.one,
                figure.other_side: figure.other,
                "agrees": figure.agrees,
            }
            for figure in one.figures
        ],
    }
