"""Post: a notifier with the channel e-mail, its people, and what its mail server answers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from infra.sandbox.mail.store import Mail as Came
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.mail_outcomes import PublishedMailOutcomes
from notifier.domain.cause import Totals
from notifier.domain.delivery import Channel, DeliveryState
from notifier.domain.person import Person
from notifier.handlers.mail_domains import MailDomains
from notifier.handlers.send_emails import MailPace, SendEmails
from notifier.ports.email import Answer, Answered, EmailQueries, Mail
from servicekit.clock import ManualClock
from servicekit.memory import MemoryDatabase
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    PARTITIONS,
    Notifier,
    memory_notifier,
    pledges,
    settle,
    verdict,
)
from services.notifier.tests.fakes_email import FakeMailServer, MemoryEmailQueries
from services.notifier.tests.letters import letter_writer

BACKERS = [f"b{number}" for number in range(7)]
VERDICT = f"verdict-reached/{CAMPAIGN}"
LINKS = SignedMailLinks(["0123456789abcdef"], "sosst.example", "https://api.sosst.example/u")
FIRST_PAUSE = timedelta(minutes=5)
ACCOUNT_PACE = 100.0
WINDOW = timedelta(minutes=5)


@dataclass(slots=True)
class Post:
    """A notifier with a mail server of its own."""

    notifier: Notifier
    server: FakeMailServer
    queries: EmailQueries
    pauses: list[float]

    @property
    def clock(self) -> ManualClock:
        return self.notifier.clock

    async def know(self, *people: Person) -> None:
        await self.notifier.units.run(lambda unit: unit.people.save(people))

    async def tell(self, backers: list[str]) -> None:
        """Tell everybody of a verdict; nothing is written yet."""
        await self.notifier.hear(*pledges(backers), verdict(len(backers)))
        await settle(self.notifier)

    async def write_all(self) -> None:
        """Write until nothing is due."""
        for _ in range(100):
            if not await self.notifier.write():
                return
        raise AssertionError("it never ends")

    async def totals(self, cause: str = VERDICT) -> Totals:
        totals = await self.queries.totals(Channel.EMAIL, cause)
        assert totals is not None
        return totals

    async def states(self) -> Counter[tuple[DeliveryState, str]]:
        """Count where everybody stands, by state and reason."""
        claims = [f"{VERDICT}|{partition:03}|000000" for partition in range(PARTITIONS)]
        found = await self.notifier.units.run(
            lambda unit: unit.deliveries.load(Channel.EMAIL, claims)
        )
        standings = (one for delivery in found.values() for one in delivery.standings)
        return Counter((one.state, one.reason) for one in standings)

    def sent_to(self) -> Counter[str]:
        return Counter(mail.recipient for mail in self.server.mails)


def with_mail(
    notifier: Notifier,
    server: FakeMailServer | None = None,
    domains: MailDomains | None = None,
    pauses: list[float] | None = None,
) -> Notifier:
    """Let it write: to a server that takes every mail, at no pace of its own, a mail for each."""
    notifier.emails = SendEmails(
        units=notifier.units,
        letters=letter_writer(),
        links=LINKS,
        server=server or FakeMailServer(),
        outcomes=PublishedMailOutcomes(notifier.publisher),
        pace=MailPace(lambda: None, (pauses if pauses is not None else []).append),
        domains=domains or MailDomains(notifier.clock, ACCOUNT_PACE, FIRST_PAUSE),
        clock=notifier.clock,
        slice_most=2,
        first_pause=FIRST_PAUSE,
    )
    return notifier


def post_over(
    notifier: Notifier, queries: EmailQueries, domains: MailDomains | None = None
) -> Post:
    made = Post(notifier, FakeMailServer(), queries, [])
    with_mail(notifier, made.server, domains, made.pauses)
    return made


def memory_post() -> Post:
    database = MemoryDatabase()
    return post_over(memory_notifier(database), MemoryEmailQueries(database))


def person(person_id: str, **changes: object) -> Person:
    values = {"address": f"{person_id}@a.example", "language": "en", **changes}
    return Person(person_id, NOW, **values)  # type: ignore[arg-type]


def answering(answers: dict[str, Answer]) -> Callable[[Mail], Answer]:
    """Answer so for these mailboxes, and take every other mail."""
    return lambda mail: answers.get(mail.recipient.partition("@")[0], Answer(Answered.TAKEN))


def in_bursts(post: Post) -> Post:
    """Have it wait and merge, as a notifier does by default."""
    assert post.notifier.emails is not None
    post.notifier.emails = replace(post.notifier.emails, merges=True)
    post.notifier.mail_window = WINDOW
    return post


def as_it_came(mail: Mail) -> Came:
    return Came(mail.sender, mail.recipient, mail.content)
