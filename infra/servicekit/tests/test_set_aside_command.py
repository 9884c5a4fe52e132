"""What an operator does with facts that were set aside, beside the running service."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from infra.servicekit.tests.conftest import NOW, until
from infra.servicekit.tests.test_process import lamp, migrated, typed, until_ready
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Draft, Record
from sosst_contracts.funding import PledgePlaced
from sosst_contracts.testing import sample

TOPIC = PledgePlaced.topic
BY = ("--by", "sre-1", "--why", "asked for")


def fact(sequence: int, backer: str = "good") -> Record:
    return Draft(sample(PledgePlaced, campaign_id="c1", backer_id=backer), NOW).seal(sequence)


@pytest.fixture
async def publisher(connection: KafkaConnection) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(connection)
    yield publisher
    await publisher.close()


async def command(addresses: dict[str, str], *words: str, **changes: str) -> tuple[int, str, str]:
    return await typed("set-aside", *words, **(addresses | changes))


async def row(database: Database) -> tuple[int, bool]:
    found = await database.collection("streams").find_one({"_id": f"lamps|{TOPIC}|c1"})
    return (found["last_sequence"], found["waiting"]) if found else (0, False)


async def audited(database: Database) -> Sequence[dict[str, Any]]:
    return await database.collection("audit").find().sort("at", 1).to_list(None)


async def test_a_fact_is_listed_shown_replayed_and_purged(
    addresses: dict[str, str], new_database: Database, publisher: KafkaPublisher
) -> None:
    """Given a refused fact and a gap, the key goes on in its order, each act with its record."""
    running = addresses | {"LAMP_REFUSES": "bad"}
    await migrated(addresses)
    refused = f"lamps|{TOPIC}|c1|2"
    async with lamp("run", **running) as run:
        await until_ready(run)
        await publisher.publish([fact(1), fact(2, "bad"), fact(3), fact(5)])

        async def kept() -> bool:
            return await new_database.collection("set_aside").count_documents({}) == 3

        await until("three facts are set aside", kept)
        code, output, _ = await command(running, "list", "--topic", TOPIC, "--reason", "too-dark")
        assert code == 0 and len(output.splitlines()) == 1
        assert refused in output and "too-dark" in output
        code, output, _ = await command(running, "show", refused)
        shown = json.loads(output)
        assert (code, shown["decoded"]["backer_id"]) == (0, "bad")
        assert shown["headers"]["ce_sequence"].endswith("2") and '"bad"' in shown["bytes"]

        code, output, _ = await command(running, "replay", refused, *BY)
        assert code == 0 and await row(new_database) == (1, True)
        assert output.splitlines()[-1].startswith("still set aside: too-dark")
        code, output, _ = await command(
            addresses | {"LAMP_REFUSES": "nobody"}, "replay", refused, *BY
        )
        assert code == 0 and "applied 2" in output and await row(new_database) == (3, True)

        code, _, errors = await command(
            running, "purge", "--missing", "5", "--topic", TOPIC, "--key", "c1", *BY
        )
        assert code == 64 and errors == f"c1 on {TOPIC} waits for 4: 5 cannot be given up\n"
        await publisher.publish([fact(6, "bad"), fact(7)])
        code, output, _ = await command(
            running, "purge", "--missing", "4", "--topic", TOPIC, "--key", "c1", *BY
        )
        assert code == 0 and "skipped 1, applied 1" in output.replace(
            "applied 1, skipped 1", "skipped 1, applied 1"
        )

        async def waits_for_six() -> bool:
            return await row(new_database) == (5, True)

        await until("the key waits for the next refused fact", waits_for_six)
        code, output, _ = await command(running, "purge", f"lamps|{TOPIC}|c1|6", *BY)
        assert code == 0 and await row(new_database) == (7, False)
    assert await new_database.collection("set_aside").count_documents({}) == 0
    acts = [(entry["command"], entry["by"], entry["why"]) for entry in await audited(new_database)]
    assert acts == [
        (name, "sre-1", "asked for")
        for name in ("set-aside replay", "set-aside replay", "set-aside purge", "set-aside purge")
    ]


async def test_a_gap_is_filled_by_reading_the_topic_again(
    addresses: dict[str, str], new_database: Database, publisher: KafkaPublisher
) -> None:
    """A fact that stands on the topic and was passed over by the position is found there."""
    reading = addresses | {"LAMP_REFUSES": "nobody"}
    await migrated(addresses)
    await publisher.publish([fact(1), fact(2), fact(3)])
    async with lamp(
        "set-aside", "replay", "--from-topic", TOPIC, "--key", "c1", *BY, **reading
    ) as run:
        code, output, errors = await run.end()
    assert (code, errors) == (0, "") and "applied 3" in output
    assert await row(new_database) == (3, False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "nothing"], "nothing is set aside under nothing"),
        (["list", "--topic", "payouts.refunds"], "does not read payouts.refunds"),
        (["list", "--limit", "0"], "--limit is between"),
        (["replay", *BY], "name an ID"),
        (["purge", "--missing", "3", *BY], "--missing goes with"),
        (["purge", "x"], "--by"),
    ],
)
async def test_what_cannot_be_done_is_one_line_and_64(
    addresses: dict[str, str], words: list[str], says: str
) -> None:
    """Nothing changes, and the line says what is wrong."""
    await migrated(addresses)
    code, output, errors = await command(addresses, *words, LAMP_REFUSES="bad")
    assert (code, output) == (64, "")
    assert says in errors and len(errors.splitlines()) == 1
