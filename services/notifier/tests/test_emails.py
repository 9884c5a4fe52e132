"""Writing to people: each once, whatever the server does and wherever the process dies."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from prometheus_client import REGISTRY

from notifier.domain.cause import USUAL
from notifier.domain.delivery import Channel, DeliveryState
from notifier.domain.notification import notification_id
from notifier.domain.person import Person
from notifier.domain.suppression import SuppressionReason, address_digest
from notifier.handlers.recover import RecoverNotifier
from notifier.ports.email import Answer, Answered, Letter, Mail
from notifier.wire.emails import DELIVERIES_TOPIC, mailed_from
from notifier.wire.erasures import erasures_from
from servicekit.dispatch import Dispatcher
from servicekit.errors import LeaseLost
from servicekit.pace import Pace
from servicekit.publish import MemoryLog
from servicekit.switches import Switch
from servicekit.work import WorkItem
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    event_of,
    fact,
    launched,
    pledges,
    refunded,
    settle,
    update,
    verdict,
)
from services.notifier.tests.fakes import Crashed
from services.notifier.tests.fakes_email import said
from services.notifier.tests.kills import killed
from services.notifier.tests.post import (
    BACKERS,
    LINKS,
    VERDICT,
    Post,
    answering,
    memory_post,
    person,
)
from sosst_contracts.notifier import DeliverySucceeded
from sosst_contracts.payouts import RefundClaimable, StagePaid


async def test_everybody_with_an_address_gets_one_mail(post: Post) -> None:
    """Who has none, who is erased or suppressed keeps nobody waiting; the sums are everybody."""
    await post.know(*(person(one) for one in BACKERS[:4]), person("b4", address=None))
    await post.know(Person("b5", NOW, erased=True))
    await post.tell(BACKERS)
    await post.write_all()
    assert post.sent_to() == Counter({f"b{number}@a.example": 1 for number in range(4)})
    expected = {
        (DeliveryState.DELIVERED, ""): 4,
        (DeliveryState.SUPPRESSED, "no-address"): 2,
        (DeliveryState.SUPPRESSED, "erased"): 1,
    }
    assert await post.states() == expected
    totals = await post.totals()
    # The creator, told in that role, has no address either.
    assert (totals.delivered, totals.suppressed, totals.pending) == (4, 4, 0)
    assert await post.queries.queued(Channel.EMAIL) == {}
    assert await post.notifier.queue.backlog("email") == (await post.notifier.queue.backlog("x"))


async def test_backers_read_that_a_stage_was_paid_in_their_inbox_alone(post: Post) -> None:
    """Its creator, whose money it is, has a mail of it as well."""
    await post.know(person("b0"), person("carol"))
    await post.notifier.hear(*pledges(["b0"]), launched())
    await post.notifier.hear(fact(StagePaid, 1, pledges_sequence=1, paid_at=NOW))
    await settle(post.notifier)
    await post.write_all()
    for who in ("b0", "carol"):
        [entry] = await post.notifier.queries.inbox(who, None, 5)
        assert entry.chunk.told.kind.value == "stage-paid"
    assert post.sent_to() == Counter(["carol@a.example"])


async def test_the_inbox_waits_for_no_mail(post: Post) -> None:
    """Everybody is told and the cause is closed while no mail has left yet."""
    await post.know(*map(person, BACKERS))
    await post.tell(BACKERS)
    cause = await post.notifier.queries.cause(VERDICT)
    assert cause is not None and cause.state == "completed"
    assert post.server.mails == []


async def test_message_ids_are_those_of_the_notifications(post: Post) -> None:
    """Known before it is sent, and the same whenever it is."""
    await post.know(person("b0"))
    await post.tell(["b0"])
    await post.write_all()
    (mail,) = post.server.mails
    told_id = notification_id(VERDICT, NOW, "b0")
    assert f"Message-ID: <{told_id}@sosst.example>".encode() in mail.content
    read = LINKS.read_return_path(mail.sender)
    assert read is not None and read.address_mark == address_digest("b0@a.example")[:8]


async def test_what_the_server_answers_is_what_becomes_of_it(post: Post) -> None:
    """Refused for good, full, for its content, later: each alone, and addresses are remembered."""
    await post.know(*map(person, BACKERS))
    post.server.answer = answering(
        {
            "b0": said(550, "5.1.1"),
            "b1": said(552, "5.2.2"),
            "b2": said(554, "5.7.1"),
            "b3": said(451, "4.7.1"),
        }
    )
    await post.tell(BACKERS)
    await post.write_all()
    assert await post.states() == {
        (DeliveryState.DELIVERED, ""): 3,
        (DeliveryState.FAILED, "address-refused"): 2,
        (DeliveryState.FAILED, "content-refused"): 1,
        (DeliveryState.LATER, "later"): 1,
    }
    reasons = (SuppressionReason.HARD_BOUNCE, SuppressionReason.SOFT_BOUNCE)
    assert await post.queries.suppressed(NOW) == dict.fromkeys(reasons, 1)
    assert await post.queries.suppressed(NOW + timedelta(days=6)) == {reasons[0]: 1}
    # Greylisted: it comes again after the pause, not before, and nobody else does.
    assert sum((await post.queries.queued(Channel.EMAIL)).values()) == 1
    post.server.answer = answering({})
    await post.write_all()
    assert post.sent_to()["b3@a.example"] == 0
    post.clock.advance(minutes=5)
    await post.write_all()
    assert post.sent_to() == Counter({f"b{number}@a.example": 1 for number in (3, 4, 5, 6)})
    assert (await post.totals()).pending == 0


async def test_a_suppressed_address_is_not_written_to(post: Post) -> None:
    """The next cause finds it suppressed; after five days a soft one is tried again."""
    await post.know(person("b0"), person("b1"))
    refusals = {"b0": said(552, "5.2.2")}
    post.server.answer = answering(refusals | {"b1": said(550, "5.1.1")})
    await post.tell(["b0", "b1"])
    await post.write_all()
    post.server.answer = answering({})
    await post.notifier.hear(refunded("b0", 1), refunded("b1", 2))
    await settle(post.notifier)
    await post.write_all()
    assert post.sent_to() == {}
    post.clock.advance(days=6)
    await post.notifier.hear(refunded("b0", 3), refunded("b1", 4))
    await settle(post.notifier)
    await post.write_all()
    assert post.sent_to() == {"b0@a.example": 1}


async def test_a_server_that_is_away_blames_nobody(post: Post) -> None:
    """Everything waits, the account rests, and nothing is counted against anybody."""
    await post.know(*map(person, BACKERS))
    post.server.answer = lambda mail: Answer(Answered.AWAY)
    await post.tell(BACKERS)
    await post.write_all()
    assert {state for state, _ in await post.states()} == {DeliveryState.PENDING}
    assert post.pauses and await post.queries.suppressed(NOW) == {}
    post.server.answer = answering({})
    post.clock.advance(seconds=6)
    await post.write_all()
    assert set(post.sent_to().values()) == {1} and (await post.totals()).delivered == 7


async def test_a_mail_of_unknown_fate_goes_again_as_the_same(post: Post) -> None:
    """The connection broke after the content: the same Message-ID once more, after a pause."""
    await post.know(person("b0"))
    post.server.answer = lambda mail: Answer(Answered.UNKNOWN)
    await post.tell(["b0"])
    await post.write_all()
    assert await post.states() == {(DeliveryState.LATER, "unknown"): 1}
    post.server.answer = answering({})
    post.clock.advance(minutes=5)
    await post.write_all()
    first, second = post.server.mails
    assert (
        first.content.partition(b"\r\nDate")[2].partition(b"Message-ID")[2][:60]
        == (second.content.partition(b"\r\nDate")[2].partition(b"Message-ID")[2][:60])
    )
    assert (await post.totals()).delivered == 1


@pytest.mark.trap(9)
@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_process_that_dies_while_sending(post: Post, after: int) -> None:
    """Killed after any mail: everybody has one, repeated at most those that were in hand."""
    await post.know(*map(person, BACKERS))
    await post.tell(BACKERS)
    left = after

    def dies(mail: Mail) -> Answer:
        nonlocal left
        if left == 0:
            raise Crashed
        left -= 1
        return Answer(Answered.TAKEN)

    post.server.answer = dies
    with pytest.raises(Crashed):
        await post.write_all()
    post.server.answer = answering({})
    post.clock.advance(seconds=11)
    await post.write_all()
    sent = post.sent_to()
    assert set(sent) == {f"{one}@a.example" for one in BACKERS}
    assert sum(sent.values()) - len(BACKERS) <= 2 and (await post.totals()).delivered == 7
    ids = {mail.content.partition(b"Message-ID: <")[2][:32] for mail in post.server.mails}
    assert len(ids) == len(BACKERS)


async def test_whoever_lost_the_lease_saves_nothing(post: Post) -> None:
    """Of two processes with the same chunk only the one that holds it now may send."""
    await post.know(*map(person, BACKERS[:2]))
    await post.tell(BACKERS[:1])
    assert post.notifier.emails is not None
    old, new = [
        next(claim for claim in claims if not claim.item.id.endswith("|creator"))
        for claims in [
            await post.notifier.queue.claim("email", NOW + timedelta(seconds=seconds), 9, 10)
            for seconds in (9, 20)
        ]
    ]
    with pytest.raises(LeaseLost):
        await post.notifier.emails(old)
    assert post.server.mails == []
    await post.notifier.emails(new)
    assert len(post.server.mails) == 1


@pytest.mark.parametrize(
    ("answer", "rests"),
    [
        (said(450, "4.2.0"), True),
        (Answer(Answered.LATER), False),
        (Answer(Answered.UNKNOWN), False),
    ],
    ids=["greylisted", "cut off", "no answer"],
)
async def test_giving_up_after_days(post: Post, answer: Answer, rests: bool) -> None:
    """It failed as expired; the address rests where a server has said anything of it.

    Of one that always broke off nobody knows more than before, and all whom it was to serve, with
    all that they are told later, would be to blame for it.
    """
    await post.know(person("b0"))
    post.server.answer = lambda mail: answer
    await post.tell(["b0"])
    while (await post.totals()).pending:
        await post.write_all()
        last_try = post.clock.now()
        post.clock.advance(hours=13)
    assert await post.states() == {(DeliveryState.FAILED, "expired"): 1}
    assert await post.notifier.queue.claim("email", post.clock.now(), 10, 10) == []
    suppressed = {SuppressionReason.SOFT_BOUNCE: 1} if rests else {}
    assert await post.queries.suppressed(last_try) == suppressed


async def test_a_reminder_without_reason_is_not_sent(post: Post) -> None:
    """Its reason went between the inbox and the mail."""
    await post.know(person("b0"))
    of = {"backer_id": "b0", "refund_id": "refund-2"}
    await post.notifier.hear(fact(RefundClaimable, 1, **of, claimable_at=NOW))
    await settle(post.notifier)
    await post.notifier.hear(refunded("b0", 2))
    await settle(post.notifier)
    await post.write_all()
    (mail,) = post.server.mails
    assert notification_id("refund-succeeded/refund-2", NOW + timedelta(seconds=2), "b0") in (
        mail.content.decode()
    )
    cause = f"refund-claimable/refund-2:{int(NOW.timestamp())}"
    assert (await post.totals(cause)).suppressed == 1


async def test_a_letter_that_cannot_be_written_keeps_nobody_waiting() -> None:
    """A bug of ours hits one reader: the others have their mail, and it is tried again."""
    post = memory_post()
    emails = post.notifier.emails
    assert emails is not None
    writer = emails.letters

    class Breaking:
        def write(self, letter: Letter) -> Mail:
            if letter.reader.person_id == "b1":
                raise KeyError("a word that is missing")
            return writer.write(letter)

    post.notifier.emails = replace(emails, letters=Breaking())
    await post.know(*map(person, BACKERS))
    await post.tell(BACKERS)
    await post.write_all()
    assert (await post.totals()).delivered == 6
    assert (await post.states())[(DeliveryState.LATER, "unwritten")] == 1
    post.notifier.emails = emails
    post.clock.advance(minutes=5)
    await post.write_all()
    assert (await post.totals()).delivered == 7


class ToldTopic:
    """What stands on the topic of deliveries, as a recovery reads it back."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def pages(self) -> AsyncIterator[list[str]]:
        yield mailed_from([r for r in self._log.records if r.topic == DELIVERIES_TOPIC])


async def test_a_restored_backup_mails_nobody_again(post: Post) -> None:
    """Delivered before, delivered after, without a second mail; who was not reached gets one."""
    await post.know(*map(person, BACKERS))
    log = post.notifier.publisher
    assert isinstance(log, MemoryLog)
    post.server.answer = answering({"b3": said(451, "4.7.1")})
    await post.tell(BACKERS)
    await post.write_all()
    told = [r for r in log.records if r.topic == DELIVERIES_TOPIC]
    taken = [e for r in told if isinstance(e := event_of(r), DeliverySucceeded)]
    assert {one.recipient_id for one in taken} == set(BACKERS) - {"b3"}

    # Another notifier, as it was before anything was told.
    restored = memory_post()
    await restored.know(*map(person, BACKERS))
    recovery = RecoverNotifier(
        restored.notifier.units, ToldTopic(log), _no_endpoints, erasures_from
    )
    assert await recovery.roll_forward([]) == ["6 mails that a server had taken are not sent again"]
    await recovery.roll_forward([])
    await restored.tell(BACKERS)
    await restored.write_all()
    assert restored.sent_to() == {"b3@a.example": 1}
    assert (await restored.totals()).delivered == 7


async def test_urgent_goes_first_and_each_cause_has_its_turn() -> None:
    """One person's money before all news, and a small cause is not behind a huge one."""
    post = memory_post()
    notifier, emails = post.notifier, post.notifier.emails
    assert emails is not None
    crowd = [f"c{number:03}" for number in range(60)]
    await post.know(*map(person, [*crowd, "b0"]))
    notifier.recipients_max = 5
    await post.tell(crowd)
    small = "campaign-small"
    await notifier.hear(*pledges(["b0"], small), verdict(1, campaign=small), refunded("c059", 1))
    await settle(notifier)

    async def offer(item: WorkItem) -> None:
        await notifier.units.run(lambda unit: unit.plumbing.work.offer([item]))

    pace = Pace(4_000)
    dispatcher = Dispatcher("mail", notifier.queue, offer, pace, notifier.clock)
    await dispatcher.hold()
    lane = dispatcher.lane(urgent_before=USUAL)
    while claims := await lane.claim("email", notifier.clock.now(), 1, 10):
        await lane.performing(emails)(claims[0])
    subjects = [message_from_bytes(m.content, policy=default)["Subject"] for m in post.server.mails]
    assert len(subjects) == 62 and "refund" in subjects[0]
    smalls = [n for n, mail in enumerate(post.server.mails) if mail.recipient.startswith("b0@")]
    # Behind the refund and one turn of the huge cause: four claims of two mails each.
    assert smalls and smalls[0] <= 1 + 4 * 2


async def test_titles_are_what_campaigns_are_called(post: Post) -> None:
    """Every letter names the project, also where its fact does not."""
    await post.know(person("b0"))
    await post.notifier.hear(*pledges(["b0"]), verdict(1), update(1, 1), refunded("b0", 1))
    await settle(post.notifier)
    await post.write_all()
    titles = await post.notifier.units.run(lambda unit: unit.titles.load([CAMPAIGN, "other"]))
    assert titles.keys() == {CAMPAIGN} and len(post.server.mails) == 3


async def _no_endpoints() -> list[str]:
    """Nobody is sent webhooks here."""
    return []


async def test_mails_wait_under_the_operators_switch(post: Post) -> None:
    """Nothing leaves while it is on, and everybody is written to once it is off."""
    await post.know(*map(person, BACKERS))
    await post.tell(BACKERS)
    assert post.notifier.emails is not None
    writing = post.notifier.emails
    switch = Switch("pause-email", None, "staff-1", "a test", NOW)
    post.notifier.emails = replace(writing, paused=lambda: switch)
    await post.write_all()
    assert post.server.mails == []
    post.notifier.emails = writing
    post.clock.advance(seconds=5)
    await post.write_all()
    assert len(post.server.mails) == len(BACKERS)


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
