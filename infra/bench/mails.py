"""An update is written to every backer of a campaign: from the fact to the last mail's outcome."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from infra.bench import given, raw_mail
from infra.bench.given import GivenPledge
from infra.bench.ground import Ground, Offsets, Scene, until
from infra.bench.measurement import Measurement, Round, share_of_raw
from infra.bench.raw import stopwatch
from infra.bench.raw_mail import SentMail
from infra.demo.figures import Figure

CAMPAIGN = "bench-mails"
DELIVERIES = "notifier.deliveries"
# As many as notifier keeps by default.
CONNECTIONS = 4
# A window that is over at once: what looks for bursts is measured, nobody waits.
SETTINGS = {"notifier": {"MAILS_PER_SECOND": "100000", "MAIL_WINDOW_SECONDS": "0.01"}}
RAW_IS = "the same mails sent to the same sink in groups of commands, over as many connections"


async def measure(ground: Ground, mails: int, rounds: int) -> Measurement:
    """Write to so many backers per round, as fast as the sink takes it."""
    pledges = given.pledges(CAMPAIGN, mails)
    people = {one.backer_id for one in pledges}
    async with ground.scene("mails", "notifier", settings=SETTINGS, mail=True) as scene:
        await scene.feed(list(given.described(sorted(people))))
        await scene.feed(list(given.collected(pledges)))
        await _known(scene, len(people), len(pledges))
        measured = [await _round(scene, number, pledges) for number in range(1, rounds + 1)]
    return Measurement("mails", "mail", RAW_IS, (share_of_raw(0.8),), measured)


async def _known(scene: Scene, people: int, pledges: int) -> None:
    database = scene.database("notifier")

    async def all_known() -> bool:
        described = database["people"].estimated_document_count()
        return described == people and (
            database["memberships"].estimated_document_count() == pledges
        )

    await until("everybody is known", all_known)


async def _round(scene: Scene, number: int, pledges: Sequence[GivenPledge]) -> Round:
    update = f"update-{number}"
    cause = f"update-published/{CAMPAIGN}:{update}"
    people = {one.backer_id for one in pledges}
    before, last = await scene.ends(DELIVERIES), _last(scene)
    processor = scene.processor_time("notifier")
    with stopwatch() as took:
        await scene.feed([given.published(update, number, pledges)])
        await _written(scene, cause)
    used = processor.seconds()
    await _told(scene, before, len(people))
    events = [json.loads(record.value) for record in await scene.read(DELIVERIES, before)]
    mails = _mails(scene, last)
    assert scene.suite.mail is not None
    raw = {"send": await raw_mail.send(scene.suite.mail.smtp_port, mails, CONNECTIONS)}
    again = _mails(scene, last + len(mails))
    figures = _figures(scene, people, cause, mails, again, events)
    return Round(len(people), took.seconds, raw, used, figures)


async def _written(scene: Scene, cause: str) -> None:
    database = scene.database("notifier")
    told = {"_id": cause, "state": "completed"}
    # Answered from an index that holds nothing else.
    waiting = {"channel": "email", "left": {"$gt": 0}}

    async def all_written() -> bool:
        is_told = database["causes"].count_documents(told) == 1
        return is_told and database["deliveries"].count_documents(waiting) == 0

    await until(f"{cause} is written to everybody", all_written)


async def _told(scene: Scene, before: Offsets, count: int) -> None:
    async def all_told() -> bool:
        return await scene.count_after(DELIVERIES, before) >= count

    await until("every outcome is on the topic", all_told)


def _mails(scene: Scene, after: int) -> list[SentMail]:
    """Read what came to the sink since, from its own file."""
    query = "SELECT sender, recipient, content FROM mails WHERE number > ? ORDER BY number"
    with closing(_store(scene)) as store:
        return [SentMail(*row) for row in store.execute(query, (after,))]


def _last(scene: Scene) -> int:
    with closing(_store(scene)) as store:
        (last,) = store.execute("SELECT coalesce(max(number), 0) FROM mails").fetchone()
    return int(last)


def _store(scene: Scene) -> sqlite3.Connection:
    assert scene.suite.mail is not None
    return sqlite3.connect(f"{scene.suite.mail.store.as_uri()}?mode=ro", uri=True)


def _figures(
    scene: Scene,
    people: set[str],
    cause: str,
    mails: Sequence[SentMail],
    again: Sequence[SentMail],
    events: Sequence[dict[str, str]],
) -> list[Figure]:
    """Compare who was to be written to with whom the sink, the topic and the database name."""
    addresses = {given.address_of(one) for one in people}
    delivered = [one["recipient_id"] for one in events if one["cause"] == cause]
    deliveries = scene.database("notifier")["deliveries"].find({"cause": cause})
    kept = sum(one["counts"]["delivered"] for one in deliveries)
    return [
        Figure.of_sets("written to", "people", addresses, "sink", [m.recipient for m in mails]),
        Figure("written to once", "people", len(people), "sink", len(mails)),
        Figure("bounces told apart", "people", len(people), "sink", len({m.sender for m in mails})),
        Figure.of_sets("delivered", "people", people, "topic", delivered),
        Figure("kept", "people", len(people), "database", kept),
        Figure.of_sets("raw is the same", "suite", mails, "raw", again),
    ]
