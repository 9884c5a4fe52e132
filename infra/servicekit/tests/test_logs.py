"""What a real process prints about a fact: whose it is, why, in which trace; and nothing else."""

import json
import signal
from typing import Any

import httpx

from infra.native.plain_http import NO_AUTHORITIES
from infra.servicekit.tests.conftest import connect, until
from infra.servicekit.tests.reader import fact, spoilt, with_header
from infra.servicekit.tests.test_process import Lamp, lamp, migrated, until_ready
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Record

STORY = "story-of-k"
TRACE = "a" * 32
SECRET_PERSON = "anna.secret"
SECRET_WORDS = b'{"comment": "my secret words"'


def told(record: Record) -> Record:
    """Return the record as a service of the suite would send it."""
    with_story = with_header(record, "ce_correlationid", STORY.encode())
    return with_header(with_story, "traceparent", f"00-{TRACE}-{'b' * 16}-01".encode())


def lines_of(output: str, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [line for line in lines if line["event"] == event]


async def publish(connection: KafkaConnection, *records: Record) -> None:
    publisher = KafkaPublisher(connection)
    try:
        assert all(await publisher.publish(records))
    finally:
        await publisher.close()


async def ask(run: Lamp) -> str:
    """Ask for what fails, as a caller with a story; return the story that was answered."""
    address = f"http://127.0.0.1:{run.environment['LAMP_HTTP_PORT']}"
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        answer = await client.get(
            f"{address}/campaigns/k/of/{SECRET_PERSON}",
            headers={"X-Correlation-Id": STORY, "Authorization": f"Bearer {SECRET_PERSON}"},
        )
    assert answer.status_code == 500
    return answer.headers["X-Correlation-Id"]


async def test_every_line_about_a_fact_says_whose_it_is_and_why(
    addresses: dict[str, str],
    kafka_bootstrap_servers: str,
    topic_prefix: str,
    mongodb_uri: str,
    database_name: str,
) -> None:
    """A poison record, work that fails and a request that fails: story, cause, trace, campaign."""
    connection = await connect(kafka_bootstrap_servers, topic_prefix)
    database = Database.connect(mongodb_uri, database_name, "servicekit-tests")
    await migrated(addresses)
    good = fact(1, pledge_id="p1", backer_id=SECRET_PERSON)
    await publish(connection, told(good), told(spoilt(fact(2), SECRET_WORDS)))
    dim = {"LAMP_FAULT": "dim", "LAMP_TOPIC_RETRY_SECONDS": "0.2"}
    async with lamp("run", **dim, **addresses) as run:
        await until_ready(run)

        async def both_stopped() -> bool:
            tried = await database.collection("work").count_documents({"attempt": {"$gt": 0}})
            kept = await database.collection("set_aside").count_documents({})
            return bool(tried and kept)

        await until("the lamp met both", both_stopped)
        assert await ask(run) == STORY
        run.process.send_signal(signal.SIGTERM)
        code, output, _ = await run.end()
    database.close()
    assert code == 0
    same = {"correlation_id": STORY, "campaign_id": "k"}
    poison = lines_of(output, "set aside")[0]
    work = lines_of(output, "work failed, tried again later")[0]
    request = lines_of(output, "unexpected error")[0]
    for line in (poison, work, request):
        assert line | same == line, line
    for line, cause in ((poison, "funding.pledges:k:2"), (work, "funding.pledges:k:1")):
        assert (line["causation_id"], line["trace_id"]) == (cause, TRACE)
    assert work["pledge_id"] == "p1" and "causation_id" not in request
    assert "secret" not in output and mongodb_uri not in output
