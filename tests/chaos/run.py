"""One run: load, faults and checker together; then healing, and the checker's last word."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infra.native import NativeStack, NativeStackError
from infra.suite.readings import NeverHappened
from infra.suite.suite import SERVICES
from tests.chaos.breaking import Breaker
from tests.chaos.checker import LOOK_SECONDS, Checker
from tests.chaos.findings import Finding
from tests.chaos.load import Load
from tests.chaos.plan import Plan
from tests.chaos.rules import verdicts_of
from tests.chaos.together import together
from tests.chaos.watch import TopicWatch
from tests.world import World

# So many looks of a run must have read everything; otherwise it has proven nothing.
WHOLE_LOOKS_MIN = 5


@dataclass
class Report:
    """What a run did and what it found; nothing found means that the suite stood it."""

    seed: int
    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def rules(self) -> set[str]:
        return {finding.rule for finding in self.findings}


async def run_chaos(
    plan: Plan,
    world: World,
    stack: NativeStack,
    say: Callable[[str], None],
    *,
    services: Sequence[str] = SERVICES,
    to_the_end: bool = True,
) -> Report:
    """Play the plan on a running suite and return the report.

    The first look that finds something ends the run, so that logs end near the cause.
    `to_the_end=False` leaves out what must be true at the end, for a suite of which only some
    services run.
    """
    load = Load(world, plan.campaigns)
    breaker = Breaker(world, stack, say, services, load.name_accounts_again)
    async with TopicWatch(world.suite) as watch:
        checker = Checker(world, watch, load.played, services)
        try:
            findings = await _disturbed(plan, load, breaker, checker)
            await breaker.heal()
            if not findings and to_the_end:
                say("everything is whole again; waiting until everything is final")
                findings = await checker.settled()
                findings += _too_blind(checker)
                findings += await checker.failed_sweeps()
        finally:
            checker.close()
        return Report(plan.seed, findings, _figures(load, breaker, checker, stack))


async def _disturbed(plan: Plan, load: Load, breaker: Breaker, checker: Checker) -> list[Finding]:
    """Let load and faults run under the checker's eyes; return what it found, if anything."""
    playing = asyncio.create_task(together(load.run(), breaker.run(plan)))
    looking = asyncio.create_task(_look_until_found(breaker, checker))
    try:
        await asyncio.wait({playing, looking}, return_when=asyncio.FIRST_COMPLETED)
        if looking.done():
            return looking.result()
        try:
            await playing
        except (NeverHappened, NativeStackError) as error:
            return [Finding("never-happened", str(error).splitlines()[0])]
        return await checker.look()
    finally:
        for task in (playing, looking):
            task.cancel()
        await asyncio.gather(playing, looking, return_exceptions=True)


async def _look_until_found(breaker: Breaker, checker: Checker) -> list[Finding]:
    while True:
        before = breaker.restored
        findings = await checker.look()
        if breaker.restoring or breaker.restored > before:
            # Half a backup is no state to judge.
            continue
        findings += [Finding("ended-by-itself", name) for name in breaker.ended()]
        if findings:
            return findings
        await asyncio.sleep(LOOK_SECONDS)


def _too_blind(checker: Checker) -> list[Finding]:
    looks = checker.looks
    if looks.whole >= WHOLE_LOOKS_MIN:
        return []
    return [Finding("blind", f"only {looks.whole} of {looks.taken} looks could read everything")]


def _figures(load: Load, breaker: Breaker, checker: Checker, stack: NativeStack) -> dict[str, int]:
    history = checker.watch.history
    fallen = [verdict.verdict for verdict in verdicts_of(history).values()]
    return {
        "campaigns": len(load.played),
        "goals_met": fallen.count("goal_met"),
        "goals_missed": fallen.count("goal_missed"),
        "pledges": sum(len(one.rows) for one in load.played),
        "updates": sum(len(one.published) for one in load.played),
        "faults": breaker.done,
        "looks": checker.looks.taken,
        "whole_looks": checker.looks.whole,
        "facts": sum(len(facts) for facts in history.facts.values()),
        "told": sum(len(people) for people in history.told.values()),
        "repeats": history.repeats,
        "rollbacks": sum(
            len(list((mongod.folder / "data" / "rollback").rglob("*.bson")))
            for mongod in stack.mongods
        ),
    }
