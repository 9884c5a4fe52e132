"""What is published is changed by revisions: half an hour unseen, later as corrections."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, collected, publish, write
from sosst_contracts import funding, updates
from sosst_contracts.testing import sample
from updates.consumer import PLEDGES
from updates.domain.correction import EDIT_WINDOW, Change, Correcting, correct, tells
from updates.domain.errors import Refused
from updates.domain.kinds import (
    DelayNotice,
    DeliveryMode,
    DeliveryNotice,
    Emergency,
    News,
    Occurrence,
    Section,
    Severity,
)
from updates.domain.schedule_change import DateMove, ScheduleChange
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdateState,
    UpdateText,
    Visibility,
    draft,
)
from updates.domain.update import (
    publish as published_by,
)
from updates.handlers.correct import correct_update
from updates.handlers.publish import withdraw_draft

LATER = NOW + EDIT_WINDOW
DELIVERY = Content(
    "creator-1",
    DeliveryNotice(date(2026, 6, 1), DeliveryMode.POST, ("lamp",)),
    Visibility.PUBLIC,
    (UpdateText("fr", "Bonjour", "Tout avance.", {Section.PROGRESS: "Presque."}),),
)


def published(content: Content) -> Update:
    return published_by(draft(None, CAMPAIGN, "u1", content, NOW), Audience(3, 2), NOW)


def reworded(content: Content = CONTENT, details: str = "Mieux dit.") -> Content:
    (text,) = content.texts
    return replace(content, texts=(replace(text, details=details),))


def asked(
    content: Content, number: int = 2, reason: str = "why", right: bool = False
) -> Correcting:
    return Correcting(number, content, reason, right, "creator-1")


async def change(service: UpdatesService, wanted: Correcting) -> Update:
    now = service.clock.now()
    return await service.units.run(
        lambda unit: correct_update(unit, PLEDGES, CAMPAIGN, "u1", wanted, now)
    )


async def corrections(service: UpdatesService) -> list[updates.UpdateCorrected]:
    return [e for e in await service.published() if isinstance(e, updates.UpdateCorrected)]


async def told(service: UpdatesService, content: Content = CONTENT) -> None:
    """Publish it to one backer."""
    await service.hear((sample(funding.CampaignLaunched), 1), collected(1, "anna"))
    await service.hear((sample(funding.VerdictReached, verdict="goal_met"), 2))
    await write(service, content)
    await publish(service)


async def test_half_an_hour_it_is_edited_and_later_corrected(service: UpdatesService) -> None:
    """Each is a revision with what was said before; readers see the corrections alone."""
    await told(service)
    await change(service, asked(reworded(), reason=""))
    service.clock.advance(seconds=EDIT_WINDOW.total_seconds())
    last = await change(service, asked(reworded(details="Juste."), number=3))
    assert (last.revision, last.corrected_at) == (3, LATER)
    read = service.queries.revisions
    everything = await read(CAMPAIGN, "u1", None, 9, corrections=False)
    shown = await read(CAMPAIGN, "u1", None, 9, corrections=True)
    assert [(one.number, one.content.texts[0].details) for one in everything] == [
        (2, "Mieux dit."),
        (1, "Tout avance."),
    ]
    assert [one.number for one in shown] == [2]
    facts = await corrections(service)
    assert [(f.revision, f.correction, f.tells) for f in facts] == [
        (2, False, False),
        (3, True, False),
    ]


def test_how_long_it_is_edited_is_the_deployments() -> None:
    """Until its window is over, and not at all where there is none."""
    first, minute = published(CONTENT), timedelta(minutes=1)
    for window, at, correction in (
        (2 * EDIT_WINDOW, LATER, False),
        (minute, NOW + minute, True),
        (timedelta(), NOW, True),
    ):
        assert correct(first, asked(reworded()), at, window)[1].correction is correction


@pytest.mark.trap(10)
async def test_nothing_that_is_done_to_a_published_update_publishes_it_again(
    service: UpdatesService,
) -> None:
    """Publish, unpublish, edit, publish: one publication, whatever is tried in between."""
    await told(service)
    with pytest.raises(Refused):
        await service.units.run(lambda unit: withdraw_draft(unit, CAMPAIGN, "u1"))
    with pytest.raises(Refused):
        await write(service, reworded())
    await change(service, asked(reworded()))
    await publish(service)
    service.clock.advance(days=1)
    await change(service, asked(CONTENT, number=3))
    await publish(service)
    facts = await service.published()
    assert sum(isinstance(fact, updates.UpdatePublished) for fact in facts) == 1
    assert not any(fact.tells for fact in await corrections(service))


async def test_a_correction_that_matters_is_told_once(service: UpdatesService) -> None:
    """The same revision again is the same answer; the audience is the backers of now."""
    await told(service, DELIVERY)
    await service.hear(collected(2, "ben"))
    service.clock.advance(days=1)
    moved = replace(DELIVERY, parts=replace(DELIVERY.parts, estimated_on=date(2026, 7, 1)))  # type: ignore[type-var]
    for _ in range(2):
        await change(service, asked(moved))
    (fact,) = await corrections(service)
    assert (fact.tells, fact.changes, fact.reason) == (True, ["date"], "why")
    assert (fact.pledges_sequence, fact.audience_count) == (2, 2)


async def test_two_editors_of_one_revision_do_not_overwrite_each_other(
    service: UpdatesService,
) -> None:
    """The second is told that its number is taken, and reads first."""
    await told(service)
    await change(service, asked(reworded()))
    with pytest.raises(Refused) as refused:
        await change(service, asked(reworded(details="Autrement.")))
    assert refused.value.reason == "revision-taken"


AT = datetime(2026, 4, 1, 18, tzinfo=UTC)
EVENT = News(Occurrence(AT, AT + timedelta(hours=2), "Europe/Paris", "Lyon"))
NEWS = replace(CONTENT, parts=EVENT)


def progress(words: str) -> Content:
    (text,) = DELIVERY.texts
    return replace(DELIVERY, texts=(replace(text, sections={Section.PROGRESS: words}),))


@pytest.mark.parametrize(
    ("before", "after", "right", "changes"),
    [
        (CONTENT, reworded(), False, ()),
        (CONTENT, reworded(), True, (Change.RIGHT,)),
        (
            DELIVERY,
            replace(DELIVERY, parts=DeliveryNotice(date(2026, 7, 1), DeliveryMode.POST, ("lamp",))),
            False,
            (Change.DATE,),
        ),
        (
            DELIVERY,
            replace(
                DELIVERY, parts=DeliveryNotice(date(2026, 7, 1), DeliveryMode.PICK_UP, ("lamp",))
            ),
            False,
            (Change.DATE, Change.REQUIRED_PART),
        ),
        (DELIVERY, progress("Tout autre chose."), False, (Change.REQUIRED_PART,)),
        (
            NEWS,
            replace(NEWS, parts=News(replace(EVENT.event, place="Paris"))),  # type: ignore[type-var]
            False,
            (Change.REQUIRED_PART,),
        ),
        (NEWS, replace(NEWS, parts=News()), False, (Change.DATE, Change.REQUIRED_PART)),
    ],
    ids=("words", "right", "date", "date and mode", "required section", "place", "no event"),
)
def test_what_people_must_know_of_is_told(
    before: Content, after: Content, right: bool, changes: tuple[Change, ...]
) -> None:
    """A date, a required part, a right; words alone are not, and nothing is within the window."""
    update, wanted = published(before), asked(after, right=right)
    _, revision = correct(update, wanted, LATER)
    assert revision.changes == changes and tells(revision) is bool(changes)
    _, edited = correct(update, wanted, LATER - timedelta(seconds=1))
    assert not tells(edited)


PROBLEM = dict.fromkeys((Section.PROBLEM, Section.SOLUTION, Section.ACTION_PLAN), "…")
DELAYED = Content(
    "creator-1",
    DelayNotice(ScheduleChange()),
    Visibility.PUBLIC,
    (UpdateText("fr", "Retard", "Désolés.", PROBLEM),),
)
MOVE = DateMove("lamp", 1, "delivery", date(2026, 6, 1), date(2026, 7, 1), "mould")
FIRE = Content(
    "creator-1",
    Emergency(Severity.SERIOUS, NOW.date()),
    Visibility.PUBLIC,
    (UpdateText("fr", "Feu", "Oui.", {Section.PROBLEM: "…", Section.NEXT_STEPS: "…"}),),
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CONTENT, replace(CONTENT, visibility=Visibility.BACKERS)),
        (CONTENT, replace(CONTENT, visibility=Visibility.REWARDS, rewards=("lamp",))),
        (CONTENT, replace(CONTENT, parts=News())),
        (CONTENT, replace(CONTENT, resolves=("u0",))),
        (DELAYED, replace(DELAYED, parts=DelayNotice(ScheduleChange((MOVE,))))),
        (FIRE, replace(FIRE, parts=Emergency(Severity.CRITICAL, NOW.date()))),
    ],
    ids=("readers", "rewards", "kind", "problems", "dates of the plan", "severity"),
)
def test_what_was_fixed_at_publication_stays(before: Content, after: Content) -> None:
    """What it did when it was published is not done differently behind it."""
    with pytest.raises(Refused) as refused:
        correct(published(before), asked(after), LATER)
    assert refused.value.reason == "fixed-at-publication"


@pytest.mark.parametrize(
    ("state", "wanted", "reason"),
    [
        (UpdateState.DRAFT, asked(reworded()), "not-published"),
        (UpdateState.PUBLISHED, asked(CONTENT), "nothing-changed"),
        (UpdateState.PUBLISHED, asked(reworded(), reason=" "), "reason-missing"),
        (UpdateState.PUBLISHED, asked(reworded(), number=3), "revision-taken"),
        (UpdateState.PUBLISHED, asked(reworded(details=" ")), "invalid-details"),
    ],
)
def test_what_is_no_correction_is_refused(
    state: UpdateState, wanted: Correcting, reason: str
) -> None:
    """A draft, the same again as another revision, no reason, a gap, a text that cannot be."""
    with pytest.raises(Refused) as refused:
        correct(replace(published(CONTENT), state=state), wanted, LATER)
    assert refused.value.reason == reason


async def test_a_correction_keeps_who_wrote_it(service: UpdatesService) -> None:
    """Whoever corrects stands in the history; the author stays."""
    await told(service)
    wanted = replace(asked(replace(reworded(), author_id="eve")), by="eve")
    corrected = await change(service, wanted)
    assert corrected.content.author_id == "creator-1"
    (before,) = await service.queries.revisions(CAMPAIGN, "u1", None, 9, corrections=False)
    assert before.replaced_by == "eve" and before.content == CONTENT
