"""Everybody who has left an address is written to, whatever the mail server and kill -9 do."""

import asyncio
from collections import Counter

import pytest

from infra.sandbox.issuer.tokens import SERVICE
from infra.sandbox.mail.client import MailClient
from infra.suite.checkout import Described
from infra.suite.readings import NeverHappened, eventually
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAMPAIGN = "written"
CAUSE = f"verdict-reached/{CAMPAIGN}"
FAULTS = {"greylist": "-1@", "refuse": "-2@", "drop-after-data": "-3@", "bounce": "-4@"}
WITHOUT = f"{CAMPAIGN}-backer-5"


def address(person: str) -> str:
    return f"{person}@{CAMPAIGN}.example"


async def mailbox_of(world: World) -> MailClient:
    assert world.suite.mail is not None
    mailbox = MailClient(world.suite.mail.url)
    # The first leave, then each connection stands still: notifier is killed while mails leave,
    # however long it takes until that is seen.
    for seconds, remaining in ((0.1, 20), (3, 8)):
        everybody = f"*@{CAMPAIGN}.example"
        await mailbox.plant("slow", everybody, seconds=seconds, remaining=remaining)
    for kind, who in FAULTS.items():
        more: dict[str, object] = {"remaining": 1} if kind == "drop-after-data" else {}
        await mailbox.plant(kind, f"{CAMPAIGN}-backer{who}{CAMPAIGN}.example", **more)
    return mailbox


async def described(world: World, people: list[str]) -> None:
    """Tell who they are, and wait until notifier knows the last of them."""
    known = [
        Described(one, None if one == WITHOUT else address(one), "Zoë", ("fr", "en")[n % 2])
        for n, one in enumerate(people)
    ]
    await world.checkout.describe(known)
    for person in people:

        async def there(person: str = person) -> bool:
            return await world.look.get("notifier", f"/people/{person}", caller=SERVICE) is not None

        await eventually(f"{person} is known", there)


async def test_everybody_gets_one_mail(world: World) -> None:
    """Greylisted, refused, cut off, bounced, without an address, notifier killed: each is right."""
    rows = backers(CAMPAIGN, 60)
    people = sorted({row.backer_id for row in rows})
    mailbox = await mailbox_of(world)
    await described(world, people)
    await world.launch_paid(CAMPAIGN, rows, goal=1_000, open_seconds=3)

    async def came() -> Counter[str]:
        mails = await mailbox.mails()
        mine = [m for m in mails if m["recipient"].endswith(f"@{CAMPAIGN}.example")]
        assert len({m["message_id"] for m in mine}) == len({m["recipient"] for m in mine})
        return Counter(mail["recipient"] for mail in mine)

    async def some_came() -> bool:
        return len(await came()) >= 10

    await eventually("mails leave", some_came)
    notifier = world.suite.services["notifier"]
    await asyncio.to_thread(notifier.kill)
    before = await came()
    assert len(before) < len(people) - 2, "everything had left before the kill"
    await asyncio.to_thread(notifier.start)

    def outcomes() -> Counter[tuple[str, str]]:
        with world.database("notifier") as database:
            found = list(database["deliveries"].find({"cause": CAUSE, "channel": "email"}))
        standings = [one for row in found for one in row["standings"].values()]
        return Counter((one["state"], one.get("reason", "")) for one in standings)

    expected = {
        # Refused at once, and bounced after it was taken.
        ("failed", "address-refused"): 2,
        # The creator has left none either.
        ("suppressed", "no-address"): 2,
        ("delivered", ""): len(people) - 3,
    }

    async def as_expected() -> bool:
        return outcomes() == expected

    try:
        await eventually("everybody has an outcome", as_expected)
    except NeverHappened:
        assert outcomes() == expected
    sent = await came()
    wanted = {address(one) for one in people} - {address(WITHOUT), address(f"{CAMPAIGN}-backer-2")}
    assert set(sent) == wanted
    # Repeated at most: the one that was cut off, and what was in hand at the kill.
    assert sent[address(f"{CAMPAIGN}-backer-3")] >= 2
    repeated = sum(sent.values()) - len(sent)
    assert repeated <= 1 + 4 * 100
    with world.database("notifier") as database:
        reasons = [row["reason"] for row in database["suppressions"].find()]
    assert reasons.count("hard-bounce") == 2
    await mailbox.forget_faults()
