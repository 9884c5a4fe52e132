"""The measurements count right on a small suite, and what is counted wrong is found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from infra.bench import __main__ as command
from infra.bench import fan_out, mails, report
from infra.bench.ground import Ground
from infra.bench.measurement import Measurement, Round, Target, share_of_raw, times_raw
from infra.demo.figures import Figure
from infra.native import NativeStack

SAME = Figure("told", "pledges", 2, "topic", 2)


def measurement(figure: Figure, target: Target) -> Measurement:
    """Return one round that took twice as long as raw."""
    one = Round(2, 2.0, {"insert": 0.6, "send": 0.4}, {"notifier": 0.001}, [figure])
    return Measurement("fan-out", "backer", "the same bytes", [target], [one])


def test_a_wrong_count_ends_with_1_and_a_missed_target_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speed is no excuse for one person too few, and slowness no error."""
    file = tmp_path / "out" / "bench.json"

    async def measured(options: command.Options, found: list[Measurement]) -> None:
        found.append(measurement(replace(SAME, other=options.rounds), times_raw(1.0)))
        report.write(options.output, found)

    monkeypatch.setattr(command, "_measure", measured)
    assert command.main(["--rounds", "2", "--output", str(file)]) == 0
    written = json.loads(file.read_text())
    assert written["correct"]
    assert not written["measurements"][0]["targets"][0]["met"]
    assert command.main(["--rounds", "1", "--output", str(file)]) == 1
    assert not json.loads(file.read_text())["correct"]


def test_what_differs_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads the table sees which figure of which measurement is wrong."""
    wrong = measurement(Figure("kept once", "pledges", 2, "database", 3), times_raw(1.0))
    report.show(Console(), [wrong])
    printed = capsys.readouterr().out
    assert "DIFFER" in printed
    assert "kept once" in printed
    assert report.differing([measurement(SAME, times_raw(1.0))]) == []


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (times_raw(2.0), True),
        (times_raw(1.9), False),
        (share_of_raw(0.5), True),
        (share_of_raw(0.51), False),
    ],
)
def test_a_target_is_kept_up_to_its_edge(target: Target, met: bool) -> None:
    """Twice the time is half the speed; a little beyond is missed."""
    found = measurement(SAME, target)
    assert target.met(found.spread(target.of).middle) is met


def test_what_is_only_shown_is_neither_met_nor_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A ratio without a target claims nothing."""
    report.show(Console(), [measurement(SAME, times_raw())])
    printed = capsys.readouterr().out
    assert "2.00" in printed and "met" not in printed and "missed" not in printed


async def test_a_small_suite_is_counted_right(tmp_path: Path, breakable_stack: NativeStack) -> None:
    """Real processes, Kafka and MongoDB: 200 people are told of two updates, each once."""
    measured = await fan_out.measure(Ground(breakable_stack, tmp_path), backers=200, rounds=2)
    assert report.differing([measured]) == []
    assert measured.is_correct
    assert [one.items for one in measured.rounds] == [200, 200]
    used = [one.processor_seconds for one in measured.rounds]
    assert all(set(each) == {"notifier", "mongod", "broker"} for each in used)
    assert sum(sum(each.values()) for each in used) > 0


async def test_mails_to_a_few_are_counted_right(
    tmp_path: Path, breakable_stack: NativeStack
) -> None:
    """Real processes and a sink that takes groups: 120 people are written to, each once."""
    measured = await mails.measure(Ground(breakable_stack, tmp_path), mails=120, rounds=1)
    assert report.differing([measured]) == []
    assert [one.items for one in measured.rounds] == [120]
