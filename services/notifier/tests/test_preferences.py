"""What people ask for: kept, shown to them alone, and believed at the next message."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import time

import httpx
import pytest
from prometheus_client import REGISTRY

from infra.sandbox.issuer.tokens import backer
from notifier.domain.cause import CauseKind
from notifier.domain.routing import Frequency, Mute, Preferences, QuietHours
from notifier.ports.email import Answer, Answered
from services.notifier.tests.builders import (
    CAMPAIGN,
    Notifier,
    emergency,
    memory_notifier,
    pledges,
    settle,
    update,
)
from services.notifier.tests.post import Post, memory_post, person

ASKED = Preferences(
    (Mute(CAMPAIGN), Mute(kind=CauseKind.SURVEY_OPENED), Mute(CAMPAIGN, CauseKind.STAGE_PAID)),
    Frequency.DAILY,
    QuietHours(time(22), time(7, 30)),
)
ANNA = backer("anna")


async def test_preferences_are_kept_whole(notifier: Notifier) -> None:
    """The last word replaces all before; who asked for nothing is not found; forgotten is gone."""

    async def ask(who: str, asked: Preferences) -> None:
        await notifier.units.run(lambda unit: unit.preferences.save(who, asked))

    async def known() -> dict[str, Preferences]:
        return await notifier.units.run(lambda unit: unit.preferences.load(["anna", "ben", "zoe"]))

    await ask("anna", Preferences())
    for who in ("anna", "ben"):
        await ask(who, ASKED)
    assert await known() == {"anna": ASKED, "ben": ASKED}
    await ask("ben", Preferences())
    await notifier.units.run(lambda unit: unit.preferences.forget(["anna"]))
    assert await known() == {"ben": Preferences()}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    notifier = memory_notifier()
    await notifier.hear(*pledges(["anna"]))
    async with notifier.http(ANNA) as open_client:
        yield open_client


async def test_a_person_sees_what_they_asked_for(client: httpx.AsyncClient) -> None:
    """Everything is at its usual before; what is asked again is the same."""
    usual = {"mutes": [], "digest": "at_once", "quiet": None}
    assert (await client.get("/people/anna/preferences")).json() == usual
    asked = {
        "mutes": [{"campaign_id": CAMPAIGN, "kind": None}],
        "digest": "weekly",
        "quiet": {"begin": "22:00:00", "end": "07:00:00"},
    }
    for _ in range(2):
        assert (await client.put("/people/anna/preferences", json=asked)).json() == asked
    assert (await client.get("/people/anna/preferences")).json() == asked


async def test_a_backer_consents_and_others_are_not_asked(client: httpx.AsyncClient) -> None:
    """Nothing until it is said; of a campaign that one does not back there is nothing to say."""
    path = f"/people/anna/consents/{CAMPAIGN}"
    assert (await client.get(path)).json() == {"choice": "nothing"}
    chosen = await client.put(path, json={"choice": "keep_in_touch"})
    assert chosen.json() == (await client.get(path)).json() == {"choice": "keep_in_touch"}
    stranger = await client.put("/people/anna/consents/other", json={"choice": "relaunch"})
    assert stranger.status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"mutes": [{}]},
        {"mutes": [{"kind": "unheard-of"}]},
        {"mutes": [{"campaign_id": "c"}] * 501},
        {"digest": "hourly"},
        {"quiet": {"begin": "22:00", "end": "22:00"}},
        {"quiet": {"begin": "22:00:00Z", "end": "07:00"}},
        {"quiet": {"begin": "25:00", "end": "07:00"}},
        {"more": True},
    ],
    ids=lambda asked: next(iter(asked)),
)
async def test_what_nobody_can_ask_for(client: httpx.AsyncClient, asked: dict[str, object]) -> None:
    """A mute of nothing, a digest of another rhythm, hours that are none."""
    assert (await client.put("/people/anna/preferences", json=asked)).status_code == 422


async def test_preferences_are_read_at_the_send() -> None:
    """Muted: not written to; in the digest: the next morning; who changes their mind: at once."""
    post = memory_post()
    await post.know(*(person(one, zone="UTC") for one in ("b0", "b1", "b2")))
    await _ask(post, "b1", Preferences((Mute(CAMPAIGN),)))
    await _ask(post, "b2", Preferences(digest=Frequency.DAILY))
    await post.notifier.hear(*pledges(["b0", "b1", "b2"]), update(3, 3))
    await settle(post.notifier)
    await post.write_all()
    assert post.sent_to() == Counter({"b0@a.example": 1})
    totals = await post.totals(f"update-published/{CAMPAIGN}:update-1")
    assert (totals.delivered, totals.suppressed, totals.pending) == (1, 1, 1)
    post.clock.advance(hours=19)
    await post.write_all()
    assert post.sent_to()["b2@a.example"] == 0
    post.clock.advance(hours=2)
    await post.write_all()
    assert post.sent_to() == Counter({"b0@a.example": 1, "b2@a.example": 1})


@pytest.mark.parametrize("pace_rests", [False, True], ids=["goes on", "domain rests"])
async def test_who_sleeps_or_gathers_is_not_counted_as_sent_away_by_the_server(
    pace_rests: bool,
) -> None:
    """The alert of a failing channel counts tries; a mail that nobody tried waits."""
    post = memory_post()
    await post.know(*(person(one, zone="UTC") for one in ("b0", "b1", "b2")))
    await _ask(post, "b0", Preferences(quiet=QuietHours(time(0), time(23, 59))))
    await _ask(post, "b1", Preferences(digest=Frequency.WEEKLY))
    answered = Answered.HELD if pace_rests else Answered.LATER
    post.server.answer = lambda mail: Answer(answered, again_at=post.clock.now())
    before = _counted()
    await post.notifier.hear(*pledges(["b0", "b1", "b2"]), update(3, 3))
    await settle(post.notifier)
    await post.notifier.write()
    waiting = 3 if pace_rests else 2
    assert _counted() - before == Counter({"waiting": waiting, "later": 3 - waiting})


def _counted() -> Counter[str]:
    """Count the mails that were put off so far, by what the metric says of it."""
    name = "sosst_notifier_deliveries_total"
    return Counter(
        {
            outcome: int(
                REGISTRY.get_sample_value(name, {"channel": "email", "outcome": outcome}) or 0
            )
            for outcome in ("waiting", "later")
        }
    )


async def _ask(post: Post, who: str, asked: Preferences) -> None:
    await post.notifier.units.run(lambda unit: unit.preferences.save(who, asked))


async def test_an_emergency_is_written_in_the_night() -> None:
    """Muted, weekly, asleep: it comes all the same."""
    post = memory_post()
    await post.know(person("b0", zone="UTC"))
    quiet = QuietHours(time(0), time(23, 59))
    await _ask(post, "b0", Preferences((Mute(CAMPAIGN),), Frequency.WEEKLY, quiet))
    await post.notifier.hear(*pledges(["b0"]), emergency(1, 1))
    await settle(post.notifier)
    await post.write_all()
    assert post.sent_to() == Counter({"b0@a.example": 1})
