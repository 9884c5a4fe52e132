"""Random histories of a campaign's money over the real handlers: thousands of steps, no unit lost.

The same histories in every run of `make test`, others in `make explore`.
`SOSST_MACHINE_EXAMPLES` and `SOSST_MACHINE_STEPS` draw others and more of them, for a night.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from payouts.adapters.schema import SCHEMA
from payouts.domain import gate, postings, refund_outcome
from payouts.domain import holds as domain_holds
from payouts.handlers import holds
from servicekit.mongo import Database
from servicekit.schema import migrate
from services.payouts.tests.conftest import Payouts, mongo_payouts
from services.payouts.tests.machine import Machine
from services.payouts.tests.told import MET, Backed, Post

EXAMPLES = int(os.environ.get("SOSST_MACHINE_EXAMPLES", "80"))
STEPS = int(os.environ.get("SOSST_MACHINE_STEPS", "40"))
BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize="SOSST_MACHINE_EXAMPLES" not in os.environ and settings().derandomize,
    suppress_health_check=list(HealthCheck),
)
ON_MONGODB = settings(
    BOUNDS, max_examples=max(4, EXAMPLES // 20), stateful_step_count=25, phases=[Phase.generate]
)
PLANTED = settings(BOUNDS, max_examples=300, database=None, phases=[Phase.generate])

# A night is longer than what one test may take.
pytestmark = [pytest.mark.timeout(0)] if "SOSST_MACHINE_EXAMPLES" in os.environ else []

TestMachine = Machine.TestCase
TestMachine.settings = BOUNDS


def test_the_same_histories_on_mongodb(mongodb_uri: str, database_name: str) -> None:
    """Fewer and shorter ones over the real stores, each on a database of its own."""
    numbers = iter(range(10_000))

    class OnMongoDB(Machine):
        def make(self) -> Payouts:
            return mongo_payouts(self.runner.run(self.connected()))

        async def connected(self) -> Database:
            name = f"{database_name}-{next(numbers)}"
            database = Database.connect(mongodb_uri, name, "payouts-machine")
            await migrate(database, SCHEMA)
            self.database = database
            return database

        async def let_go(self) -> None:
            await super().let_go()
            self.database.close()

    run_state_machine_as_test(OnMongoDB, settings=ON_MONGODB)


def forget_the_reserve(patched: pytest.MonkeyPatch) -> None:
    """A won chargeback gives nothing back to the backers."""
    won = postings.dispute_won
    patched.setattr(postings, "dispute_won", lambda amount, _, txn: won(amount, 0, txn))


def forget_what_came_back(patched: pytest.MonkeyPatch) -> None:
    """A refund that comes back is not owed again."""
    patched.setattr(refund_outcome, "_cash_back", lambda decision, _: decision)


@pytest.mark.parametrize("plant", [forget_the_reserve, forget_what_came_back])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that finds nothing wrong where something is would prove nothing."""
    plant(monkeypatch)
    with pytest.raises(BaseException) as found:  # noqa: PT011
        run_state_machine_as_test(Machine, settings=PLANTED)
    assert not isinstance(found.value, KeyboardInterrupt)


def forget_the_holds(patched: pytest.MonkeyPatch) -> None:
    """A stage is paid as if nobody held it."""
    patched.setattr(holds, "_is_holdable", lambda _: False)
    patched.setattr(gate, "open_holds", lambda *_: ())


def forget_the_plan(patched: pytest.MonkeyPatch) -> None:
    """Staff may lift the hold of an emergency that nothing has answered."""
    patched.setattr(domain_holds, "waits_for_plan", lambda _: False)


def forget_to_hold(patched: pytest.MonkeyPatch) -> None:
    """A stage stands still, and its campaign's book knows of no hold."""
    patched.setattr(holds, "place", lambda known, _: known)


@pytest.mark.parametrize("plant", [None, forget_the_holds, forget_the_plan, forget_to_hold])
def test_what_leaves_under_a_hold_is_found(
    plant: Callable[[pytest.MonkeyPatch], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one short history: too rare in random ones to look for it in each run."""
    if plant:
        plant(monkeypatch)
    machine = Machine()
    machine.told.launch()
    machine.told.collect(Backed(1, 5_000))
    machine.told.end(MET)
    machine.told.post(Post.EMERGENCY)
    machine.read_everything()
    try:
        with nullcontext() if plant is None else pytest.raises(AssertionError):
            machine.check()
            machine.bring_stages_on()
            machine.release("emergency:1")
            machine.check()
    finally:
        machine.run(machine.let_go())
        machine.runner.close()
