"""Looks at a suite from outside again and again: the provider's book, the topics, the databases.

During a run whatever cannot be read is left out of that look; a run in which nothing could be read
is a finding of its own. At the end everything is read until all of it is as it must be, or until
nothing has changed for too long; then the findings of the last look are the answer.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import httpx

from infra.suite.suite import SERVICES
from servicekit.errors import DependencyAway
from tests.chaos import rules
from tests.chaos.evidence import Databases, Evidence
from tests.chaos.findings import Finding
from tests.chaos.played import Played
from tests.chaos.watch import TopicWatch
from tests.world import World

LOOK_SECONDS = 1.0
# Leases, pauses between attempts and rebalances are over long before nothing moved for so long.
STILL_SECONDS = 60.0
SETTLE_SECONDS_MAX = 240.0


@dataclass
class Looks:
    """How many looks there were, and how many of them could read everything."""

    taken: int = 0
    whole: int = 0


class Checker:
    """Holds the rules against one suite and the load that is played on it."""

    def __init__(
        self,
        world: World,
        watch: TopicWatch,
        played: Sequence[Played],
        services: Sequence[str] = SERVICES,
    ) -> None:
        self.looks = Looks()
        self.watch = watch
        self._world = world
        self._played = played
        self._databases = Databases(world.suite, services)

    def close(self) -> None:
        self._databases.close()

    async def look(self) -> list[Finding]:
        """Return what is wrong at this moment, by everything that can be read now."""
        evidence = await self._evidence()
        provider = await self._provider()
        topics = await self._topics()
        self.looks.taken += 1
        self.looks.whole += bool(evidence and provider and topics)
        findings = list(self.watch.findings)
        if evidence is not None:
            findings += rules.books_are_true(evidence)
            findings += rules.views_invent_nothing(evidence, self._played)
        if provider is not None:
            findings += rules.nobody_gets_more(provider, self._played)
        if evidence is not None and topics:
            findings += rules.no_fact_is_lost(evidence, self.watch.history)
            findings += rules.done_means_told(evidence, self.watch.history)
            findings += rules.one_verdict_everywhere(evidence, self.watch.history)
        return findings

    async def settled(self) -> list[Finding]:
        """Wait until everything is final and return nothing, or what was still wrong at last."""
        until = time.monotonic() + SETTLE_SECONDS_MAX
        seen: list[Finding] = []
        changed_at = time.monotonic()
        while True:
            findings = [*await self.look(), *await self._unsettled()]
            if not findings:
                return []
            now = time.monotonic()
            if findings != seen:
                seen, changed_at = findings, now
            if now > until or now - changed_at > STILL_SECONDS:
                return findings
            await asyncio.sleep(LOOK_SECONDS)

    async def failed_sweeps(self) -> list[Finding]:
        """Return which timed work failed in the processes that run now, since each was started."""
        said: dict[str, str] = {}
        for process in self._world.suite.services.values():
            answer = await self._world.look.http.get(f"{process.health_url}/metrics")
            said[process.name] = answer.raise_for_status().text
        return list(rules.no_sweep_failed(said))

    async def _unsettled(self) -> list[Finding]:
        """Return what is not yet as it must be at the end."""
        evidence, provider = await self._evidence(), await self._provider()
        if evidence is None or provider is None or not await self._topics():
            return [Finding("unreadable", "databases, provider or topics, after healing")]
        history, played = self.watch.history, self._played
        return [
            *chain(
                rules.everything_is_decided(history, played),
                rules.missed_goals_are_returned(provider, evidence, history, played),
                rules.met_goals_are_paid(provider, evidence, history, played),
                rules.everybody_is_told_once(evidence, history, played),
                rules.nothing_is_left(evidence, history),
                rules.money_is_all_there(provider, evidence, played),
                rules.views_show_the_end(provider, evidence, played),
            ),
            *await self._unhealthy(),
        ]

    async def _unhealthy(self) -> list[Finding]:
        findings = []
        for name, service in self._world.suite.services.items():
            for question in ("livez", "readyz"):
                try:
                    answer = await self._world.look.http.get(f"{service.health_url}/{question}")
                    said = "" if answer.status_code == 200 else answer.text
                except httpx.HTTPError as error:
                    said = repr(error)
                if said:
                    findings.append(Finding("unhealthy", f"{name} {question}: {said}"))
        return findings

    async def _evidence(self) -> Evidence | None:
        try:
            return await asyncio.to_thread(self._databases.look)
        except DependencyAway:
            return None

    async def _provider(self) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(5):
                return await self._world.suite.provider.book()
        except (httpx.HTTPError, TimeoutError):
            return None

    async def _topics(self) -> bool:
        try:
            await self.watch.read()
            return True
        except DependencyAway:
            return False
