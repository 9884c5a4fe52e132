"""The first trigger: a deadline refunds everybody or pays the creator's first stage."""

import pytest

from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.row("S13")
async def test_a_missed_goal_returns_every_pledge_in_full(world: World) -> None:
    """Given a campaign that misses its goal, when the deadline passes, everybody gets all back."""
    rows = backers("missed", 60)
    await world.launch_paid("missed", rows, goal=10_000_000, open_seconds=4)

    verdict = await world.verdict("missed")
    await world.refunded("missed", rows)

    assert verdict["outcome"] == "goal_missed"
    assert verdict["collected"] == sum(row.amount for row in rows)
    await world.assert_provider_returned("missed", rows)
    world.assert_books_true()
    stages = await world.look.get("payouts", "/campaigns/missed/stages")
    assert stages is not None and stages["stages"] == []


@pytest.mark.row("S9")
async def test_a_met_goal_pays_the_first_stage_and_explains_the_second(world: World) -> None:
    """Given a met goal and a verified account, stage one is paid and stage two says why not."""
    rows = backers("met", 60)
    total = sum(row.amount for row in rows)
    await world.launch_paid("met", rows, goal=total, open_seconds=4)
    account = await world.suite.provider.create_account()
    await world.give_destination("met", account["id"])

    first = await world.stage_is("met", 1, "paid")

    assert first["amount"] == total * 2_000 // 10_000
    found = await world.look.get("payouts", "/campaigns/met/stages")
    assert found is not None
    second = found["stages"][1]
    reasons = {line["name"]: line for line in second["gate"] if line["state"] != "passed"}
    assert reasons["milestone"]["who"] == "creator" and reasons["milestone"]["why"]
    book = (await world.suite.provider.book())["accounts"][account["id"]]["eur"]
    assert book["by_type"]["payout"]["amount"] == -int(first["amount"])
    world.assert_books_true()


@pytest.mark.trap(19)
async def test_a_payment_after_a_missed_goal_goes_back_by_itself(world: World) -> None:
    """Given a missed goal, a payment that is heard of afterwards is late and is refunded."""
    early, late = backers("late", 12)[:10], backers("late", 12)[10:]
    await world.launch_paid("late", early, goal=10_000_000, open_seconds=3)
    await world.verdict("late")
    await world.checkout.pay("late", late)

    await world.refunded("late", [*early, *late])

    await world.assert_provider_returned("late", [*early, *late])
    campaign = await world.look.get("funding", "/campaigns/late")
    assert campaign is not None
    assert campaign["figures"]["late"] == sum(row.amount for row in late)


@pytest.mark.trap(20)
async def test_the_public_total_of_a_failed_campaign_stays(world: World) -> None:
    """Given all refunds are done, raised is still what was pledged, and held is nothing."""
    rows = backers("total", 10)
    await world.launch_paid("total", rows, goal=10_000_000, open_seconds=3)
    await world.refunded("total", rows)
    await world.told("total", "verdict-reached", "total")

    from infra.suite.readings import eventually

    async def shown() -> dict[str, int] | None:
        project = await world.look.get("updates", "/campaigns/total")
        figures = project["figures"] if project else None
        done = figures and figures["refunded"] == figures["collected"]
        return figures if done else None

    figures = await eventually("the project shows the refunds", shown)
    assert figures["raised"] == sum(row.amount for row in rows) and figures["held"] == 0
