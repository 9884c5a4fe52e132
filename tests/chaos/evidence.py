"""What the four databases hold at one moment, read from outside in an order that is fair.

Sequences are read before the outbox, and both before the topics: a fact that left the outbox
between the readings stands on its topic by then. A chunk is read as done before the topic that
must hold its notifications.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from contracts.tools.folders import HERE
from contracts.tools.topic_files import read_topic_files
from infra.suite import Suite
from infra.suite.suite import SERVICES
from payouts.adapters.mongo_stores import BOOKS, REFUNDS, STAGES, block_from
from payouts.domain.book import Book
from payouts.domain.chain import verify
from payouts.domain.refund import Refund
from payouts.domain.stage import Stage
from servicekit.errors import DependencyAway
from servicekit.outbox import rows_of
from tests.chaos.history import Stream

Document = dict[str, Any]
TIMEOUT_MILLISECONDS = 3_000


@dataclass(frozen=True, slots=True)
class Group:
    """One reader of a topic: its position counts for every key of the topic."""

    service: str
    name: str
    topic: str


@dataclass
class Evidence:
    """One look at all databases.

    `sequences` and `waiting` are by service: the last sequence given out for a stream, and the
    facts that still stand in the outbox. `chunks` are those that notifier calls done.
    """

    sequences: dict[str, dict[Stream, int]] = field(default_factory=dict)
    waiting: dict[str, set[tuple[Stream, int]]] = field(default_factory=dict)
    set_aside: dict[str, list[str]] = field(default_factory=dict)
    positions: dict[Group, dict[str, int]] = field(default_factory=dict)
    chunks: dict[str, set[str]] = field(default_factory=dict)
    causes: dict[str, Document] = field(default_factory=dict)
    projects: dict[str, Document] = field(default_factory=dict)
    verdicts: dict[str, Document] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    broken_chains: dict[str, list[str]] = field(default_factory=dict)
    refunds: dict[str, list[Refund]] = field(default_factory=dict)
    stages: dict[str, list[Stage]] = field(default_factory=dict)


def groups(services: Collection[str] = SERVICES) -> list[Group]:
    """Return every reader that the contracts name, of sequenced topics."""
    return [
        Group(reader["service"], reader["group"], file.name)
        for file in read_topic_files(HERE.topics)
        if not file.name.startswith("platform.")
        for reader in file.fields["consumers"]
        if reader["service"] in services
    ]


class Databases:
    """The databases of a suite, read with majority: what is seen can never be rolled back."""

    def __init__(self, suite: Suite, services: Collection[str] = SERVICES) -> None:
        self._services = services
        self._groups = groups(services)
        self._client: MongoClient[Document] = MongoClient(
            suite.addresses.mongodb_uri,
            tz_aware=True,
            serverSelectionTimeoutMS=TIMEOUT_MILLISECONDS,
            socketTimeoutMS=TIMEOUT_MILLISECONDS,
            connectTimeoutMS=TIMEOUT_MILLISECONDS,
        )
        majority = ReadConcern("majority")
        self._databases: Mapping[str, Database[Document]] = {
            name: self._client.get_database(suite.database(name), read_concern=majority)
            for name in SERVICES
        }
        self._checked_chains: dict[str, int] = {}

    def close(self) -> None:
        self._client.close()

    def look(self) -> Evidence:
        """Read everything; raise `DependencyAway` if a database cannot be read."""
        evidence = Evidence()
        try:
            for service in self._services:
                self._look_at_plumbing(evidence, service, self._databases[service])
            self._look_at_notifier(evidence)
            self._look_at_views(evidence)
            self._look_at_payouts(evidence)
        except PyMongoError as error:
            raise DependencyAway(f"MongoDB: {error!r}") from error
        return evidence

    def _look_at_plumbing(
        self, evidence: Evidence, service: str, database: Database[Document]
    ) -> None:
        evidence.sequences[service] = {
            _stream(row["_id"]): row["last"] for row in database["sequences"].find()
        }
        evidence.waiting[service] = {
            _place(row.id) for page in database["outbox"].find() for row in rows_of(page)
        }
        evidence.set_aside[service] = [
            f"{row['topic']} {row['key']} {row['sequence']}: {row['reason']} {row['detail']}"
            for row in database["set_aside"].find()
        ]
        for group in (group for group in self._groups if group.service == service):
            rows = database["streams"].find({"group": group.name, "topic": group.topic})
            evidence.positions[group] = {row["key"]: row["last_sequence"] for row in rows}

    def _look_at_notifier(self, evidence: Evidence) -> None:
        database = self._databases["notifier"]
        evidence.causes = {row["_id"]: row for row in database["causes"].find()}
        for row in database["chunks"].find({"state": "done"}):
            evidence.chunks.setdefault(row["cause"], set()).update(row["recipients"])

    def _look_at_views(self, evidence: Evidence) -> None:
        evidence.projects = {
            row["_id"]: row for row in self._databases["updates"]["projects"].find()
        }
        decided = self._databases["funding"]["campaigns"].find({"verdict": {"$ne": None}})
        evidence.verdicts = {row["_id"]: row["verdict"] for row in decided}

    def _look_at_payouts(self, evidence: Evidence) -> None:
        database = self._databases["payouts"]
        for row in database["books"].find():
            book = BOOKS.value(row)
            evidence.books[book.campaign_id] = book
            if findings := self._chain_findings(database, book):
                evidence.broken_chains[book.campaign_id] = findings
        for row in database["refunds"].find():
            evidence.refunds.setdefault(row["campaign_id"], []).append(REFUNDS.value(row))
        for row in database["stages"].find():
            evidence.stages.setdefault(row["campaign_id"], []).append(STAGES.value(row))

    def _chain_findings(self, database: Database[Document], book: Book) -> list[str]:
        if self._checked_chains.get(book.campaign_id) == book.version:
            return []
        rows = database["blocks"].find({"campaign_id": book.campaign_id}).sort("number", 1)
        chain = [block_from(row) for row in rows]
        # Blocks may be added behind the book that was read.
        upto = [block for block in chain if block.number <= book.head.block]
        findings = [str(finding) for finding in verify(upto, book.head, book.sealed_balances)]
        if not findings:
            self._checked_chains[book.campaign_id] = book.version
        return findings


def _stream(row_id: str) -> Stream:
    topic, _, key = row_id.partition("|")
    return topic, key


def _place(row_id: str) -> tuple[Stream, int]:
    stream, _, sequence = row_id.rpartition("|")
    return _stream(stream), int(sequence)
