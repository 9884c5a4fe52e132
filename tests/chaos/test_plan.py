"""A seed is a plan: pure, repeatable, complete, and never twice on one target."""

import subprocess
import sys

import pytest

from infra.native.folders import REPOSITORY
from tests.chaos.plan import (
    RECOVERY_SECONDS,
    SERVICES,
    ZOMBIE_SECONDS,
    FaultKind,
    durations,
    plan_of,
)

SEEDS = range(12)
SECONDS = 300.0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_is_the_same_plan(seed: int) -> None:
    """Nothing but seed and duration decides; another seed or duration is another plan."""
    plan = plan_of(seed, SECONDS)
    assert plan == plan_of(seed, SECONDS)
    assert plan.faults != plan_of(seed + 1, SECONDS).faults
    assert plan.faults != plan_of(seed, SECONDS / 2).faults


def test_another_process_makes_the_same_plan() -> None:
    """No hash that is drawn anew per process, no clock: a seed means the same to everybody."""
    program = "from tests.chaos.plan import plan_of; print(plan_of(17, 60.0))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(plan_of(17, 60.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_broken_twice_at_a_time(seed: int) -> None:
    """A target is whole, and was left alone for a while, before it is broken again."""
    free_at: dict[str, float] = {}
    for fault in plan_of(seed, SECONDS).faults:
        assert free_at.get(fault.target, 0.0) <= fault.at_seconds < SECONDS, str(fault)
        free_at[fault.target] = fault.at_seconds + fault.seconds + RECOVERY_SECONDS


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_five_minutes_break_everything_in_every_way(seed: int, nodes: int) -> None:
    """No pair of kind and target is left out of a run of the default length."""
    dealt = {(fault.kind, fault.target) for fault in plan_of(seed, SECONDS, nodes).faults}
    assert dealt == set(durations(nodes))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_load_does_not_depend_on_the_servers(seed: int) -> None:
    """Three brokers and mongods get the same campaigns as one, and other faults."""
    one, three = plan_of(seed, SECONDS), plan_of(seed, SECONDS, 3)
    assert one.campaigns == three.campaigns and one.faults != three.faults


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stopped_service_sleeps_through_two_leases(seed: int) -> None:
    """What wakes up then finds its work in other hands (trap 21)."""
    stopped = [
        fault
        for fault in plan_of(seed, SECONDS).faults
        if fault.kind is FaultKind.STOPPED and fault.target in SERVICES
    ]
    assert stopped and all(fault.seconds >= ZOMBIE_SECONDS for fault in stopped)


@pytest.mark.parametrize("seed", SEEDS)
def test_goals_are_met_and_missed_and_creators_publish(seed: int) -> None:
    """Both triggers are part of every plan, also of a short one."""
    for seconds in (45.0, SECONDS):
        campaigns = plan_of(seed, seconds).campaigns
        assert {campaign.reachable for campaign in campaigns} == {True, False}
        assert any(campaign.updates_at_seconds for campaign in campaigns)
        assert any(campaign.declined and campaign.bounced for campaign in campaigns)
        assert all(set(c.declined).isdisjoint(c.bounced) for c in campaigns)
