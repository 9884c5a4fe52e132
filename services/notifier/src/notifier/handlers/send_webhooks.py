"""Sending facts to endpoints: each under a lease, in the feed's order, until one is not taken.

An endpoint waits for nobody else. What was sent and not yet noted is sent again after a crash,
with the id and the body that it had.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from notifier.domain.webhook_endpoint import (
    SendOutcome,
    WebhookEndpoint,
    delivered,
    failed,
    next_attempt,
)
from notifier.handlers.endpoint_owner import tell_owner
from notifier.handlers.webhook_endpoints import webhook_work
from notifier.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_ENDPOINTS
from notifier.ports.unit import NotifierUnit
from notifier.ports.webhooks import (
    EndpointQueries,
    Feed,
    FeedFact,
    SentFacts,
    WebhookSecrets,
    WebhookSender,
)
from servicekit.clock import Clock
from servicekit.errors import Conflict, DependencyAway
from servicekit.loops import Pulse, pause
from servicekit.switches import Switch
from servicekit.units import UnitsOfWork
from servicekit.work import Claim

log = structlog.get_logger()

PAGE = 200
# So many are sent again at most after a crash.
NOTED_TOGETHER = 20
# An endpoint that has everything is woken by new facts, and looks by itself this seldom.
IDLE = timedelta(seconds=30)
PAUSED = timedelta(seconds=5)
# One page is sent for so long, so that a process that ends has not to wait for a slow receiver.
SENDING = timedelta(seconds=5)
LOOK_SECONDS = 1.0

# The switch that holds now, if any.
Paused = Callable[[], Switch | None]


@dataclass(slots=True)
class _Progress:
    """How far one attempt has come since it was last noted."""

    endpoint: WebhookEndpoint
    cursor: dict[tuple[str, int], int]
    sent: list[FeedFact] = field(default_factory=list)

    def pass_over(self, fact: FeedFact) -> None:
        self.cursor[fact.topic, fact.partition] = fact.offset + 1


@dataclass(frozen=True, slots=True)
class SendWebhooks:
    """Performs work of the kind `webhook`: one page of the feed for one endpoint."""

    units: UnitsOfWork[NotifierUnit]
    feed: Feed
    sender: WebhookSender
    secrets: WebhookSecrets
    sent_facts: SentFacts
    clock: Clock
    given_up_after: timedelta
    paused: Paused

    async def __call__(self, claim: Claim) -> None:
        endpoint = await self._enabled(claim)
        if endpoint is None:
            return
        if self.paused() is not None:
            await self._rest(claim, PAUSED)
            return
        page = await self.feed.page(endpoint.cursor, PAGE)
        if not page:
            await self._rest(claim, IDLE)
            return
        try:
            await self._send_page(claim, _Progress(endpoint, dict(endpoint.cursor)), page)
        except Conflict:
            # Its owner changed it meanwhile: go on as it is now.
            await self._rest(claim, timedelta())

    async def _enabled(self, claim: Claim) -> WebhookEndpoint | None:
        """Return the endpoint to send to; the work of one that is sent nothing ends."""

        async def work(unit: NotifierUnit) -> WebhookEndpoint | None:
            endpoint = await unit.endpoints.load(claim.item.payload["endpoint_id"])
            if endpoint is not None and endpoint.is_enabled:
                return endpoint
            if endpoint is not None:
                # A write, so that whoever enables it meanwhile, and finds this work, conflicts.
                await unit.endpoints.save(endpoint)
            await unit.plumbing.work.finish([claim])
            return None

        return await self.units.run(work)

    async def _send_page(self, claim: Claim, progress: _Progress, page: Sequence[FeedFact]) -> None:
        until = self.clock.now() + SENDING
        for fact in page:
            if self.clock.now() >= until:
                break
            outcome = await self._send(progress, fact)
            if outcome is not None and outcome is not SendOutcome.DELIVERED:
                await self._fail(claim, progress, fact, outcome)
                return
            progress.pass_over(fact)
            if outcome is SendOutcome.DELIVERED:
                progress.sent.append(fact)
            if len(progress.sent) >= NOTED_TOGETHER:
                await self._note(claim, progress)
        await self._note(claim, progress)
        await self._rest(claim, timedelta())

    async def _send(self, progress: _Progress, fact: FeedFact) -> SendOutcome | None:
        """Return what came of it, None where the fact is not for this endpoint."""
        endpoint = progress.endpoint
        if fact.body is None or not endpoint.wanted.takes(fact.campaign_id, fact.type_name):
            return None
        if fact.fact_id in endpoint.sent_before:
            left = endpoint.sent_before - {fact.fact_id}
            progress.endpoint = replace(endpoint, sent_before=left)
            return None
        made = [self.secrets.secret(endpoint.endpoint_id, one) for one in endpoint.secrets]
        known = [secret for secret in made if secret is not None]
        if not known:
            log.error("no key makes a secret of this endpoint", endpoint=endpoint.endpoint_id)
            return SendOutcome.REFUSED
        outcome = await self.sender.send(endpoint.url, fact, known, self.clock.now())
        WEBHOOK_ATTEMPTS.labels(outcome.value).inc()
        return outcome

    async def _note(self, claim: Claim, progress: _Progress) -> None:
        """Save how far it came; the endpoint is ours as long as the claim is."""
        if progress.sent:
            await self.sent_facts.tell(progress.endpoint, progress.sent, self.clock.now())
        progress.endpoint = await self._save(claim, delivered(progress.endpoint, progress.cursor))
        progress.sent = []

    async def _save(self, claim: Claim, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        async def work(unit: NotifierUnit) -> None:
            await unit.plumbing.work.confirm([claim])
            await unit.endpoints.save(endpoint)

        await self.units.run(work)
        return replace(endpoint, version=endpoint.version + 1)

    async def _fail(
        self, claim: Claim, progress: _Progress, fact: FeedFact, outcome: SendOutcome
    ) -> None:
        if progress.sent:
            # What was taken before ends an earlier failure: this one is the first of its own.
            await self._note(claim, progress)
        now = self.clock.now()
        moved = replace(progress.endpoint, cursor=dict(progress.cursor))
        endpoint = failed(moved, outcome, now, self.given_up_after)
        log.warning(
            "webhook not taken",
            endpoint=endpoint.endpoint_id,
            outcome=outcome.value,
            failures=endpoint.failures,
        )

        async def work(unit: NotifierUnit) -> None:
            await unit.endpoints.save(endpoint)
            if endpoint.is_enabled:
                await unit.plumbing.work.postpone(claim, next_attempt(endpoint, now))
            else:
                await unit.plumbing.work.finish([claim])
                await tell_owner(unit, endpoint, fact, now)

        await self.units.run(work)
        if not endpoint.is_enabled:
            log.error(
                "webhook endpoint disabled",
                endpoint=endpoint.endpoint_id,
                because=endpoint.disabled_because,
            )
            await self.sent_facts.tell_failed(endpoint, fact, now)

    async def _rest(self, claim: Claim, so_long: timedelta) -> None:
        due = self.clock.now() + so_long
        await self.units.run(lambda unit: unit.plumbing.work.postpone(claim, due))


@dataclass(frozen=True, slots=True)
class WakeEndpoints:
    """Wakes endpoints that have everything as soon as the feed grows; measures them all."""

    units: UnitsOfWork[NotifierUnit]
    queries: EndpointQueries
    feed: Feed
    clock: Clock

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Look until `stopping` is set."""
        seen: object = None
        while not stopping.is_set():
            pulse.beat()
            try:
                seen = await self.look(seen)
            except (DependencyAway, Conflict) as error:
                log.warning("endpoints are woken later", error=repr(error))
            await pause(stopping, LOOK_SECONDS)

    async def look(self, seen: object) -> object:
        """Wake whoever waits if the feed ends elsewhere than it did; return where it ends."""
        states = await self.queries.states()
        for state, count in states.items():
            WEBHOOK_ENDPOINTS.labels(state).set(count)
        if not states["enabled"]:
            # Nobody waits: the brokers are not asked.
            return None
        end = await self.feed.end()
        if end != seen:
            now = self.clock.now()
            items = [webhook_work(one, now) for one in await self.queries.awaiting()]

            async def work(unit: NotifierUnit) -> None:
                # Work that is there stays as it is; what a crash or a backup lost is there again.
                await unit.plumbing.work.offer(items)
                await unit.plumbing.work.hasten([item.id for item in items], now)

            await self.units.run(work)
        return end
