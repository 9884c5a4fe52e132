"""A process is killed in front of each of its writes and behind each: nothing is lost or repeated.

What a handler does between two writes (a mail, a webhook, an event) has been done where the kill is
in front of the next write, and has not where it is behind the last one.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest
from prometheus_client import REGISTRY

from notifier.domain.cause import CauseKind
from notifier.domain.webhook_endpoint import EndpointState
from notifier.handlers.send_webhooks import NOTED_TOGETHER
from notifier.ports.unit import NotifierUnit
from servicekit.units import UnitsOfWork
from services.notifier.tests.builders import Notifier, refunded, settle
from services.notifier.tests.fakes import Crashed
from services.notifier.tests.fakes_email import said
from services.notifier.tests.post import BACKERS, Post, answering, person
from services.notifier.tests.receiver import status
from services.notifier.tests.test_replay import (
    CAUSE,
    Losing,
    tell,
    told,
    want,
)
from services.notifier.tests.test_replay import losing as losing
from services.notifier.tests.test_retention import KEPT_FOR, sums, swept
from services.notifier.tests.test_retention import told as told_long_ago
from services.notifier.tests.test_webhooks import Hooks, facts, ids
from services.notifier.tests.test_webhooks import hooks as hooks

T = TypeVar("T")


@dataclass(slots=True)
class DyingUnits:
    """The units of a process that has so many moments to live: two for each transaction."""

    units: UnitsOfWork[NotifierUnit]
    moments: int
    died: bool = False

    async def run(self, work: Callable[[NotifierUnit], Awaitable[T]]) -> T:
        self._live()
        done = await self.units.run(work)
        self._live()
        return done

    def _live(self) -> None:
        if self.moments == 0:
            self.died = True
            raise Crashed
        self.moments -= 1


@contextmanager
def killed(notifier: Notifier, moments: int) -> Iterator[DyingUnits]:
    """Let the process live so long; what comes then is another one, once the lease is over."""
    living = notifier.units
    dying, emails = DyingUnits(living, moments), notifier.emails
    notifier.units = dying
    notifier.emails = emails and replace(emails, units=dying)
    try:
        yield dying
    except Crashed:
        pass
    finally:
        notifier.units, notifier.emails = living, emails
    assert dying.died, "it had written everything before"
    notifier.clock.advance(seconds=61)


def repeated() -> float:
    return REGISTRY.get_sample_value("sosst_notifier_possibly_repeated_total") or 0


@pytest.mark.trap(9)
@pytest.mark.parametrize("moments", range(8))
async def test_a_mail_is_lost_nowhere_and_sent_again_only_where_it_is_counted(
    post: Post, moments: int
) -> None:
    """Each reader has one, or the same again; who was refused is written to no more."""
    await post.know(*map(person, BACKERS))
    await post.tell(BACKERS)
    post.server.answer = answering({"b3": said(550, "5.1.1")})
    before = repeated()
    with killed(post.notifier, moments):
        await post.write_all()
    await post.write_all()
    sent = post.sent_to()
    assert set(sent) == {f"{one}@a.example" for one in BACKERS if one != "b3"}
    assert sum(sent.values()) - len(sent) <= min(2, repeated() - before)
    mails = {mail.content.partition(b"Message-ID: <")[2][:32] for mail in post.server.mails}
    assert len(mails) == len(sent)
    totals = await post.totals()
    assert (totals.delivered, totals.failed, totals.pending) == (6, 1, 0)


@pytest.mark.parametrize("moments", range(6))
async def test_whom_a_decisive_mail_did_not_reach_is_noted_once_wherever_it_dies(
    post: Post, moments: int
) -> None:
    """With the mail's end, in one write: neither twice nor not at all."""
    await post.know(person("b0"))
    await post.notifier.hear(refunded("b0", 1))
    await settle(post.notifier)
    post.server.answer = answering({"b0": said(550, "5.1.1")})
    with killed(post.notifier, moments):
        await post.write_all()
    await post.write_all()
    (waiting,) = await post.notifier.queries.unreached(None, 10)
    assert (waiting.person_id, waiting.reason) == ("b0", "address-refused")


@pytest.mark.parametrize("moments", range(8))
async def test_a_fact_is_lost_to_no_endpoint_and_only_what_was_not_noted_comes_again(
    hooks: Hooks, moments: int
) -> None:
    """In order, from the last note on."""
    await hooks.register()
    written = facts(NOTED_TOGETHER * 2 + 5)
    hooks.write(*written)
    with killed(hooks.notifier, moments):
        await hooks.turn()
    await hooks.turn()
    taken, wanted = hooks.receiver.ids, ids(written)
    assert list(dict.fromkeys(taken)) == wanted
    assert len(taken) - len(wanted) <= NOTED_TOGETHER
    assert max(Counter(taken).values()) <= 2


@pytest.mark.parametrize("moments", range(4))
async def test_an_endpoint_that_is_gone_is_disabled_once_and_its_owner_told_once(
    hooks: Hooks, moments: int
) -> None:
    """However far the process came that heard it first."""
    await hooks.register()
    hooks.receiver.answer = status(410)
    hooks.write(*facts(1))
    with killed(hooks.notifier, moments):
        await hooks.turn()
    await hooks.turn()
    await settle(hooks.notifier)
    assert (await hooks.endpoint()).state is EndpointState.DISABLED
    inbox = await hooks.notifier.queries.inbox("staff-1", None, 10)
    assert [one.chunk.told.kind for one in inbox] == [CauseKind.WEBHOOK_DISABLED]


@pytest.mark.trap(24)
@pytest.mark.parametrize("moments", range(10))
async def test_a_replay_tells_whoever_is_missing_once_wherever_it_dies(
    losing: Losing, moments: int
) -> None:
    """The next one goes on, says what both found, and everybody has one id."""
    notifier = losing.notifier
    await tell(notifier)
    everybody = told(notifier)
    chunk = (await notifier.queries.chunks_of(CAUSE, "", 1))[0]
    await losing.lose("chunks", chunk.chunk_id)
    with killed(notifier, moments):
        await want(notifier, "sam", "tom")
    kept = await want(notifier, "sam", "tom")
    assert kept.state == "done"
    assert kept.found.people == 1
    totals = await notifier.queries.totals(CAUSE)
    assert (totals.delivered, totals.pending, totals.gap(len(BACKERS) + 1)) == (8, 0, 0)
    assert set(told(notifier)) == set(everybody)
    assert sum(told(notifier).values()) == sum(everybody.values()) + 1


@pytest.mark.parametrize("moments", range(4))
async def test_what_is_forgotten_adds_up_wherever_it_dies(
    notifier: Notifier, moments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One chunk at a time: of each everything is kept, or nothing but how many they were."""
    monkeypatch.setattr("notifier.handlers.retention.PAGE", 1)
    await told_long_ago(notifier)
    before = await sums(notifier)
    with killed(notifier, moments):
        await swept(notifier, days=KEPT_FOR.days + 1)
    assert await sums(notifier) == before
    await swept(notifier, days=0)
    assert await sums(notifier) == before
    assert await notifier.queries.inbox("anna", None, 5) == []
