"""What journeys and delivery tests share: people who pledge, and what must be true at the end."""

import asyncio
import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.database import Database

from contracts.tools.folders import HERE
from contracts.tools.topic_files import read_topic_files
from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller, creator
from infra.sandbox.mail.client import MailClient
from infra.servicekit.tests.collector import Collector
from infra.suite import Suite
from infra.suite.checkout import Checkout, Launch, PledgeRow
from infra.suite.readings import NeverHappened, Readings, eventually
from infra.suite.suite import SERVICES
from payouts.adapters.mongo_stores import BOOKS, block_from
from payouts.domain.chain import verify
from payouts.domain.ledger import check
from servicekit.kafka import KafkaConnection
from servicekit.publish import KafkaPublisher
from sosst_contracts.codec import Decoded, Draft, Record
from sosst_contracts.notifier import BackerNotified, PersonNotified
from sosst_contracts.registry import REGISTRY

CURRENCY = "EUR"
CREATOR = creator("creator-1")
TOPICS = REGISTRY.topics()
# No broker answers.
AWAY = (KafkaError, OSError, TimeoutError)
Document = dict[str, Any]
Backup = dict[str, list[Document]]


def backers(campaign_id: str, count: int) -> list[PledgeRow]:
    """Return pledges of different amounts; every tenth backer pledges twice."""
    return [
        PledgeRow(
            pledge_id=f"{campaign_id}-pledge-{number}",
            backer_id=f"{campaign_id}-backer-{number - number % 10 // 9}",
            amount=1_000 + 7 * number,
            currency=CURRENCY,
        )
        for number in range(count)
    ]


@dataclass
class World:
    """A running suite with somebody who pays and somebody who looks."""

    suite: Suite
    checkout: Checkout
    look: Readings
    collector: Collector | None = None

    async def launch(
        self,
        campaign_id: str,
        *,
        goal: int,
        open_seconds: float,
        deadline: datetime | None = None,
    ) -> None:
        await self.checkout.launch(
            Launch(campaign_id, CREATOR.subject, "A lamp", goal, CURRENCY, open_seconds), deadline
        )

    async def launch_paid(
        self, campaign_id: str, rows: Sequence[PledgeRow], *, goal: int, open_seconds: float
    ) -> None:
        """Launch a campaign whose backers have all paid in time, however busy the machine is.

        A charge is slow; its time is the provider's, so it may be made before the deadline begins.
        """
        records = await self.checkout.charge(campaign_id, rows)
        await self.launch(campaign_id, goal=goal, open_seconds=open_seconds)
        await self.checkout.tell(records)

    async def give_destination(
        self, campaign_id: str, account: str, timeout_seconds: float = 60
    ) -> None:
        """Say as the creator where the money goes, once payouts knows whose campaign it is."""
        path = f"/campaigns/{campaign_id}/destination"
        body = {"provider": "sandbox", "account": account}

        async def given() -> bool:
            response = await self.look.ask("PUT", "payouts", path, caller=CREATOR, body=body)
            if response.status_code == 404:
                return False
            response.raise_for_status()
            return True

        await eventually(f"the destination of {campaign_id} is given", given, timeout_seconds)

    async def verdict(self, campaign_id: str) -> dict[str, object]:
        """Wait for the verdict and return it."""

        async def decided() -> dict[str, object] | None:
            campaign = await self.look.get("funding", f"/campaigns/{campaign_id}")
            return campaign["verdict"] if campaign else None

        return await eventually(f"verdict of {campaign_id}", decided)

    async def tell_by_http(self, campaign_id: str, records: Sequence[Record]) -> None:
        """Tell funding of captured payments over HTTP instead of the topic."""
        path = f"/campaigns/{campaign_id}/payments"

        async def tell(record: Record) -> None:
            fact = json.loads(record.value or b"{}")
            money = {"amount": fact.pop("amount"), "currency": fact.pop("currency")}
            del fact["campaign_id"]
            body = {"status": "captured", "money": money, **fact}
            response = await self.look.ask("POST", "funding", path, caller=SERVICE, body=body)
            response.raise_for_status()

        await asyncio.gather(*(tell(record) for record in records))

    @contextmanager
    def database(self, service: str) -> Iterator[Database[Document]]:
        """Look into a service's own database."""
        client: MongoClient[Document]
        with MongoClient(self.suite.mongodb_uri, tz_aware=True) as client:
            yield client[self.suite.database(service)]

    def back_up(self, service: str) -> Backup:
        """Copy every collection of a service that does not run, as mongodump does."""
        with self.database(service) as database:
            return {name: list(database[name].find()) for name in database.list_collection_names()}

    def restore(self, service: str, backup: Backup) -> None:
        """Put a service's database back to where it was."""
        with self.database(service) as database:
            for name in database.list_collection_names():
                database[name].delete_many({})
            for name, documents in backup.items():
                if documents:
                    database[name].insert_many(documents)

    def recover(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a service's own `recover` to its end, which waits out what is away meanwhile."""
        words = ("recover", "--by", "sre-1", "--why", "the disk was lost", *arguments)
        command = self.suite.services[service].command(*words)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)

    def document(self, service: str, collection: str, document_id: str) -> Document | None:
        """Return a document of a service's own database."""
        with self.database(service) as database:
            return database[collection].find_one({"_id": document_id})

    async def republish(
        self, topic: str, draw: Random, *, key: str | None = None, times: int = 1
    ) -> None:
        """Publish what stands on a topic (of one key) once more, or more often, and shuffled."""
        facts = [fact for fact in await self.look.events(topic) if key in (None, fact.key)]
        records = [told_again(fact).seal(fact.envelope.sequence) for fact in facts] * times
        draw.shuffle(records)
        publisher = KafkaPublisher(self._connection())
        try:
            while not all(await publisher.publish(records)):
                pass  # What was acknowledged comes once more, which is the same to everybody.
        finally:
            await publisher.close()

    async def everything_read(self, *services: str) -> None:
        """Wait until every group (of some services) has committed all that stands on its topics."""

        topics = {
            reader["group"]: file.name
            for file in read_topic_files(HERE.topics)
            for reader in file.fields["consumers"]
            if not services or reader["service"] in services
        }

        async def caught_up() -> bool:
            try:
                ends = await self.look.ends(list(dict.fromkeys(topics.values())))
                committed = await self.look.committed(list(topics))
            except AWAY:
                # A broker that answers nobody just now may have been started anew.
                return False
            return all(
                committed[group].get(TopicPartition(self.suite.topic(topic), number), 0) >= end
                for group, topic in topics.items()
                for number, end in ends[topic].items()
            )

        await eventually("everything is read", caught_up)

    async def at_rest(self) -> dict[str, int]:
        """Wait until all is told and read, and nothing came of that; return each topic's records.

        Nothing is ever deleted from the topics of a suite. What falls due later is not waited for.
        """

        async def resting() -> dict[str, int] | None:
            try:
                before = await self._held()
                await self.everything_read()
                told = not any(self.outbox_rows(service) for service in SERVICES)
                return before if told and await self._held() == before else None
            except AWAY:
                return None

        return await eventually("nothing is on its way", resting, 120)

    def outbox_rows(self, service: str) -> int:
        """Return how many documents of facts a service has yet to hand to the broker."""
        with self.database(service) as database:
            return database["outbox"].count_documents({})

    async def _held(self) -> dict[str, int]:
        """Return how many records each topic holds."""
        ends = await self.look.ends(TOPICS)
        return {topic: sum(places.values()) for topic, places in ends.items()}

    def _connection(self) -> KafkaConnection:
        return self.suite.connection("world")

    async def refund_is(self, campaign_id: str, state: str) -> None:
        """Wait until some refund of the campaign is in a state."""

        async def reached() -> bool:
            money = await self.look.get("payouts", f"/campaigns/{campaign_id}/money")
            return money is not None and state in money["refunds"]

        await eventually(f"a refund of {campaign_id} is {state}", reached)

    async def counted(self, campaign_id: str, rows: Sequence[PledgeRow]) -> None:
        """Wait until funding has counted all rows."""

        async def all_counted() -> bool:
            campaign = await self.look.get("funding", f"/campaigns/{campaign_id}")
            return campaign is not None and campaign["figures"]["count"] == len(rows)

        await eventually(f"{len(rows)} pledges counted in {campaign_id}", all_counted)

    async def backers_known(self, campaign_id: str, rows: Sequence[PledgeRow]) -> list[str]:
        """Wait until updates knows everybody who pledged; return them."""
        people = sorted({row.backer_id for row in rows})

        async def all_known() -> bool:
            project = await self.look.get("updates", f"/campaigns/{campaign_id}", caller=None)
            return project is not None and project["backers"] == len(people)

        await eventually(f"updates knows who backs {campaign_id}", all_known)
        return people

    async def refunded(self, campaign_id: str, rows: Sequence[PledgeRow]) -> None:
        """Wait until every pledge is returned; else say how far it came."""
        seen: Document = {}

        async def all_returned() -> bool:
            money = await self.look.get("payouts", f"/campaigns/{campaign_id}/money")
            seen.update(money or {"refunds": {}})
            return bool(seen["refunds"].get("succeeded", {"count": 0})["count"] == len(rows))

        what = f"{len(rows)} refunds of {campaign_id}"
        try:
            await eventually(what, all_returned, 120 + len(rows))
        except NeverHappened:
            raise NeverHappened(f"{what}: {seen.get('refunds')}") from None

    async def until_known(self, service: str, path: str, *, caller: Caller = STAFF) -> None:
        """Wait until a service has heard of what stands at the path."""

        async def known() -> bool:
            return await self.look.get(service, path, caller=caller) is not None

        await eventually(f"{service} knows {path}", known)

    async def stage_is(self, campaign_id: str, number: int, state: str) -> dict[str, object]:
        """Wait until a stage has come to a state and return it; else say what keeps it."""
        seen: dict[str, object] = {}

        async def reached() -> bool:
            found = await self.look.get("payouts", f"/campaigns/{campaign_id}/stages")
            stages = found["stages"] if found else []
            seen.update(next((one for one in stages if one["stage"] == number), {}))
            return seen.get("state") == state

        what = f"stage {number} of {campaign_id} {state}"
        try:
            await eventually(what, reached)
        except NeverHappened:
            raise NeverHappened(f"{what}: {seen}") from None
        return seen

    async def told(self, campaign_id: str, kind: str, subject: str) -> dict[str, object]:
        """Wait until everybody has an outcome for a cause and return its totals."""

        async def complete() -> dict[str, object] | None:
            notice = await self.look.get(
                "notifier", f"/campaigns/{campaign_id}/notices/{kind}/{subject}"
            )
            return notice if notice and notice["complete"] else None

        return await eventually(f"{kind} of {campaign_id} told", complete)

    async def notifications(self) -> dict[str, set[tuple[str, str]]]:
        """Return the backers' (recipient, notification id) by cause; repeats are one."""
        told: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for event in [e.event for e in await self.look.events("notifier.notifications")]:
            if isinstance(event, BackerNotified):
                told[event.cause].add((event.recipient_id, event.notification_id))
        return told

    async def told_in_roles(self, cause: str, expected: Set[tuple[str, str]]) -> None:
        """Wait until these (role, person) are told of a cause beside its backers, nobody twice."""

        async def all_told() -> bool:
            events = [fact.event for fact in await self.look.events("notifier.notifications")]
            told = {
                (one.role, one.recipient_id, one.notification_id)
                for one in events
                if isinstance(one, PersonNotified) and one.cause == cause
            }
            people = {(role, person) for role, person, _ in told}
            assert len(told) == len(people), f"somebody is told twice of {cause}: {told}"
            return expected <= people

        await eventually(f"{sorted(expected)} are told of {cause}", all_told)

    async def link_in_mail(self, address: str, path: str) -> str:
        """Wait for a mail to the address that leads to the path; return the link of the last."""
        assert self.suite.mail is not None
        mailbox = MailClient(self.suite.mail.url)

        async def link() -> str | None:
            for one in reversed(await mailbox.mails(address)):
                text = (await mailbox.mail(one["number"])).get_body(("plain",))
                words = text.get_content() if text is not None else ""
                if found := re.findall(rf"http\S+{re.escape(path)}\?link=\S+", words):
                    return str(found[0])
            return None

        return await eventually(f"a mail leads {address} to {path}", link)

    async def assert_provider_returned(self, campaign_id: str, rows: Sequence[PledgeRow]) -> None:
        """By the provider's own book, every pledge went back once, to the unit."""
        charges = (await self.suite.provider.book())["charges"].values()
        ours = {
            charge["metadata"]["pledge_id"]: charge["refunded"]
            for charge in charges
            if charge["metadata"].get("campaign_id") == campaign_id
        }
        assert ours == {row.pledge_id: row.amount for row in rows}

    def assert_books_true(self) -> None:
        """I1, I2 and I4 hold for every book, and its chain ends where the book says."""
        with self.database("payouts") as database:
            for row in database["books"].find():
                book = BOOKS.value(row)
                check(book.balances)
                blocks = database["blocks"].find({"campaign_id": book.campaign_id})
                chain = [block_from(block) for block in blocks.sort("number", 1)]
                upto = [block for block in chain if block.number <= book.head.block]
                assert verify(upto, book.head, book.sealed_balances) == ()


@asynccontextmanager
async def opened(suite: Suite, *services: str) -> AsyncIterator[World]:
    """A suite, or some services of it, that runs for as long as the world is looked at."""
    world = World(suite, Checkout(suite), Readings(suite))
    try:
        await suite.start(*services)
        yield world
    finally:
        await world.checkout.close()
        await world.look.close()
        await suite.stop()
        await suite.provider.http.aclose()


def told_again(fact: Decoded) -> Draft:
    """Return the draft that makes the very same record again."""
    envelope = fact.envelope
    return Draft(
        fact.event,
        envelope.time,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.causation_id,
        traceparent=envelope.traceparent,
    )


def assert_everybody_told_once(told: set[tuple[str, str]], people: Sequence[str]) -> None:
    """The set of notification ids is the set of people: one id each, none missing."""
    assert Counter(recipient for recipient, _ in told) == Counter(set(people))
    assert len({notification for _, notification in told}) == len(set(people))
