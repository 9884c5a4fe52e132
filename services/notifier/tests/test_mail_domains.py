"""Each mail domain is written to as it takes mails, and no other one waits for it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.sandbox.mail.faults import Fault, FaultKind
from notifier.adapters.mongo_email import MongoEmailQueries
from notifier.domain.delivery import DeliveryState
from notifier.domain.mail_domain import (
    FIRST_REST,
    LATER_MOST,
    DomainPaces,
    MailDomain,
    Reaction,
    domain_of,
)
from notifier.handlers.mail_domains import DOMAINS_AWAY, MailDomains
from notifier.metrics import DELIVERY_ETA
from notifier.ports.email import Answer, Answered, Mail
from notifier.settings import NotifierSettings
from notifier.sweeps import MeasureMail
from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from services.notifier.tests.builders import NOW, memory_notifier, refunded, settle
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.fakes_email import MemoryEmailQueries, said
from services.notifier.tests.mail_server import Box, listening
from services.notifier.tests.post import ACCOUNT_PACE, FIRST_PAUSE, Post, person, post_over

SLOW, FAST = "slow.example", "fast.example"
READERS = [f"r{number:02}" for number in range(30)]
GREYLISTED = said(451, "4.7.1")
NOT_AVAILABLE = said(421, "4.7.28")
TAKEN = Answer(Answered.TAKEN)


def at(domain: str, readers: list[str]) -> list[str]:
    """Return who of these reads at that domain: every second one."""
    return readers[::2] if domain == SLOW else readers[1::2]


def paced(request: pytest.FixtureRequest, pace: float) -> Post:
    """A notifier that sends so many mails a second to the slow domain."""
    clock, paces = ManualClock(NOW), DomainPaces(0, {SLOW: pace})
    if request.param == "memory":
        database = MemoryDatabase()
        notifier = memory_notifier(database, clock)
        domains = MailDomains(clock, ACCOUNT_PACE, FIRST_PAUSE, paces)
        return post_over(notifier, MemoryEmailQueries(database), domains)
    real = request.getfixturevalue("database")
    notifier = mongo_notifier(real)
    domains = MailDomains(notifier.clock, ACCOUNT_PACE, FIRST_PAUSE, paces)
    return post_over(notifier, MongoEmailQueries(real), domains)


BOTH = ["memory", pytest.param("mongodb", marks=pytest.mark.long)]


@pytest.fixture(params=BOTH)
def post(request: pytest.FixtureRequest) -> Post:
    """A notifier whose domains have no pace of their own."""
    return paced(request, 0)


@pytest.fixture(params=BOTH)
def slow_post(request: pytest.FixtureRequest) -> Post:
    """A notifier that sends two mails a second to the slow domain."""
    return paced(request, 2)


async def tell_all(post: Post) -> None:
    for domain in (SLOW, FAST):
        people = [person(one, address=f"{one}@{domain}") for one in at(domain, READERS)]
        await post.know(*people)
    await post.tell(READERS)


def came(post: Post, domain: str) -> Counter[str]:
    return Counter(
        mail.recipient.partition("@")[0]
        for mail in post.server.mails
        if domain_of(mail.recipient) == domain
    )


def answering(domain: str, answer: Callable[[Mail], Answer]) -> Callable[[Mail], Answer]:
    """Answer so at this domain, and take every mail for others."""
    return lambda mail: answer(mail) if domain_of(mail.recipient) == domain else TAKEN


def greylisting() -> Callable[[Mail], Answer]:
    """Put off each reader's first mail."""
    seen: set[str] = set()

    def answer(mail: Mail) -> Answer:
        if mail.recipient in seen:
            return TAKEN
        seen.add(mail.recipient)
        return GREYLISTED

    return answer


async def test_a_domain_gets_its_own_pace_and_the_others_theirs(slow_post: Post) -> None:
    """Two a second and no more, in the order of turns; the other domain has all at once."""
    await tell_all(slow_post)
    await slow_post.write_all()
    assert came(slow_post, FAST) == Counter(at(FAST, READERS))
    sent = came(slow_post, SLOW).total()
    assert sent == 2
    while sent < len(at(SLOW, READERS)):
        slow_post.clock.advance(seconds=1)
        await slow_post.write_all()
        assert 1 <= came(slow_post, SLOW).total() - sent <= 2
        sent = came(slow_post, SLOW).total()
    assert came(slow_post, SLOW) == Counter(at(SLOW, READERS))
    totals = await slow_post.totals()
    assert (totals.delivered, totals.pending) == (len(READERS), 0)


async def test_the_end_is_when_the_slow_domain_has_had_its_turns(slow_post: Post) -> None:
    """Of thirteen who wait at two a second the last one goes in six and a half, not at once."""
    await tell_all(slow_post)
    emails = slow_post.notifier.emails
    assert emails is not None
    measure = MeasureMail(slow_post.queries, ACCOUNT_PACE, emails.domains)
    await measure(slow_post.clock.now())
    assert 0 < eta() < 1
    await slow_post.write_all()
    await measure(slow_post.clock.now())
    assert eta() == (await slow_post.totals()).pending / 2 == 6.5
    for _ in range(20):
        slow_post.clock.advance(seconds=1)
        await slow_post.write_all()
    await measure(slow_post.clock.now())
    assert eta() == 0


def eta() -> float:
    return DELIVERY_ETA.labels("email")._value.get()


async def test_what_is_urgent_goes_before_the_news_that_wait(slow_post: Post) -> None:
    """One person's money takes the domain's next turn, whoever waits for news there."""
    await tell_all(slow_post)
    await slow_post.write_all()
    last = at(SLOW, READERS)[-1]
    await slow_post.notifier.hear(refunded(last, 1))
    await settle(slow_post.notifier)
    before = len(slow_post.server.mails)
    for _ in range(4):
        slow_post.clock.advance(seconds=1)
        await slow_post.write_all()
    first = message_from_bytes(slow_post.server.mails[before].content, policy=default)
    assert "refund" in first["Subject"]
    assert slow_post.server.mails[before].recipient == f"{last}@{SLOW}"


async def test_a_greylisting_domain_holds_no_other_back(post: Post) -> None:
    """Everybody elsewhere has theirs at once; there each is put off, comes again, and is taken."""
    post.server.answer = answering(SLOW, greylisting())
    await tell_all(post)
    await post.write_all()
    assert came(post, FAST) == Counter(at(FAST, READERS)) and not came(post, SLOW)
    assert post.pauses == []
    for _ in range(12):
        post.clock.advance(minutes=1)
        await post.write_all()
    assert came(post, SLOW) == Counter(at(SLOW, READERS))
    totals = await post.totals()
    assert (totals.delivered, totals.pending, totals.failed) == (len(READERS), 0, 0)


async def test_a_domain_that_is_not_available_rests_alone(post: Post) -> None:
    """Nobody is blamed, the account goes on, and ever fewer tries go there until one is taken."""
    tried: list[str] = []

    def unavailable(mail: Mail) -> Answer:
        tried.append(mail.recipient)
        return NOT_AVAILABLE

    post.server.answer = answering(SLOW, unavailable)
    await tell_all(post)
    await post.write_all()
    assert came(post, FAST) == Counter(at(FAST, READERS))
    assert post.pauses == [] and 1 <= len(tried) <= 2
    for _ in range(120):
        post.clock.advance(seconds=10)
        await post.write_all()
    # Rests of 5, 10, 20 … 300 seconds in twenty minutes.
    assert len(tried) <= 12
    assert set((await post.queries.suppressed(post.clock.now())).values()) == set()
    assert (await post.totals()).failed == 0
    post.server.answer = lambda mail: TAKEN
    for _ in range(30):
        post.clock.advance(seconds=20)
        await post.write_all()
    assert came(post, SLOW) == Counter(at(SLOW, READERS))
    assert (await post.totals()).delivered == len(READERS)


async def test_a_server_that_is_closing_is_no_domains_fault(post: Post) -> None:
    """Not available whomever one writes to: the account pauses, and all are told afterwards."""
    people = [person(one, address=f"{one}@{one}.example") for one in READERS]
    await post.know(*people)
    post.server.answer = lambda mail: said(421, "4.3.2")
    await post.tell(READERS)
    await post.write_all()
    assert post.pauses
    post.server.answer = lambda mail: TAKEN
    for _ in range(3):
        post.clock.advance(seconds=6)
        await post.write_all()
    assert set(post.sent_to().values()) == {1} and len(post.server.mails) == len(READERS)


async def test_for_a_domain_that_takes_nothing_nobody_waits_for_ever(post: Post) -> None:
    """When nothing is told any more of what happened then, each of its readers has an outcome."""
    post.server.answer = answering(SLOW, lambda mail: NOT_AVAILABLE)
    await tell_all(post)
    await post.write_all()
    post.clock.advance(days=15)
    for _ in range(5):
        await post.write_all()
        post.clock.advance(minutes=10)
    totals = await post.totals()
    assert (totals.failed, totals.pending) == (len(at(SLOW, READERS)), 0)
    assert (DeliveryState.FAILED, "expired") in await post.states()
    # Each was given up untried, or while the domain answered for all: no address is to blame.
    assert await post.queries.suppressed(post.clock.now()) == {}


async def test_what_may_have_come_is_still_known_to(post: Post) -> None:
    """A mail of unknown fate whose domain rests waits as that, and goes again as the same."""
    await post.know(person("r00", address=f"r00@{SLOW}"))
    post.server.answer = lambda mail: Answer(Answered.UNKNOWN)
    await post.tell(["r00"])
    await post.write_all()
    emails = post.notifier.emails
    assert emails is not None
    post.clock.advance(minutes=5)
    held = await emails.domains.send(one_mail(SLOW), asked(NOT_AVAILABLE), urgent=False)
    assert held.answered is Answered.HELD
    await post.write_all()
    assert await post.states() == {(DeliveryState.LATER, "unknown"): 1}
    post.server.answer = lambda mail: TAKEN
    post.clock.advance(minutes=5)
    await post.write_all()
    assert (await post.totals()).delivered == 1 and len(post.server.mails) == 2


async def test_a_real_server_with_two_domains_of_which_one_greylists(tmp_path: Path) -> None:
    """Over SMTP to the sandbox: each reader has one mail, those of the other domain first."""
    box = Box(tmp_path, grouped=True)
    box.faults.rules = [Fault(FaultKind.GREYLIST, f"*@{SLOW}")]
    database = MemoryDatabase()
    post = post_over(memory_notifier(database), MemoryEmailQueries(database))
    assert post.notifier.emails is not None
    async with listening(box.speak) as server:
        object.__setattr__(post.notifier.emails, "server", server)
        await tell_all(post)
        await post.write_all()
        assert sorted(box.came()) == sorted(f"{one}@{FAST}" for one in at(FAST, READERS))
        assert (await post.totals()).pending == len(at(SLOW, READERS))
        for _ in range(12):
            post.clock.advance(minutes=1)
            await post.write_all()
    wanted = [f"{one}@{domain}" for domain in (SLOW, FAST) for one in at(domain, READERS)]
    assert sorted(box.came()) == sorted(wanted)
    totals = await post.totals()
    assert (totals.delivered, totals.pending) == (len(READERS), 0)


def one_mail(domain: str, mailbox: str = "anna") -> Mail:
    return Mail("us@sosst.example", f"{mailbox}@{domain}", b"")


def asked(answer: Answer) -> Callable[[Mail], asyncio.Future[Answer]]:
    """Return a server that answers so."""

    def send(mail: Mail) -> asyncio.Future[Answer]:
        said = asyncio.get_running_loop().create_future()
        said.set_result(answer)
        return said

    return send


class Stuck:
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.out: list[asyncio.Future[Answer]] = []

    async def send(self, mail: Mail) -> Answer:
        answer = asyncio.get_running_loop().create_future()
        self.out.append(answer)
        return await answer

    def answer_all(self, answer: Answer) -> None:
        out, self.out = self.out, []
        for one in out:
            if not one.done():
                one.set_result(answer)


async def some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_slow_domain_has_few_out_until_it_takes_them() -> None:
    """Two at first, more with each that it took; when it falls silent nobody waits for it."""
    domains, stuck = MailDomains(ManualClock(NOW), ACCOUNT_PACE, FIRST_PAUSE), Stuck()
    sends = [
        asyncio.create_task(domains.send(one_mail(SLOW), stuck.send, urgent=False))
        for _ in range(20)
    ]
    await some_turns()
    assert len(stuck.out) == 2
    stuck.answer_all(TAKEN)
    await some_turns()
    assert len(stuck.out) == 4
    # Whoever is not waited for any more takes nobody's room.
    sends[-1].cancel()
    taken = await domains.send(one_mail(FAST), asked(TAKEN), urgent=False)
    assert taken.answered is Answered.TAKEN
    stuck.answer_all(Answer(Answered.LATER))
    answers = await asyncio.gather(*sends, return_exceptions=True)
    found = Counter(one.answered for one in answers if isinstance(one, Answer))
    assert found == {Answered.TAKEN: 2, Answered.LATER: 4, Answered.HELD: 13}


async def test_after_a_rest_one_mail_tries_and_the_others_wait_for_its_answer_elsewhere() -> None:
    """They are held at once, each to a turn of its own."""
    clock, stuck = ManualClock(NOW), Stuck()
    domains = MailDomains(clock, ACCOUNT_PACE, FIRST_PAUSE)
    await domains.send(one_mail(SLOW), asked(NOT_AVAILABLE), urgent=False)
    assert domains.takes_nothing(f"x@{SLOW}") and not domains.takes_nothing(f"x@{FAST}")
    clock.advance(seconds=FIRST_REST.total_seconds())
    trying = asyncio.create_task(domains.send(one_mail(SLOW), stuck.send, urgent=False))
    await some_turns()
    held = [await domains.send(one_mail(SLOW), stuck.send, urgent=False) for _ in range(3)]
    assert {one.answered for one in held} == {Answered.HELD}
    assert len({one.again_at for one in held}) == 3 and len(stuck.out) == 1
    stuck.answer_all(TAKEN)
    assert (await trying).answered is Answered.TAKEN
    assert not domains.takes_nothing(f"x@{SLOW}")


async def test_room_that_was_given_to_who_is_cancelled_goes_to_the_next() -> None:
    """A slice that is given up in the very moment of its turn leaves no domain with less room."""
    domains, stuck = MailDomains(ManualClock(NOW), ACCOUNT_PACE, FIRST_PAUSE, at_once=1), Stuck()
    first, second, third = (
        asyncio.create_task(domains.send(one_mail(SLOW), stuck.send, urgent=False))
        for _ in range(3)
    )
    await some_turns()
    stuck.answer_all(said(550, "5.1.1"))
    await asyncio.sleep(0)
    second.cancel()
    await some_turns()
    assert second.cancelled() and len(stuck.out) == 1
    stuck.answer_all(TAKEN)
    assert (await first).answered is Answered.REFUSED
    assert (await third).answered is Answered.TAKEN


async def test_one_full_mailbox_is_not_its_domain() -> None:
    """Any number of them says nothing of the others there; a domain that puts all off rests."""
    domains = MailDomains(ManualClock(NOW), ACCOUNT_PACE, FIRST_PAUSE)
    for _ in range(3 * LATER_MOST):
        full = said(452, "4.2.2")
        assert await domains.send(one_mail(SLOW), asked(full), urgent=False) == full
    for _ in range(LATER_MOST):
        put_off = await domains.send(one_mail(SLOW), asked(GREYLISTED), urgent=False)
        assert put_off == GREYLISTED
    held = await domains.send(one_mail(SLOW), asked(TAKEN), urgent=False)
    assert held.answered is Answered.HELD


async def test_so_many_domains_away_are_the_server() -> None:
    """One that takes a mail in between shows that the server does not."""
    domains = MailDomains(ManualClock(NOW), ACCOUNT_PACE, FIRST_PAUSE)

    async def ask(name: str, answer: Answer) -> Answered:
        return (await domains.send(one_mail(name), asked(answer), urgent=False)).answered

    away = [await ask(f"d{number}.example", NOT_AVAILABLE) for number in range(DOMAINS_AWAY)]
    assert away == [Answered.HELD] * (DOMAINS_AWAY - 1) + [Answered.AWAY]
    await ask(FAST, TAKEN)
    assert await ask("other.example", NOT_AVAILABLE) is Answered.HELD


def test_rests_grow_to_the_longest_and_end_with_a_mail_that_is_taken() -> None:
    """What was out already when a rest began prolongs it not."""
    domain, now, rests = MailDomain(0, ACCOUNT_PACE, 2, FIRST_PAUSE, NOW), NOW, list[timedelta]()
    for _ in range(9):
        assert domain.heard(Reaction.FELL_SILENT, now)
        assert not domain.heard(Reaction.FELL_SILENT, now)
        begin = now
        while domain.rests(now):
            now += timedelta(seconds=1)
        rests.append(now - begin)
    assert [one.total_seconds() for one in rests] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    domain.heard(Reaction.TOOK, now)
    assert not domain.is_on_trial
    domain.heard(Reaction.FELL_SILENT, now)
    assert not domain.rests(now + FIRST_REST)


async def test_what_is_known_of_domains_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred only what matters is kept: one that rests is not forgotten."""
    monkeypatch.setattr("notifier.handlers.mail_domains.KNOWN_MOST", 10)
    clock = ManualClock(NOW)
    domains = MailDomains(clock, ACCOUNT_PACE, FIRST_PAUSE)
    await domains.send(one_mail(SLOW), asked(NOT_AVAILABLE), urgent=False)
    for number in range(100):
        clock.advance(seconds=3)
        await domains.send(one_mail(f"d{number}.example"), asked(TAKEN), urgent=False)
    assert domains.takes_nothing(f"x@{SLOW}")
    assert len(domains._known) <= 10


async def test_a_domain_whose_pace_is_used_up_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One mail in ten seconds, however many other domains are written to meanwhile."""
    monkeypatch.setattr("notifier.handlers.mail_domains.KNOWN_MOST", 10)
    clock = ManualClock(NOW)
    domains = MailDomains(clock, ACCOUNT_PACE, FIRST_PAUSE, DomainPaces(0, {SLOW: 0.1}))

    def goes(domain: str) -> bool:
        return domains.held_until(f"x@{domain}", urgent=True, waited=False) is None

    assert goes(SLOW)
    for number in range(20):
        assert goes(f"d{number}.example")
        clock.advance(seconds=0.25)
    assert not goes(SLOW)


def test_a_pace_is_kept_though_nobody_looks_in_the_very_moment() -> None:
    """A hundred who wait for one a second are all gone in little more than a hundred seconds."""
    domain, begin = MailDomain(1, ACCOUNT_PACE, 2, FIRST_PAUSE, NOW), NOW
    dues, sent, look = [begin] * 100, list[timedelta](), timedelta(milliseconds=300)
    now = begin
    while dues:
        dues.sort()
        later = []
        for due in dues:
            if due > now:
                later.append(due)
                continue
            held = domain.held_until(now, urgent=False, waited=due > begin)
            if held is None:
                sent.append(now - begin)
            else:
                later.append(held)
        dues, now = later, now + look
    assert sent[-1] <= timedelta(seconds=105)
    windows = [sum(at <= one < at + timedelta(seconds=10) for one in sent) for at in sent]
    assert max(windows) <= 12


@pytest.mark.parametrize("address", ["Anna@Bücher.Example", "anna@xn--bcher-kva.example "])
def test_a_domain_has_one_name(address: str) -> None:
    """However its readers write it, and as the mail's envelope does."""
    assert domain_of(address) == "xn--bcher-kva.example"


def settings(**changes: str) -> NotifierSettings:
    required = {
        "mongodb_uri": "mongodb://x",
        "mongodb_database": "notifier",
        "kafka_bootstrap_servers": "x:1",
        "instance_id": "one",
        "http_port": "1",
        "health_port": "2",
        "auth_issuer": "i",
        "auth_audience": "a",
        "auth_jwks_url": "https://x.example",
    }
    return NotifierSettings.model_validate(required | changes)


async def test_paces_are_read_from_the_settings() -> None:
    """A domain that is named has its own, in any spelling; every other one the default."""
    found = settings(
        domain_mails_per_second="1", domain_mails_per_second_of=" Bücher.example=3, b.example=0.5"
    )
    domains = found.mail_domains(ManualClock(NOW))
    for domain, at_once in (("xn--bcher-kva.example", 3), ("b.example", 1), ("c.example", 1)):
        goes = [
            domains.held_until(f"x@{domain}", urgent=False, waited=False) is None for _ in range(5)
        ]
        assert goes == [True] * at_once + [False] * (5 - at_once)


@pytest.mark.parametrize(
    "given", ["gmail.com", "gmail.com=", "gmail.com=-1", "gmail.com=nan", "gmail=1", "a.b=1,A.B=2"]
)
def test_paces_that_say_nothing_are_refused(given: str) -> None:
    """At the start, not at the first mail."""
    with pytest.raises(ValidationError):
        settings(domain_mails_per_second_of=given)
