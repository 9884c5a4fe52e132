"""What payouts refuses to start with: a key of the wrong world, a call longer than its lease."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from payouts.commands import describe_account
from payouts.ports.provider import PlatformAccount
from payouts.settings import PayoutsSettings
from servicekit.errors import DependencyAway


def refused(**given: Any) -> dict[str, str]:
    """Return what is said of each of these fields; others are missing here, and refused."""
    with pytest.raises(ValidationError) as refusal:
        PayoutsSettings(**given)
    return {str(e["loc"][0]): e["msg"] for e in refusal.value.errors() if e["loc"][0] in given}


@pytest.mark.parametrize(
    ("mode", "key", "fits"),
    [
        ("development", "sk_test_1", True),
        ("development", "sk_live_1", False),
        ("development", "rk_live_1", False),
        ("production", "sk_live_1", True),
        ("production", "sk_test_1", False),
        ("production", "rk_test_1", False),
    ],
)
def test_a_key_is_of_the_world_that_the_mode_says(mode: str, key: str, fits: bool) -> None:
    """No real money in development, none that is not real in production."""
    said = refused(mode=mode, provider_secret_key=key)
    assert list(said) == ([] if fits else ["provider_secret_key"])


@pytest.mark.parametrize(("timeout", "lease", "fits"), [(8, 30, True), (30, 30, False)])
def test_no_call_outlives_its_lease(timeout: float, lease: int, fits: bool) -> None:
    """Whoever has the work next must not meet a call that is still on its way."""
    said = refused(provider_timeout_seconds=timeout, lease_seconds=lease)
    assert list(said) == ([] if fits else ["lease_seconds"])


@dataclass
class Asked:
    """What `check` hears, and the key that it asked with."""

    account: PlatformAccount | None
    key: str = "sk_test_1"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(PlatformAccount("acct_1", "manual")), "acct_1, test mode, manual payouts"),
        (Asked(PlatformAccount("acct_1", "manual"), "sk_live_1"), "live mode"),
        (Asked(PlatformAccount("acct_1", "daily")), "daily payouts: a start is refused"),
    ],
)
def test_check_says_whose_account_it_is(asked: Asked, says: str) -> None:
    """And whether money there is real."""
    assert says in describe_account(asked.account, asked.key)


def test_check_fails_where_nobody_answers() -> None:
    """A refused key is no account either."""
    with pytest.raises(DependencyAway):
        describe_account(None, "sk_test_1")
