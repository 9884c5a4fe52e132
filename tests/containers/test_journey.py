"""The product's main journeys, the same tests as on processes, on images."""

import pytest

from tests.journeys import test_deadline, test_update
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_missed_campaign_is_refunded(world: World) -> None:
    """The images return every pledge of a missed campaign."""
    await test_deadline.test_a_missed_goal_returns_every_pledge_in_full(world)


async def test_a_met_campaign_is_paid_its_first_stage(world: World) -> None:
    """The images pay a met campaign's first stage and explain the second."""
    await test_deadline.test_a_met_goal_pays_the_first_stage_and_explains_the_second(world)


async def test_an_update_is_told(world: World) -> None:
    """The images tell every backer of an update, once."""
    await test_update.test_an_update_is_told_to_every_backer_once(world)
