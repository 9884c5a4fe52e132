"""Both triggers on servers that ask who one is: each service may do all that it needs."""

import pytest

from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_missed_and_a_met_campaign_end_with_the_right_figures(
    secured_world: World,
) -> None:
    """Every refund is back, everybody is told, the first stage is paid: to the cent."""
    world = secured_world
    missed, met = backers("secured-missed", 20), backers("secured-met", 20)
    total = sum(row.amount for row in met)
    await world.launch_paid("secured-missed", missed, goal=10_000_000, open_seconds=5)
    await world.launch_paid("secured-met", met, goal=total, open_seconds=5)
    account = await world.suite.provider.create_account()
    await world.give_destination("secured-met", account["id"])

    first = await world.stage_is("secured-met", 1, "paid")
    await world.refunded("secured-missed", missed)

    assert first["amount"] == total * 2_000 // 10_000
    await world.assert_provider_returned("secured-missed", missed)
    await world.told("secured-missed", "verdict-reached", "secured-missed")
    world.assert_books_true()


async def test_secrets_are_for_their_owner_only(secured_world: World) -> None:
    """No file of a password, key or address with one may be read by anybody else."""
    access = secured_world.suite.access
    assert access is not None
    folders = (access.folder / "secrets", access.security.folder)
    files = [path for folder in folders for path in folder.iterdir() if path.name != "ca.pem"]
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)
