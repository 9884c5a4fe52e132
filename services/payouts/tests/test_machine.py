"""Random histories of a campaign's money over the real handlers: thousands of steps, no unit lost.

The same histories in every run, so that a change is what makes them fail, not luck.
`SOSST_MACHINE_EXAMPLES` and `SOSST_MACHINE_STEPS` draw others and more of them, for a night.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from payouts.adapters.schema import SCHEMA
from payouts.domain import postings, refund_outcome
from servicekit.mongo import Database
from servicekit.schema import migrate
from services.payouts.tests.conftest import Payouts, mongo_payouts
from services.payouts.tests.machine import Machine

EXAMPLES = int(os.environ.get("SOSST_MACHINE_EXAMPLES", "80"))
STEPS = int(os.environ.get("SOSST_MACHINE_STEPS", "40"))
BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="SOSST_MACHINE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
ON_MONGODB = settings(
    BOUNDS, max_examples=max(4, EXAMPLES // 20), stateful_step_count=25, phases=[Phase.generate]
)
PLANTED = settings(BOUNDS, max_examples=300, database=None, phases=[Phase.generate])

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
