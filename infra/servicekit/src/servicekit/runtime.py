"""The parts that every service is put together from; a service's `app.py` adds its own."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic

import structlog
from fastapi import FastAPI

from servicekit import metrics, relay, traces, work
from servicekit.access import Guard, guarded_routes
from servicekit.auth import TokenVerifier
from servicekit.backlog import Backlog
from servicekit.certificates import Certificates, certificate_files
from servicekit.clock import DatabaseClock
from servicekit.consume import BatchConsumer, Subscription
from servicekit.dispatch import Lane
from servicekit.errors import DependencyAway
from servicekit.health import Check, Health
from servicekit.issuer_keys import PublishedKeys
from servicekit.kafka import KafkaConnection
from servicekit.loops import Loop, Pulse, Pulses, pause
from servicekit.mongo import Database, Session
from servicekit.outbox import MongoOutboxQueue
from servicekit.own_topics import OwnTopics, own_topics
from servicekit.problems import MeasureRequests, install_problems
from servicekit.process import Process
from servicekit.publish import KafkaPublisher
from servicekit.recovery import RecoverRequired, RecoveryGuard, RecoveryMark, ServiceRecovery
from servicekit.relay import Relay
from servicekit.requests import TellCauses
from servicekit.schema import Schema, SchemaOutdated, check_version
from servicekit.secret_files import first_line
from servicekit.settings import ServiceSettings
from servicekit.subscribe import TopicSubscriber
from servicekit.sweeps import Sweep, run_sweep
from servicekit.switches import Known, Switches, pause_of
from servicekit.units import Left, MongoUnitsOfWork, Plumbing, U
from servicekit.work import Claim, KeptFree, MongoWorkQueue, Worker

log = structlog.get_logger()

# Set by whoever builds an image; the same for all services, so without their prefixes.
REVISION = "SOSST_REVISION"
UNKNOWN = "unknown"
ROLES = frozenset({"api", "consume", "relay", "sweep", "work"})
KAFKA_GRACE_SECONDS = 120.0
CLOCK_SECONDS = 10.0
# A process of all roles is woken by whatever it commits itself: it polls for what another one left
# behind when it ended, and for what falls due later. One of some roles polls more often.
RELAY_POLL_SECONDS = 1.0
WORK_POLL_SECONDS = 0.5


class Runtime(Generic[U]):
    """Connections, clock, units of work and loops of one process of one service."""

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        schema: Schema,
        bind: Callable[[Database, Session, Plumbing], U],
        roles: Collection[str] = ROLES,
    ) -> None:
        self.service = service
        self.settings = settings
        self.schema = schema
        self._roles = frozenset(roles)
        self.database = Database.connect(
            first_line(settings.mongodb_uri), settings.mongodb_database, service
        )
        self.clock = DatabaseClock(self.database)
        self.connection = KafkaConnection(
            settings.kafka_bootstrap_servers,
            f"{service}-{settings.instance_id}",
            settings.topic_prefix,
            settings.kafka_security(),
        )
        self.publisher = KafkaPublisher(self.connection)
        self.outbox = MongoOutboxQueue(self.database)
        alone = self._roles == ROLES
        self.relay = Relay(
            self.outbox, self.publisher, RELAY_POLL_SECONDS if alone else relay.POLL_SECONDS
        )
        self.work_poll_seconds = WORK_POLL_SECONDS if alone else work.POLL_SECONDS
        self.work = MongoWorkQueue(self.database)
        self.units: MongoUnitsOfWork[U] = MongoUnitsOfWork(
            self.database,
            self.clock,
            lambda session, plumbing: bind(self.database, session, plumbing),
            on_commit=self._committed,
            outbox_pages=settings.outbox_pages,
        )
        keys = PublishedKeys(settings.auth_jwks_url, refresh_seconds=settings.auth_keys_seconds)
        self.guard = Guard(TokenVerifier(settings.auth_issuer, settings.auth_audience, keys))
        self.switches = Switches(self.database, self.clock)
        self.own_topics = OwnTopics(
            own_topics(service), self.connection, self.database, pages=settings.outbox_pages
        )
        self.recovery_mark = RecoveryMark(self.database)
        self.subscriptions: list[Subscription[U]] = []
        self.service_recovery = ServiceRecovery()
        self._recovery = RecoveryGuard(service, self.own_topics, self.recovery_mark)
        # What `check` asks beside the servers, each with what it says of whom it found there.
        self.outside_checks: dict[str, Callable[[], Awaitable[str | None]]] = {}
        self._pulses = Pulses()
        self._workers: dict[str, Worker] = {}
        self._nudges: list[Callable[[], None]] = []
        self._guards: list[Callable[[], Awaitable[None]]] = []
        self._loops: list[Loop] = [Loop("clock", self._keep_clock)]
        backlog = Backlog(self.database, self.outbox, self.work, self._workers.keys())
        self._loops.append(Loop("secrets", settings.secret_files.stop_when_changed))
        certificates = Certificates(certificate_files(settings))
        self._loops.append(Loop("certificates", certificates.run))
        self._loops.append(Loop("backlog", backlog.run))
        self._loops.append(Loop("switches", self.switches.run))
        self._loops.append(Loop("recovery", self._recovery.leave_when_begun))
        self._closing: list[Callable[[], Awaitable[Any]]] = [self.publisher.close]
        self._kafka_deadline = time.monotonic() + KAFKA_GRACE_SECONDS
        if "relay" in self._roles:
            self._loops.append(Loop("relay", self.relay.run))
        if "api" in self._roles:
            self._loops.append(Loop("issuer keys", keys.run))

    def subscribe(self, subscription: Subscription[U]) -> None:
        """Read one topic as one group (role `consume`); other groups may read the same one."""
        self.subscriptions.append(subscription)
        switch = pause_of(subscription.topic)
        self.switches.declare(Known(switch, f"stops reading {subscription.topic}"))
        if "consume" not in self._roles:
            return
        name = f"consume {subscription.topic} as {subscription.group}"

        async def run(pulse: Pulse, stopping: asyncio.Event) -> None:
            consumer = BatchConsumer(subscription, self.units, self.clock, pulse)
            subscriber = TopicSubscriber(
                consumer,
                self.connection,
                self.settings.instance_id,
                self.settings.topic_retry_seconds,
                paused=lambda: self.switches.on(switch) is not None,
            )
            await subscriber.run(pulse, stopping)

        self._loops.append(Loop(name, run))

    def sweep(self, sweep: Sweep) -> None:
        """Repeat timed work (role `sweep`)."""
        if "sweep" in self._roles:
            self._loops.append(
                Loop(f"sweep {sweep.name}", lambda p, s: run_sweep(sweep, self.clock, p, s))
            )

    def worker(
        self,
        kind: str,
        perform: Callable[[Claim], Awaitable[None]],
        *,
        concurrency: int,
        lease_seconds: float,
        lane: Lane | None = None,
        kept_free: KeptFree | None = None,
    ) -> None:
        """Perform claimed work (role `work`); woken by every offer of this process.

        In the lane of a dispatcher where one is given, else as fast as it goes. Of the places of
        `concurrency` some may be `kept_free` for what is urgent.
        """
        if "work" not in self._roles:
            return
        worker = Worker(
            lane or self.work,
            kind,
            perform,
            self.clock,
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            poll_seconds=self.work_poll_seconds,
            kept_free=kept_free,
        )
        self._workers[kind] = worker
        if lane is not None:
            lane.wakes(worker.nudge)
        self.when_offered(worker.nudge)
        self._loops.append(Loop(f"work {kind}", worker.run))

    def when_offered(self, nudge: Callable[[], None]) -> None:
        """Call this whenever a commit of this process offered work."""
        self._nudges.append(nudge)

    def loop(self, role: str, loop: Loop) -> None:
        """Run a loop of the service's own, under one of the roles."""
        if role in self._roles:
            self._loops.append(loop)

    def recover_with(self, recovery: ServiceRecovery) -> None:
        """Say what the command `recover` does for this service beyond what it does for all."""
        self.service_recovery = recovery

    def before_start(self, guard: Callable[[], Awaitable[None]]) -> None:
        """Run a check before any loop begins; if it raises, the process stops itself."""
        self._guards.append(guard)

    def on_close(self, close: Callable[[], Awaitable[Any]]) -> None:
        self._closing.append(close)

    def process(self, api: FastAPI) -> Process:
        """Return the process, ready to `run()`; raises for a route without a rule of access."""
        list(guarded_routes(api))
        ours, contracts = (_version(f"sosst-{name}") for name in (self.service, "contracts"))
        metrics.BUILD_INFO.labels(ours, os.environ.get(REVISION, UNKNOWN), contracts).set(1)
        install_problems(api)
        api.add_middleware(self._recovery.in_front_of)
        api.add_middleware(MeasureRequests)
        if self.settings.otlp_endpoint:
            traces.export_to(self.settings.otlp_endpoint, self.service, self.settings.instance_id)
            self._closing.append(traces.close)
        ready = self.ready_checks() | {"recovery": self._recovery.check}
        return Process(
            health=Health(self._pulses, ready=ready, started=self._start_checks()),
            pulses=self._pulses,
            host=self.settings.http_host,
            http_port=self.settings.http_port,
            health_port=self.settings.health_port,
            api=TellCauses(api) if "api" in self._roles else None,
            prepare=self._prepare,
            cleared=self._cleared,
            loops=self._loops,
            closing=self._closing,
        )

    def ready_checks(self) -> dict[str, Check]:
        return {"mongodb": self.database.ping, "schema": self._check_schema}

    async def check_own_topics(self) -> None:
        """Return when `recover` is not required; changes nothing."""
        if await self.recovery_mark.unfinished():
            raise RecoverRequired("a recovery was begun and not finished: run recover")
        comparison = await self.own_topics.compare(whole=False)
        if comparison.unexplained:
            raise RecoverRequired(f"{comparison.unexplained[0].topic} is ahead: run recover")

    async def check_kafka(self) -> None:
        """Return when a broker answers; raise `DependencyAway` otherwise."""
        await self.connection.missing_topics([])

    def _start_checks(self) -> dict[str, Check]:
        return self.ready_checks() | {"kafka": self._kafka_reached_or_grace_over}

    async def _check_schema(self) -> None:
        try:
            await check_version(self.database, self.schema)
        except SchemaOutdated:
            metrics.MIGRATIONS_PENDING.set(1)
            raise
        metrics.MIGRATIONS_PENDING.set(0)

    async def _kafka_reached_or_grace_over(self) -> None:
        # The outbox makes the service useful without Kafka, so its absence delays a start only.
        if time.monotonic() < self._kafka_deadline:
            await self.check_kafka()

    async def _prepare(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._check_schema()
                await self.clock.synchronise()
                await self._recovery.look()
                await self.switches.read()
                break
            except (DependencyAway, SchemaOutdated) as error:
                log.warning("waiting to begin", error=str(error))
                await pause(stopping, 1.0)
        for guard in self._guards:
            await guard()

    async def _cleared(self, stopping: asyncio.Event) -> None:
        """Return once the loops may run, under the switches as they are by then."""
        await self._recovery.cleared(stopping)
        while not stopping.is_set():
            try:
                return await self.switches.read()
            except DependencyAway as error:
                log.warning("waiting to begin", error=str(error))
                await pause(stopping, 1.0)
        return None

    def _committed(self, left: Left) -> None:
        if left.facts:
            self.relay.nudge()
        if left.work:
            for nudge in self._nudges:
                nudge()

    async def _keep_clock(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            pulse.beat()
            try:
                skew = await self.clock.synchronise()
                metrics.CLOCK_SKEW.set(skew.total_seconds())
            except DependencyAway as error:
                log.warning("clock not synchronised", error=repr(error))
            await pause(stopping, CLOCK_SECONDS)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return UNKNOWN
