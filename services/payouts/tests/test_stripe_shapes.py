"""Every call of the adapter has a shape that Stripe's own description of its interface allows.

stripe-mock says so: it refuses a parameter that is unknown, missing or of another type, and answers
with examples. It keeps nothing, so how the provider behaves is tested on the sandbox.
"""

import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import stripe

from infra.native import fetch
from payouts.adapters.stripe_provider import StripeProvider
from payouts.metrics import PROVIDER_REQUESTS
from payouts.ports.provider import CashMovement, NoAnswer
from servicekit.pace import Pace
from services.payouts.tests.test_provider import a_stage
from services.payouts.tests.test_stripe_calls import a_sent_refund

REFUND, STAGE, ACCOUNT = a_sent_refund(), a_stage("acct_1"), "acct_1"
MORE_THAN_SHOWN = {"id": "tr_1", "reversals": {"data": [], "has_more": True}}
Ask = Callable[[StripeProvider], Awaitable[object]]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """stripe-mock on a free port of this machine; needs Go where it was not built yet."""
    log: Path = tmp_path_factory.mktemp("stripe-mock") / "log"
    command = [str(fetch.stripe_mock()), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"]
    with (
        log.open("w") as written,
        subprocess.Popen(command, stdout=written, stderr=written) as mock,
    ):
        try:
            yield f"http://{listening(mock, log)}"
        finally:
            mock.kill()


def listening(mock: "subprocess.Popen[bytes]", log: Path) -> str:
    for _ in range(600):
        if found := re.search(r"HTTP at address: (\S+)", log.read_text()):
            return found[1]
        assert mock.poll() is None, log.read_text()
        try:
            mock.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"stripe-mock does not listen: {log.read_text()}")


@pytest.fixture
async def provider(address: str) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(address, "sk_test_123", 30, Pace(1_000))
    yield provider
    await provider.close()


def answered(operation: str) -> float:
    return PROVIDER_REQUESTS.labels(operation, "ok")._value.get()


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("refunds.create", lambda p: p.create_refund(REFUND)),
        ("transfers.create", lambda p: p.create_transfer(STAGE)),
        ("payouts.create", lambda p: p.create_payout(STAGE)),
    ],
)
async def test_what_is_asked_for_is_taken(
    provider: StripeProvider, operation: str, ask: Ask
) -> None:
    """Only the example that comes back is nobody's: it has none of our metadata."""
    before = answered(operation)
    with pytest.raises(KeyError, match="attempt"):
        await ask(provider)
    assert answered(operation) == before + 1


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("refunds.list", lambda p: p.find_refund(REFUND)),
        ("refunds.list", lambda p: p.refunds_of(REFUND)),
        ("transfers.list", lambda p: p.find_transfer(STAGE)),
        ("transfers.list", lambda p: p.transfers_of(STAGE)),
        ("transfer_reversals.list", lambda p: p._with_all_reversals(MORE_THAN_SHOWN)),
        ("payouts.list", lambda p: p.find_payout(STAGE)),
        ("payouts.list", lambda p: p.payouts_of(STAGE, ACCOUNT)),
        ("disputes.retrieve", lambda p: p.find_dispute("dp_1")),
        ("accounts.retrieve", lambda p: p.account_problem(ACCOUNT)),
        ("account.retrieve", lambda p: p.platform_account()),
        ("balance.retrieve", lambda p: p.balance("EUR")),
        ("balance_transactions.list", lambda p: p.movements_after(None)),
        ("balance_transactions.list", lambda p: p.movements_after("txn_1")),
        ("balance_transactions.list", lambda p: p.movements_of(ACCOUNT, "txn_1")),
        ("refunds.retrieve", lambda p: p.campaign_of(CashMovement("txn_1", "refund", "re_1"))),
        ("transfers.retrieve", lambda p: p.campaign_of(CashMovement("t_1", "transfer", "tr_1"))),
    ],
)
async def test_what_is_read_is_understood(
    provider: StripeProvider, operation: str, ask: Ask
) -> None:
    """The example of each object has what is read of it."""
    before = answered(operation)
    assert not isinstance(await ask(provider), NoAnswer)
    assert answered(operation) == before + 1


async def test_a_shape_that_is_not_stripes_is_refused(provider: StripeProvider) -> None:
    """Otherwise none of the tests here would say anything."""
    for wrong in ({"charge": "ch_1", "amount": "much"}, {"charge": "ch_1", "for_whom": "me"}):
        with pytest.raises(stripe.InvalidRequestError):
            await provider._stripe.refunds.create_async(wrong)  # type: ignore[arg-type]


async def test_the_halving_of_time_is_understood(provider: StripeProvider) -> None:
    """How the oldest movements are found when there is more than a page."""
    listed = provider._stripe.balance_transactions.list_async
    page = await listed({"created": {"lte": 1_700_000_000}, "limit": 100})
    assert page.data[0].created
