"""From the last notification back to the payment: every fact names the fact behind it."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from infra.sandbox.issuer.tokens import SERVICE, STAFF
from infra.story.place import Place
from infra.story.waiting import waiting
from infra.suite.readings import eventually
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.envelope import Envelope
from sosst_contracts.registry import REGISTRY
from tests.structure.repository import ROOT
from tests.world import World, backers

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOPICS = (
    "platform.payments",
    "funding.campaigns",
    "funding.pledges",
    "payouts.refunds",
    "updates.posts",
    "notifier.notifications",
    "notifier.notices",
)


async def facts_of(
    world: World, campaign_id: str, topics: Iterable[str] = TOPICS
) -> dict[str, Decoded]:
    """Return all facts of a campaign by id."""
    found: dict[str, Decoded] = {}
    for topic in topics:
        for one in await world.look.events(topic):
            if getattr(one.event, "campaign_id", None) == campaign_id:
                found[one.envelope.id] = one
    return found


def chain(facts: dict[str, Decoded], last: Decoded) -> list[Decoded]:
    """Return the fact and what is behind it, as far back as it goes."""
    found = [last]
    while (cause := found[-1].envelope.causation_id) is not None:
        found.append(facts[cause])
    return found


def named(facts: Iterable[Decoded], name: str) -> list[Decoded]:
    return [one for one in facts if one.event.name == name]


async def refunded(world: World, campaign_id: str, late: int) -> tuple[dict[str, Decoded], Any]:
    """Play a missed campaign whose last pledges come late; return its facts and its pledges."""
    rows = backers(campaign_id, 20 + late)
    await world.launch_paid(campaign_id, rows[:20], goal=10_000_000, open_seconds=3)
    await world.verdict(campaign_id)
    await world.checkout.pay(campaign_id, rows[20:])
    await world.refunded(campaign_id, rows)
    for refund in await world.look.pages("payouts", f"/campaigns/{campaign_id}/refunds"):
        await world.told(campaign_id, "refund-succeeded", str(refund["refund_id"]))
    await world.told(campaign_id, "verdict-reached", campaign_id)

    async def all_published() -> dict[str, Decoded] | None:
        facts = await facts_of(world, campaign_id)
        return facts if named(facts.values(), "notice-completed") else None

    return await eventually("the end is on the topic", all_published), rows


@pytest.mark.row("S13")
async def test_a_notification_leads_back_to_the_payment(world: World) -> None:
    """Refund told ← refund made ← refund owed ← verdict ← its last pledge ← that payment."""
    facts, rows = await refunded(world, "story", late=3)
    late = {row.pledge_id for row in rows[20:]}
    verdict = named(facts.values(), "verdict-reached")[0]
    last_counted = facts[verdict.envelope.causation_id or ""]
    assert last_counted.envelope.sequence == verdict.event.pledges_sequence
    told = named(facts.values(), "backer-notified")
    of_refunds = [one for one in told if one.event.kind == "refund-succeeded"]
    assert len(of_refunds) == len(rows)
    for one in of_refunds:
        links = chain(facts, one)
        names = [link.event.name for link in links]
        assert names[:3] == ["backer-notified", "refund-succeeded", "refund-created"]
        pledge_id = links[2].event.pledge_id
        if pledge_id in late:
            assert names[3:] == ["pledge-collected", "payment-captured"]
            assert {link.event.pledge_id for link in links[1:]} == {pledge_id}
        else:
            assert names[3:] == ["verdict-reached", "pledge-collected", "payment-captured"]
            assert links[3] is verdict
    assert_one_story(facts, verdict)


def assert_one_story(facts: dict[str, Decoded], verdict: Decoded) -> None:
    """What follows from the verdict has its story, which is that of the launch."""
    launched = named(facts.values(), "campaign-launched")[0]
    story = launched.envelope.correlation_id
    assert story is not None and verdict.envelope.correlation_id == story
    follows = [f for f in facts.values() if verdict in chain(facts, f)]
    assert {one.envelope.correlation_id for one in follows} == {story}
    # Each payment is the beginning of its own story, because the platform gave it none.
    for pledge in named(facts.values(), "pledge-collected"):
        assert pledge.envelope.correlation_id == pledge.envelope.causation_id
    without = [one for one in facts.values() if not has_origin(one.envelope)]
    assert {one.event.owner() for one in without} <= {"platform"}


def has_origin(envelope: Envelope) -> bool:
    return envelope.correlation_id is not None and envelope.traceparent is not None


async def test_spans_of_two_services_are_linked(world: World) -> None:
    """The span in which funding reached the verdict is linked to by the batch of payouts."""
    await world.launch("traced", goal=10_000, open_seconds=2)
    await world.verdict("traced")
    collector = world.collector
    assert collector is not None
    made = named((await facts_of(world, "traced")).values(), "verdict-reached")[0]

    async def linked() -> bool:
        makers = [s for s in collector.named("", "funding") if s.is_context_of(trace_of(made))]
        batches = collector.named("process funding.campaigns", "payouts")
        return any(maker.span.span_id in batch.links for maker in makers for batch in batches)

    await eventually("payouts' batch links to funding's span", linked)

    async def sent() -> bool:
        published = collector.named("publish", "funding")
        makers = [s for s in collector.named("", "funding") if s.is_context_of(trace_of(made))]
        return any(maker.span.span_id in one.links for maker in makers for one in published)

    await eventually("the publishing span links to it too", sent)

    async def of_each_kind() -> bool:
        kinds = {seen.span.name.split(" ")[0] for seen in collector.spans}
        return {"PUT", "mongodb", "provider", "work", "process", "publish", "settle"} <= kinds

    await eventually("there are spans of each kind", of_each_kind)


def trace_of(fact: Decoded) -> str | None:
    return fact.envelope.traceparent


async def test_a_caller_begins_the_story_and_the_trace(world: World) -> None:
    """What a caller of HTTP brings stands in the fact, and its span is the caller's child."""
    trace = "c" * 32
    funding = world.suite.services["funding"].url
    body = {
        "creator_id": "creator-1",
        "title": "A lamp",
        "goal": {"amount": 1_000, "currency": "EUR"},
        "deadline": "2099-01-01T00:00:00Z",
        "zone": "Europe/Paris",
    }
    headers = {"X-Correlation-Id": "order:4711", "traceparent": f"00-{trace}-{'d' * 16}-01"}
    headers |= await world.suite.tokens.headers(SERVICE)
    answer = await world.look.http.put(f"{funding}/campaigns/brought", json=body, headers=headers)
    assert answer.headers["X-Correlation-Id"] == "order:4711"

    async def launched() -> Decoded | None:
        facts = await facts_of(world, "brought")
        return next(iter(named(facts.values(), "campaign-launched")), None)

    envelope = (await eventually("the launch is on the topic", launched)).envelope
    assert (envelope.correlation_id, envelope.causation_id) == ("order:4711", None)
    assert envelope.traceparent is not None and trace in envelope.traceparent


async def told_of(world: World, campaign_id: str, *options: str) -> tuple[int, str, str]:
    """Run `python -m infra.story` as a person would who knows the servers and the prefix."""
    addresses = world.suite.addresses
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.story", *options, campaign_id),
        cwd=ROOT,
        env=os.environ
        | {
            "SOSST_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka_bootstrap_servers,
            "SOSST_MONGODB_URI": addresses.mongodb_uri,
            "TOPIC_PREFIX": world.suite.prefix,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, output.decode(), errors.decode()


async def test_the_story_tells_every_fact_of_the_campaign_once(world: World) -> None:
    """The set of what it prints is the set of what stands on the topics, repeats told once."""
    rows = backers("once", 8)
    await world.launch("once", goal=10_000_000, open_seconds=3)
    records = await world.checkout.charge("once", rows)
    await world.checkout.tell([*records, *records])
    await world.refunded("once", rows)
    await world.told("once", "verdict-reached", "once")
    for refund in await world.look.pages("payouts", "/campaigns/once/refunds"):
        await world.told("once", "refund-succeeded", str(refund["refund_id"]))

    async def all_read() -> tuple[list[dict[str, Any]], set[str]] | None:
        before = await facts_of(world, "once", REGISTRY.topics())
        code, output, errors = await told_of(world, "once", "--json")
        assert (code, errors) == (0, "")
        lines = [json.loads(line) for line in output.splitlines()]
        behind = [line for line in lines if line["kind"] == "reader" and line["behind"]]
        left = [line for line in lines if line["kind"] == "outbox" and line["rows"]]
        # What falls due is told later than what it follows from: a letter is asked for.
        after = await facts_of(world, "once", REGISTRY.topics())
        return None if behind or left or before.keys() != after.keys() else (lines, set(after))

    lines, on_topics = await eventually("everybody has read everything", all_read)
    facts = [line for line in lines if line["kind"] == "fact"]
    assert Counter(line["id"] for line in facts) == Counter(on_topics)
    # An instant is a millisecond: within one, a fact stands above what follows from it.
    instants = [f["time"][: len("2026-03-01T12:00:00.000")] for f in facts]
    assert instants == sorted(instants)
    assert facts[0]["type"] == "sosst.funding.campaign-launched.v1"
    groups = {line["group"] for line in lines if line["kind"] == "reader"}
    assert {"payouts-funding-campaigns", "notifier-payouts-refunds"} <= groups
    assert [line["service"] for line in lines if line["kind"] == "not_asked"]
    code, text, _ = await told_of(world, "once")
    assert code == 0 and text.count("refund-succeeded") >= len(rows)


async def test_the_story_says_what_stands_in_the_way(world: World) -> None:
    """A payment that belongs to another pledge is set aside, and the verdict waits for somebody."""
    [record] = await world.checkout.charge("blocked", backers("blocked", 1))
    payment = decode(record)
    assert isinstance(payment, Decoded)
    other = payment.event.model_copy(update={"pledge_id": "somebody-elses"})
    contradiction = Draft(other, payment.envelope.time, identity="contradiction").seal()
    # Charged before the clock of the campaign runs: both are to be heard before its verdict.
    await world.launch("blocked", goal=10_000, open_seconds=5)
    await world.checkout.tell([record])
    await world.checkout.tell([contradiction])
    urls = {name: service.url for name, service in world.suite.services.items()}
    token = await world.suite.tokens.token(STAFF)
    place = Place(world.suite.addresses, world.suite.prefix, urls)

    async def waits() -> bool:
        lines = [line async for line in waiting(place, "blocked", token)]
        return any(line.fields.get("name") == "set-aside" for line in lines)

    await eventually("the verdict waits for the set-aside fact", waits)
    nobody = [line.text async for line in waiting(place, "blocked", None)]
    assert len(nobody) == 2 and all(
        "not asked" in text and "STORY_TOKEN" in text for text in nobody
    )
    code, text, _ = await told_of(world, "blocked")
    assert code == 0 and "SET ASIDE: payment-conflict" in text


async def test_a_campaign_that_nobody_knows_is_one_line(world: World) -> None:
    """Exit code 1 and nothing on standard output."""
    code, output, errors = await told_of(world, "nobody's")
    assert (code, output, errors.count("\n")) == (1, "", 1) and "nobody's" in errors
