"""Bursts: what comes together for one person of one project is one mail, and each notice told."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from infra.sandbox.issuer.tokens import STAFF
from infra.servicekit.tests.costs import cost_of
from notifier.adapters.mongo_email import MongoEmailQueries
from notifier.domain.bounce import BounceClass
from notifier.domain.delivery import Channel, DeliveryState, Standing, begin
from notifier.domain.notification import notification_id
from notifier.domain.routing import Frequency, Mute, Preferences
from notifier.handlers.bursts import CHUNKS_MOST, INSIDE_MOST, LATELY_MOST
from notifier.handlers.mail_reports import take_report
from notifier.handlers.people import erase_person
from notifier.metrics import POSSIBLY_REPEATED
from notifier.ports.email import (
    Answer,
    Answered,
    Letter,
    LetterRefused,
    Mail,
    MailReport,
    ReportKind,
    Unsubscription,
)
from servicekit.mongo import Database, Document
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    events_of,
    fact,
    hidden,
    launched,
    pledges,
    refunded,
    restored,
    update,
)
from services.notifier.tests.conftest import mongo_notifier
from services.notifier.tests.fakes import Crashed
from services.notifier.tests.fakes_email import said
from services.notifier.tests.letters import letter_writer
from services.notifier.tests.post import (
    LINKS,
    Post,
    answering,
    in_bursts,
    memory_post,
    person,
    post_over,
)
from sosst_contracts.codec import Record
from sosst_contracts.event import Event
from sosst_contracts.funding import CampaignCancelled, VerdictReached
from sosst_contracts.notifier import DeliverySucceeded
from sosst_contracts.updates import DeliveryChanged, ProblemGraded, SurveyOpened, UpdateCorrected

MINUTE = timedelta(minutes=1)
TAKEN, LATER = Answer(Answered.TAKEN), said(451, "4.7.1")


def cause(number: int) -> str:
    return f"update-published/{CAMPAIGN}:update-{number}"


def news(number: int, backers: int = 2, **changes: object) -> Record:
    """The update of this number, published so many minutes after the first."""
    at = NOW + (number - 1) * MINUTE
    content = {"update_id": f"update-{number}", "published_at": at, **changes}
    return update(backers, backers, number, **content)  # type: ignore[arg-type]


@pytest.fixture
def post(post: Post) -> Post:
    return in_bursts(post)


async def begun(post: Post, *people: str) -> None:
    """Make these people backers of a campaign that is known."""
    await post.know(*(person(one, zone="UTC") for one in people))
    await post.notifier.hear(*pledges(people), launched())


async def told(post: Post, *records: Record) -> None:
    """Tell in the inbox of these; not a minute passes."""
    await post.notifier.hear(*records)
    for _ in range(20):
        await post.notifier.plan()
        await post.notifier.address()
        worked = await post.notifier.publish()
        await post.notifier.sweep()
        if not worked and not await post.notifier.queries.incomplete(1):
            return
    raise AssertionError("not told")


async def standings(post: Post, number: int) -> dict[str, Standing]:
    """Return how everybody stands of an update, by person."""
    found: dict[str, Standing] = {}
    names = [f"{cause(number)}|{partition:03}|000000" for partition in range(4)]
    units = post.notifier.units
    chunks = await units.run(lambda unit: unit.chunks.load(names))
    deliveries = await units.run(lambda unit: unit.deliveries.load(Channel.EMAIL, names))
    for name, delivery in deliveries.items():
        found |= dict(zip(chunks[name].recipients, delivery.standings, strict=True))
    return found


def parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(mail: Mail) -> str:
    part = parsed(mail).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def mails_to(post: Post, who: str) -> list[Mail]:
    return [one for one in post.server.mails if one.recipient == f"{who}@a.example"]


def subjects(post: Post, who: str) -> list[str]:
    return [str(parsed(one)["Subject"]) for one in mails_to(post, who)]


def message_ids(mails: Sequence[Mail]) -> list[str]:
    return [str(parsed(one)["Message-ID"]) for one in mails]


def titled(number: int) -> list[dict[str, str]]:
    return [{"language": "en", "title": f"Chapter {number}", "excerpt": f"Words of {number}."}]


async def three_chapters(post: Post, *people: str) -> None:
    """Three updates within two minutes."""
    await begun(post, *people)
    for number in (1, 2, 3):
        await told(post, news(number, len(people), texts=titled(number)))
        post.clock.advance(minutes=1)


@pytest.mark.row("S4")
async def test_a_burst_is_one_mail_and_every_notice_is_told(post: Post) -> None:
    """Nobody is written to before the window ends; then once, with each under its own title."""
    await three_chapters(post, "anna", "ben")
    await post.write_all()
    assert post.server.mails == []
    post.clock.advance(minutes=3)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 1})
    (mail,) = mails_to(post, "anna")
    text = text_of(mail)
    assert all(f"Chapter {n}" in text and f"Words of {n}." in text for n in (1, 2, 3))
    assert message_ids([mail]) == [f"<{notification_id(cause(1), NOW, 'anna')}@sosst.example>"]
    for number in (1, 2, 3):
        totals = await post.totals(cause(number))
        assert (totals.delivered, totals.pending, totals.suppressed) == (2, 0, 0)
        found = await post.notifier.queries.cause(cause(number))
        assert found is not None and found.state == "completed" and found.audience == 2
        assert len(await post.notifier.queries.inbox("anna", None, 9)) == 3
    post.clock.advance(hours=1)
    await post.write_all()
    assert len(post.server.mails) == 2
    assert await post.notifier.queue.claim("email", post.clock.now(), 9, 9) == []


async def test_each_is_proved_and_told_as_inside_the_mail(post: Post) -> None:
    """The table names the notice in whose mail it went, and so does the fact on the topic."""
    await three_chapters(post, "anna")
    post.clock.advance(minutes=3)
    await post.write_all()
    carrier = notification_id(cause(1), NOW, "anna")
    path = f"/campaigns/{CAMPAIGN}/notices/{cause(3)}/proof.csv"
    async with post.notifier.http(STAFF) as client:
        table = (await client.get(path)).text
    rows = [row[3:] for row in csv.reader(io.StringIO(table)) if row[0] == "anna"]
    assert ["email", "delivered", f"merged-into {carrier}"] in rows
    facts = events_of(post.notifier.publisher)
    into = {f.cause: f.merged_into for f in facts if isinstance(f, DeliverySucceeded)}
    assert into == {cause(1): None, cause(2): carrier, cause(3): carrier}


async def test_what_cannot_be_muted_goes_at_once_and_alone(post: Post) -> None:
    """An emergency and a refund wait for no window and stand in nobody's mail, nor carry any."""
    await begun(post, "anna")
    emergency = news(2, 1, kind="emergency", texts=titled(2))
    await told(post, news(1, 1, texts=titled(1)), emergency, refunded("anna", 1), news(3, 1))
    await post.write_all()
    assert len(mails_to(post, "anna")) == 2
    assert not any("Chapter 1" in text_of(one) for one in post.server.mails)
    post.clock.advance(minutes=5)
    await post.write_all()
    (merged,) = mails_to(post, "anna")[2:]
    assert "Chapter 1" in text_of(merged) and "Chapter 2" not in text_of(merged)
    assert (await post.totals(cause(3))).delivered == 1


async def test_a_delay_raised_to_an_emergency_reaches_every_backer_at_once(post: Post) -> None:
    """Also who muted the project or waits for a digest; the delay's own mail waits as it did."""
    await begun(post, "anna", "ben")
    run = post.notifier.units.run
    muted = Preferences(mutes=(Mute(campaign_id=CAMPAIGN),))
    await run(lambda unit: unit.preferences.save("anna", muted))
    await run(lambda unit: unit.preferences.save("ben", Preferences(digest=Frequency.DAILY)))
    about = {"update_id": "update-1", "kind": "emergency", "severity": "critical"}
    as_of = {"pledges_sequence": 2, "audience_count": 2}
    raised = fact(ProblemGraded, 2, graded_at=NOW, **about, **as_of)
    await told(post, news(1, kind="delay_notice", texts=titled(1)), raised)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 1})
    said = subjects(post, "anna") + subjects(post, "ben")
    assert set(said) == {"“A lamp that follows the sun” has an emergency"}
    name = f"problem-graded/{CAMPAIGN}:update-1-{int(NOW.timestamp() * 1_000)}"
    found = await post.notifier.queries.cause(name)
    assert found is not None and (found.state, found.audience) == ("completed", 2)
    assert (await post.totals(cause(1))).pending == 2


async def test_what_acts_for_its_reader_is_in_no_mail_of_news(post: Post) -> None:
    """News are forwarded: a survey and a parcel share a mail with the link, two updates another."""
    assert post.notifier.emails is not None
    writer = letter_writer(own_pages=True)
    post.notifier.emails = replace(post.notifier.emails, letters=writer)
    await begun(post, "anna")
    of = {"pledges_sequence": 1, "audience_count": 1, "opened_at": NOW}
    moved = [{"backer_id": "anna", "old": "preparing", "new": "shipped"}]
    await told(post, news(1, 1, texts=titled(1)), news(2, 1, texts=titled(2)))
    await told(post, fact(SurveyOpened, 1, title="Which colour?", **of))
    await told(post, fact(DeliveryChanged, 1, state="shipped", changes=moved, changed_at=NOW))
    post.clock.advance(minutes=5)
    await post.write_all()
    texts = sorted(map(text_of, mails_to(post, "anna")), key=lambda text: "/personal?" in text)
    assert [text.count("/personal?") for text in texts] == [0, 1]
    said = ["Words of 1.", "Words of 2.", "has questions for you", "is on its way"]
    assert [[one in text for one in said] for text in texts] == [
        [True, True, False, False],
        [False, False, True, True],
    ]


async def test_what_a_release_before_kept_under_its_role_is_not_mixed(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A survey that waits since then stands among the news of now: it goes in its own mail."""
    await begun(post, "anna")
    of = {"pledges_sequence": 1, "audience_count": 1, "opened_at": NOW}
    with monkeypatch.context() as before:
        before.setattr("notifier.handlers.email_work.merged_as", lambda told, role: role.value)
        await told(post, fact(SurveyOpened, 1, title="Which colour?", **of))
    await told(post, news(1, 1, texts=titled(1)), news(2, 1, texts=titled(2)))
    post.clock.advance(minutes=5)
    await post.write_all()
    asked = ["has questions for you" in text_of(one) for one in mails_to(post, "anna")]
    told_of = ["Words of 1." in text_of(one) for one in mails_to(post, "anna")]
    assert sorted(zip(asked, told_of, strict=True)) == [(False, True), (True, False)]


DECIDING = [
    (VerdictReached, {"verdict": "goal_missed", "pledges_sequence": 1, "reached_at": NOW}),
    (CampaignCancelled, {"pledges_sequence": 1, "cancelled_at": NOW}),
]


@pytest.mark.parametrize(("event_type", "of"), DECIDING, ids=lambda one: getattr(one, "name", ""))
async def test_what_decides_about_money_waits_for_no_window(
    post: Post, event_type: type[Event], of: dict[str, object]
) -> None:
    """The mail that says why money comes back leaves before the one that says it did."""
    await begun(post, "anna")
    await told(post, fact(event_type, 2, **of))
    await post.write_all()
    await told(post, refunded("anna", 1))
    await post.write_all()
    first, second = map(text_of, mails_to(post, "anna"))
    assert "refund" in second.lower() and "e will write to you as soon" not in second
    assert "e will write to you as soon" in first


async def test_other_projects_and_later_news_have_mails_of_their_own(post: Post) -> None:
    """One project's news stand in no other's mail; what comes after the mail begins anew."""
    await begun(post, "anna")
    other = "campaign-2"
    await post.notifier.hear(*pledges(["anna"], other))
    await told(post, news(1, 1), update(1, 1, 1, other, "update-1"))
    post.clock.advance(minutes=5)
    await post.write_all()
    assert len(mails_to(post, "anna")) == 2
    await told(post, news(2, 1))
    await post.write_all()
    assert len(mails_to(post, "anna")) == 2
    post.clock.advance(minutes=5)
    await post.write_all()
    assert len(mails_to(post, "anna")) == 3


async def test_preferences_are_read_for_each(post: Post) -> None:
    """Who muted the project, or turned its mails off, has none; a digest is one mail of a day."""
    await three_chapters(post, "anna", "ben", "carol")
    run = post.notifier.units.run
    muted = Preferences(mutes=(Mute(campaign_id=CAMPAIGN),))
    await run(lambda unit: unit.preferences.save("anna", muted))
    await run(lambda unit: unit.preferences.save("ben", Preferences(digest=Frequency.DAILY)))
    await run(lambda unit: unit.unsubscriptions.add(Unsubscription("carol", CAMPAIGN)))
    post.clock.advance(minutes=5)
    await post.write_all()
    assert post.server.mails == []
    post.clock.advance(hours=24)
    await post.write_all()
    assert post.sent_to() == Counter({"ben@a.example": 1})
    assert all(f"Chapter {number}" in text_of(post.server.mails[0]) for number in (1, 2, 3))
    for number in (1, 2, 3):
        found = await standings(post, number)
        assert [found[one].reason for one in ("anna", "carol")] == ["muted", "unsubscribed"]
        assert found["ben"].state is DeliveryState.DELIVERED


async def test_without_a_window_each_has_its_mail() -> None:
    """A window of 0 merges nothing, at once."""
    post = memory_post()
    await three_chapters(post, "anna")
    await post.write_all()
    assert len(post.server.mails) == 3


@pytest.mark.trap(9)
async def test_a_crash_sends_the_same_set_again(post: Post) -> None:
    """Killed after the set was fixed: the same Message-ID and notices, though more has come."""
    await three_chapters(post, "anna", "ben")
    post.clock.advance(minutes=3)

    def dies(mail: Mail) -> Answer:
        post.server.mails.append(mail)
        raise Crashed

    post.server.answer = dies
    with pytest.raises(Crashed):
        await post.write_all()
    before = list(post.server.mails)
    post.server.answer = answering({})
    await told(post, news(4, 2, texts=titled(4)))
    post.clock.advance(seconds=11)
    await post.write_all()
    again = post.server.mails[len(before) :]
    for mail in before:
        same = [one for one in again if one.recipient == mail.recipient]
        assert message_ids(same) == message_ids([mail])
        assert text_of(same[0]) == text_of(mail)
    post.clock.advance(minutes=5)
    await post.write_all()
    (late,) = post.server.mails[-1:]
    assert "Words of 4." in text_of(late) and "Words of 3." not in text_of(late)
    for number in (1, 2, 3, 4):
        totals = await post.totals(cause(number))
        assert (totals.delivered, totals.pending) == (2, 0)


async def crashed_before_sending(post: Post) -> None:
    """Leave the set of three fixed and nothing sent."""
    await three_chapters(post, "anna")
    post.clock.advance(minutes=3)

    def dies(mail: Mail) -> Answer:
        raise Crashed

    post.server.answer = dies
    with pytest.raises(Crashed):
        await post.write_all()
    post.server.answer = answering({})
    found = [(await standings(post, number))["anna"] for number in (1, 2, 3)]
    assert [len(one.carries) for one in found] == [2, 0, 0]
    assert {one.state for one in found} == {DeliveryState.SENDING}


async def test_what_is_hidden_after_the_set_was_fixed_is_in_no_mail(post: Post) -> None:
    """Inside another's mail: the others go in it, the hidden words do not."""
    await crashed_before_sending(post)
    await post.notifier.hear(hidden(4, "update-2"))
    post.clock.advance(seconds=11)
    await post.write_all()
    (mail,) = post.server.mails
    assert "Words of 1." in text_of(mail) and "Words of 3." in text_of(mail)
    assert "of 2" not in text_of(mail)
    assert [(await standings(post, n))["anna"].reason for n in (1, 2, 3)] == ["", "hidden", ""]
    assert (await post.totals(cause(3))).delivered == 1


async def test_a_hidden_carrier_lets_the_others_go(post: Post) -> None:
    """Its own mail is not sent; the others are, each by its own name."""
    await crashed_before_sending(post)
    await post.notifier.hear(hidden(4, "update-1"))
    post.clock.advance(seconds=11)
    await post.write_all()
    texts = " ".join(map(text_of, post.server.mails))
    assert "of 1" not in texts and "Words of 2." in texts and "Words of 3." in texts
    totals = [await post.totals(cause(number)) for number in (1, 2, 3)]
    assert [(one.delivered, one.suppressed, one.pending) for one in totals] == [
        (0, 1, 0),
        (1, 0, 0),
        (1, 0, 0),
    ]


async def test_hidden_before_the_window_ends_is_in_no_mail(post: Post) -> None:
    """Restored in time it is."""
    await three_chapters(post, "anna")
    await post.notifier.hear(hidden(4, "update-1"), hidden(5, "update-3"))
    post.clock.advance(minutes=3)
    await post.write_all()
    (mail,) = post.server.mails
    assert "Words of 2." in text_of(mail) and "Words of 1." not in text_of(mail)
    assert "Words of 3." not in text_of(mail)
    post = in_bursts(memory_post())
    await three_chapters(post, "anna")
    await post.notifier.hear(hidden(4, "update-1"), restored(5))
    post.clock.advance(minutes=3)
    await post.write_all()
    assert "Words of 1." in text_of(post.server.mails[0])


def edited(sequence: int, update_id: str, revision: int, words: str) -> Record:
    """An edit within the half hour, which nobody is told of."""
    texts = [{"language": "en", "title": f"Chapter {words}", "excerpt": f"Words of {words}."}]
    return fact(
        UpdateCorrected,
        sequence,
        update_id=update_id,
        revision=revision,
        texts=texts,
        correction=False,
        tells=False,
        changes=[],
        corrected_at=NOW,
    )


async def test_what_waits_says_what_the_update_says_when_it_is_sent(post: Post) -> None:
    """Edited in the window or before the digest: once, in the last words, under the same name."""
    await begun(post, "anna", "ben")
    daily = Preferences(digest=Frequency.DAILY)
    await post.notifier.units.run(lambda unit: unit.preferences.save("ben", daily))
    await told(post, news(1, texts=titled(1)), news(2, texts=titled(2)))
    await told(post, edited(3, "update-1", 2, "1a"), edited(4, "update-1", 3, "1b"))
    post.clock.advance(minutes=5)
    await post.write_all()
    await told(post, edited(5, "update-2", 2, "2a"))
    post.clock.advance(hours=24)
    await post.write_all()
    (anna,), (ben,) = mails_to(post, "anna"), mails_to(post, "ben")
    assert "Words of 1b." in text_of(anna) and "Words of 2." in text_of(anna)
    assert "Words of 1b." in text_of(ben) and "Words of 2a." in text_of(ben)
    assert not any(f"Words of {old}." in text_of(ben) for old in ("1", "1a", "2"))
    assert message_ids([anna]) == [f"<{notification_id(cause(1), NOW, 'anna')}@sosst.example>"]
    assert [(await post.totals(cause(number))).delivered for number in (1, 2)] == [2, 2]


@pytest.mark.parametrize("answer", [LATER, Answer(Answered.UNKNOWN)], ids=["later", "unknown"])
async def test_a_mail_that_is_tried_again_has_the_words_of_then(post: Post, answer: Answer) -> None:
    """Alone, too: the writer keeps no rendering of what is said no more."""
    await begun(post, "anna")
    await told(post, news(1, 1, texts=titled(1)))
    post.clock.advance(minutes=5)
    post.server.answer = lambda mail: answer
    await post.write_all()
    await told(post, edited(2, "update-1", 2, "1a"))
    post.server.answer = answering({})
    post.clock.advance(minutes=5)
    await post.write_all()
    last = mails_to(post, "anna")[-1]
    assert "Words of 1a." in text_of(last) and "Words of 1." not in text_of(last)
    assert message_ids([last]) == [f"<{notification_id(cause(1), NOW, 'anna')}@sosst.example>"]


async def test_who_is_erased_gets_none_of_it(post: Post) -> None:
    """Also where the set was fixed before; everything adds up."""
    await crashed_before_sending(post)
    now = post.clock.now()
    await post.notifier.units.run(lambda unit: erase_person(unit, "anna", now))
    post.clock.advance(seconds=11)
    await post.write_all()
    assert post.server.mails == []
    reasons = [(await standings(post, number))["anna"].reason for number in (1, 2, 3)]
    assert reasons == ["erased"] * 3


async def test_what_a_server_does_not_take_now_parts_and_meets_again(post: Post) -> None:
    """Greylisted: nothing was sent, so all of it is one mail after the pause, with what came."""
    await three_chapters(post, "anna")
    post.server.answer = lambda mail: LATER
    post.clock.advance(minutes=3)
    await post.write_all()
    assert post.server.mails == []
    await told(post, news(4, 1, texts=titled(4)))
    post.server.answer = answering({})
    post.clock.advance(minutes=5)
    await post.write_all()
    (mail,) = post.server.mails
    assert all(f"Words of {number}." in text_of(mail) for number in (1, 2, 3, 4))
    assert [(await post.totals(cause(number))).delivered for number in (1, 2, 3, 4)] == [1] * 4


async def test_a_mail_of_unknown_fate_stays_what_it_was(post: Post) -> None:
    """The same notices under the same Message-ID, whatever came or was muted meanwhile."""
    await three_chapters(post, "anna")
    post.server.answer = lambda mail: Answer(Answered.UNKNOWN)
    post.clock.advance(minutes=3)
    await post.write_all()
    post.server.answer = lambda mail: Answer(Answered.AWAY)
    await told(post, news(4, 1, texts=titled(4)))
    post.clock.advance(minutes=5)
    await post.write_all()
    post.server.answer = lambda mail: LATER
    post.clock.advance(minutes=1)
    await post.write_all()
    post.server.answer = answering({})
    post.clock.advance(hours=1)
    await post.write_all()
    first, *rest = post.server.mails
    (again,) = [one for one in rest if message_ids([one]) == message_ids([first])]
    assert text_of(again) == text_of(first)
    assert [(await post.totals(cause(number))).delivered for number in (1, 2, 3, 4)] == [1] * 4
    assert "Words of 4." not in text_of(again) and len(post.server.mails) == 3


@pytest.mark.parametrize("repeat", [LATER, Answer(Answered.AWAY)], ids=["later", "away"])
async def test_a_mail_that_was_perhaps_sent_is_never_merged(post: Post, repeat: Answer) -> None:
    """One alone of unknown fate, whatever its repeat is answered: it goes again as it was.

    It stands in no other mail and carries none, and each repeat is counted as one.
    """
    await begun(post, "anna")
    await told(post, news(1, 1, texts=titled(1)))
    post.clock.advance(minutes=5)
    post.server.answer = lambda mail: Answer(Answered.UNKNOWN)
    await post.write_all()
    await told(post, news(2, 1, texts=titled(2)), news(3, 1, texts=titled(3)))
    post.server.answer = lambda mail: repeat
    post.clock.advance(minutes=5)
    await post.write_all()
    before = POSSIBLY_REPEATED._value.get()
    post.server.mails.clear()
    post.server.answer = answering({})
    post.clock.advance(hours=1)
    await post.write_all()
    sent = mails_to(post, "anna")
    first, others = sorted(sent, key=lambda one: "Words of 1." not in text_of(one))
    assert message_ids([first]) == [f"<{notification_id(cause(1), NOW, 'anna')}@sosst.example>"]
    assert not any(f"Words of {number}." in text_of(first) for number in (2, 3))
    assert all(f"Words of {number}." in text_of(others) for number in (2, 3))
    assert [(await post.totals(cause(number))).delivered for number in (1, 2, 3)] == [1] * 3
    assert POSSIBLY_REPEATED._value.get() - before == 1


async def test_a_server_that_is_away_blames_nobody(post: Post) -> None:
    """Everything waits together as before."""
    await three_chapters(post, "anna")
    post.server.answer = lambda mail: Answer(Answered.AWAY)
    post.clock.advance(minutes=3)
    await post.write_all()
    for number in (1, 2, 3):
        assert (await standings(post, number))["anna"] == Standing()
    post.server.answer = answering({})
    post.clock.advance(seconds=6)
    await post.write_all()
    assert len(post.server.mails) == 1 and (await post.totals(cause(3))).delivered == 1


async def test_a_refusal_and_giving_up_are_everybodys(post: Post) -> None:
    """Refused for good: each failed, and the address once."""
    await three_chapters(post, "anna")
    post.server.answer = lambda mail: said(550, "5.1.1")
    post.clock.advance(minutes=3)
    await post.write_all()
    reasons = [(await standings(post, number))["anna"].reason for number in (1, 2, 3)]
    assert reasons == ["address-refused"] * 3
    assert sum((await post.queries.suppressed(NOW)).values()) == 1
    assert [(await post.totals(cause(number))).failed for number in (1, 2, 3)] == [1] * 3


async def test_a_bounce_counts_for_each_in_the_mail(post: Post) -> None:
    """It comes back to the one address; once more changes nothing."""
    await three_chapters(post, "anna", "ben")
    post.clock.advance(minutes=3)
    await post.write_all()
    (mail,) = mails_to(post, "anna")
    path = LINKS.read_return_path(mail.sender)
    assert path is not None
    report = MailReport(ReportKind.BOUNCE, path, BounceClass.HARD)
    run = post.notifier.units.run
    assert await run(lambda unit: take_report(unit, report, post.clock.now())) is not None
    assert await run(lambda unit: take_report(unit, report, post.clock.now())) is None
    for number in (1, 2, 3):
        totals = await post.totals(cause(number))
        assert (totals.delivered, totals.failed) == (1, 1)
        assert (await standings(post, number))["anna"].reason == "address-refused"


async def test_a_burst_too_big_is_cut(post: Post) -> None:
    """Ten notices a mail at most, and never more than servers and programs take."""
    await begun(post, "anna")
    chapters = range(1, INSIDE_MOST + 4)
    long = "\N{PARTY POPPER}" * 499
    for number in chapters:
        words = [{"language": "en", "title": f"Chapter {number}", "excerpt": long}]
        await told(post, news(number, 1, texts=words, published_at=NOW))
    post.clock.advance(minutes=5)
    await post.write_all()
    assert 2 <= len(post.server.mails) < len(chapters)
    assert all(len(one.content) <= 80_000 for one in post.server.mails)
    said = Counter(
        number
        for one in post.server.mails
        for number in chapters
        if f"> Chapter {number}" in text_of(one).splitlines()
    )
    assert said == Counter(dict.fromkeys(chapters, 1))
    assert [(await post.totals(cause(number))).delivered for number in chapters] == [1] * len(said)


async def test_what_cannot_be_written_keeps_no_other_back() -> None:
    """A bug of ours in one letter: the others have their mails, and it is tried again alone."""
    post = in_bursts(memory_post())
    emails = post.notifier.emails
    assert emails is not None
    writer = emails.letters

    class Breaking:
        def write(self, letter: Letter) -> Mail:
            tolds = (letter.told, *letter.others)
            if any(one.cause == cause(2) for one in tolds):
                raise LetterRefused("too-large", "a test") if len(tolds) > 1 else KeyError("a test")
            return writer.write(letter)

    post.notifier.emails = replace(emails, letters=Breaking())
    await three_chapters(post, "anna")
    post.clock.advance(minutes=6)
    await post.write_all()
    assert [(await post.totals(cause(number))).delivered for number in (1, 2, 3)] == [1, 0, 1]
    post.notifier.emails = emails
    post.clock.advance(minutes=6)
    await post.write_all()
    assert (await post.totals(cause(2))).delivered == 1


async def test_two_processes_that_meet_send_nothing_twice(post: Post) -> None:
    """Each has read the other's notice as free; whoever is later leaves it to the other."""
    await three_chapters(post, "anna")
    post.clock.advance(minutes=5)
    emails = post.notifier.emails
    assert emails is not None
    claims = await post.notifier.queue.claim("email", post.clock.now(), 9, 60)
    mine = [one for one in claims if "|000000" in one.item.id]
    assert len(mine) == 3
    first, second = mine[0], mine[1]
    read, companions = await post.notifier.units.run(
        lambda unit: emails._read(unit, str(second.item.payload["chunk_id"]))
    )
    sliced = await emails._written(read, companions)
    await emails(first)
    await post.notifier.units.run(lambda unit: emails._mark(unit, second, sliced))
    assert sliced.mails == {} and len(post.server.mails) == 1
    post.clock.advance(minutes=5)
    await post.write_all()
    assert len(post.server.mails) == 1
    assert [(await post.totals(cause(number))).delivered for number in (1, 2, 3)] == [1] * 3


async def test_without_a_burst_nothing_is_read_for_it(database: Database) -> None:
    """Beside a thousand chunks of the same news, and of others that are over, one key is read."""
    columns = {"campaign_id": CAMPAIGN, "channel": "email", "merged_as": "backer"}
    rows = [
        columns | {"_id": f"{n}", "key": f"{n}", "chunk_id": f"{n}", "cause": said, "left": left}
        for n, (said, left) in enumerate([("now", 1), ("before", 0), ("alone", 1)] * 1_000)
    ]
    for row in rows:
        if row["cause"] == "alone":
            del row["merged_as"]
    await database.collection("deliveries").insert_many(rows)
    delivery = begin("0", Channel.EMAIL, "now", CAMPAIGN, 50, 1, "backer")
    run = mongo_notifier(database).units.run
    cost = await cost_of(
        database, lambda: run(lambda unit: unit.deliveries.open_beside(delivery, 1_000))
    )
    assert (cost.returned, cost.documents) == (0, 0) and cost.keys <= 2, cost


async def test_beside_many_open_chunks_a_burst_is_still_one_mail(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where digests keep more open than are looked into, those of its people are found by them."""
    monkeypatch.setattr("notifier.handlers.bursts.CHUNKS_MOST", 1)
    await three_chapters(post, "anna", "ben")
    post.clock.advance(minutes=3)
    await post.write_all()
    assert post.sent_to() == Counter({"anna@a.example": 1, "ben@a.example": 1})
    for who in ("anna", "ben"):
        (mail,) = mails_to(post, who)
        assert all(f"Words of {number}." in text_of(mail) for number in (1, 2, 3))


async def read_for_a_burst(database: Database, post: Post, *numbers: int) -> int:
    """Have these updates written in one mail; return how many documents and keys were read."""
    for number in numbers:
        await told(post, news(number, 1, texts=titled(number)))
    post.clock.advance(minutes=5)
    before = len(post.server.mails)
    cost = await cost_of(database, post.write_all, "deliveries", "chunks")
    assert len(post.server.mails) == before + 1
    return cost.documents + cost.keys


def waiting_elsewhere(number: int) -> tuple[Document, Document]:
    """A chunk of the same project in which somebody else waits for a digest, and its delivery."""
    cause_of_it = f"update-published/{CAMPAIGN}:u{number // 100}"
    name = f"{cause_of_it}|{number % 100:03}|000000"
    chunk = {"_id": name, "recipients": [name], "caused_at": NOW}
    delivery = {
        "_id": f"email|{name}",
        "key": name,
        "chunk_id": name,
        "cause": cause_of_it,
        "campaign_id": CAMPAIGN,
        "channel": "email",
        "merged_as": "backer",
        "priority": 50,
        "size": 1,
        "left": 1,
        "standings": {},
    }
    return chunk, delivery


async def test_a_delivery_costs_no_more_beside_ten_thousand_open_chunks(
    database: Database,
) -> None:
    """Other people wait for their digests: a few of theirs are looked into, and no more read."""
    post = in_bursts(post_over(mongo_notifier(database), MongoEmailQueries(database)))
    await begun(post, "anna")
    alone = await read_for_a_burst(database, post, 1, 2, 3)
    waiting = [waiting_elsewhere(number) for number in range(10_000)]
    for begin_at in range(0, len(waiting), 1_000):
        chunks, deliveries = zip(*waiting[begin_at : begin_at + 1_000], strict=True)
        await database.collection("chunks").insert_many(chunks)
        await database.collection("deliveries").insert_many(deliveries)
    beside = await read_for_a_burst(database, post, 4, 5, 6)
    # A look is a document and a key for each of them; then come the keys of its people's chunks.
    assert alone and beside <= alone + 3 * CHUNKS_MOST, (alone, beside)


async def test_a_delivery_costs_no_more_for_who_was_told_ten_thousand_things(
    database: Database,
) -> None:
    """Of the chunks that its people stand in lately the newest are looked into, and no more read.

    Each of them holds a thousand people, and none says in an index which it is.
    """
    post = in_bursts(post_over(mongo_notifier(database), MongoEmailQueries(database)))
    await begun(post, "anna")
    others = [waiting_elsewhere(number) for number in range(CHUNKS_MOST)]
    chunks, deliveries = zip(*others, strict=True)
    await database.collection("chunks").insert_many(chunks)
    await database.collection("deliveries").insert_many(deliveries)
    alone = await read_for_a_burst(database, post, 1, 2, 3)
    for begin_at in range(0, 10_000, 1_000):
        told_before = [
            {"_id": f"before|{n}", "recipients": ["anna"], "caused_at": NOW - timedelta(seconds=n)}
            for n in range(begin_at, begin_at + 1_000)
        ]
        await database.collection("chunks").insert_many(told_before)
    beside = await read_for_a_burst(database, post, 4, 5, 6)
    # A look is a document and a key for each of them; then come the keys of what waits.
    assert alone and beside <= alone + 3 * LATELY_MOST, (alone, beside)
