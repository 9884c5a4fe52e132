"""Publishing tells the audience as of N, once; the project view follows facts in any order."""

import itertools

import pytest

from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from sosst_contracts import funding, payouts
from sosst_contracts.event import Event
from sosst_contracts.testing import sample
from sosst_contracts.updates import UpdatePublished
from updates.consumer import PLEDGES
from updates.domain.errors import Refused
from updates.domain.kinds import ProgressReport
from updates.domain.update import Audience, Content, Update, UpdateText, Visibility
from updates.handlers.publish import publish_update, write_draft

CAMPAIGN = "campaign-1"
CONTENT = Content(
    "creator-1",
    ProgressReport(),
    Visibility.PUBLIC,
    (UpdateText("fr", "Bonjour", "Tout avance."),),
)


def collected(number: int, backer: str) -> tuple[Event, int]:
    event = sample(
        funding.PledgeCollected, pledge_id=f"pledge-{number}", backer_id=backer, amount=100
    )
    return event, number


async def write(service: UpdatesService, content: Content = CONTENT) -> Update:
    return await service.units.run(
        lambda unit: write_draft(unit, CAMPAIGN, "u1", content, service.clock.now())
    )


async def publish(service: UpdatesService) -> Update:
    return await service.units.run(
        lambda unit: publish_update(unit, PLEDGES, CAMPAIGN, "u1", service.clock.now())
    )


@pytest.mark.row("S4")
async def test_the_audience_is_the_distinct_backers_as_of_the_last_sequence(
    service: UpdatesService,
) -> None:
    """Two pledges of one backer are one person, and N is the view's own position.

    It says as well as of which fact of the campaign: after its end, as of that.
    """
    await service.hear((sample(funding.CampaignLaunched), 1))
    await service.hear(collected(1, "anna"), collected(2, "anna"), collected(3, "ben"))
    await write(service)
    await service.hear((sample(funding.VerdictReached, campaign_id=CAMPAIGN), 2))
    published = await publish(service)
    assert published.audience == Audience(3, 2, 2)
    (event,) = [one for one in await service.published() if isinstance(one, UpdatePublished)]
    assert (event.pledges_sequence, event.audience_count, event.campaign_sequence) == (3, 2, 2)


async def test_whoever_withdraws_the_last_pledge_is_told_no_more(service: UpdatesService) -> None:
    """One of two leaves the person; the second takes him out; a new one brings him back."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    await service.hear(collected(1, "anna"), collected(2, "anna"), collected(3, "ben"))
    figures = []
    for sequence in (4, 5):
        pledge = {"pledge_id": f"pledge-{sequence - 3}", "backer_id": "anna", "amount": 100}
        taken_back = sample(funding.PledgeWithdrawn, before_verdict=True, **pledge)
        await service.hear((taken_back, sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        figures.append((project.backers, project.figures.pledges, project.figures.collected))
    assert figures == [(2, 2, 200), (1, 1, 100)]
    await service.hear(collected(6, "anna"))
    await write(service)
    published = await publish(service)
    assert published.audience is not None
    assert (published.audience.pledges_sequence, published.audience.count) == (6, 2)


@pytest.mark.row("S1")
async def test_publishing_again_is_the_same_answer_and_one_event(service: UpdatesService) -> None:
    """A second click, later and after more backers, changes nothing."""
    await service.hear((sample(funding.CampaignLaunched), 1), collected(1, "anna"))
    await write(service)
    first = await publish(service)
    service.clock.advance(seconds=60)
    await service.hear(collected(2, "ben"))
    again = await publish(service)
    assert (again.published_at, again.audience) == (first.published_at, first.audience)
    events = [e for e in await service.published() if isinstance(e, UpdatePublished)]
    assert [event.audience_count for event in events] == [1]


async def test_unknown_campaigns_and_drafts_are_refused(service: UpdatesService) -> None:
    """Nothing is written for a campaign that nobody launched, nothing published without a draft."""
    with pytest.raises(Refused) as refused:
        await write(service)
    assert refused.value.reason == "campaign-unknown"
    with pytest.raises(Refused) as refused:
        await publish(service)
    assert refused.value.reason == "update-unknown"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (sample(funding.VerdictReached, verdict="goal_missed"), "campaign-missed"),
        (sample(funding.CampaignCancelled), "campaign-cancelled"),
    ],
    ids=("missed", "cancelled"),
)
async def test_an_end_without_the_goal_refuses_the_draft_and_its_publication(
    service: UpdatesService, end: Event, reason: str
) -> None:
    """A draft from before is not published after a missed goal, nor after a cancellation."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    await write(service)
    await service.hear((end, 2))
    for attempt in (publish(service), write(service)):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.reason == reason
    assert await service.published() == []


async def test_backers_are_counted_by_reward_as_they_hold_it_now(service: UpdatesService) -> None:
    """A person once for each reward, whatever the number of pledges; who left is not counted."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    chosen = [("anna", "lamp"), ("anna", "lamp"), ("anna", "desk"), ("ben", "lamp"), ("cleo", None)]
    for number, (person, reward) in enumerate(chosen, start=1):
        pledge = {"pledge_id": f"p{number}", "backer_id": person, "reward_id": reward}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    counts = []
    for sequence, number in ((6, 4), (7, 1), (8, 2)):
        person, reward = chosen[number - 1]
        pledge = {"pledge_id": f"p{number}", "backer_id": person, "reward_id": reward}
        await service.hear((sample(funding.PledgeWithdrawn, **pledge), sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        counts.append(({k: v for k, v in project.backers_by_reward.items() if v}, project.backers))
    assert counts == [
        ({"lamp": 1, "desk": 1, "": 1}, 2),
        ({"lamp": 1, "desk": 1, "": 1}, 2),
        ({"desk": 1, "": 1}, 2),
    ]


FACTS: list[tuple[Event, int]] = [
    (sample(funding.CampaignLaunched), 1),
    (sample(funding.PledgePlaced, amount=500), 1),
    (sample(payouts.RefundSucceeded, amount=200), 1),
    (sample(payouts.StagePaid, stage=1, amount=100), 1),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(FACTS)))))
async def test_the_view_is_the_same_in_whatever_order_topics_are_read(
    order: tuple[int, ...],
) -> None:
    """Facts of different topics come in any order, and each of them twice."""
    service = memory_service()
    for place in order:
        await service.hear(FACTS[place], FACTS[place])
    project = await service.queries.project(CAMPAIGN)
    assert project is not None and project.profile is not None
    figures = project.figures
    assert (figures.raised, figures.refunded, figures.paid) == (500, 200, 100)
    assert {topic: as_of.sequence for topic, as_of in project.as_of.items()} == {
        event.topic: sequence for event, sequence in FACTS
    }


async def test_a_refund_that_was_paid_another_way_is_returned(service: UpdatesService) -> None:
    """It failed at the provider before; by whichever way, the backer has it."""
    failed = sample(payouts.RefundFailed, refund_id="rf_1", amount=300)
    paid = sample(payouts.RefundPaidOtherwise, refund_id="rf_1", amount=300)
    await service.hear((failed, 1), (paid, 2))
    project = await service.queries.project(CAMPAIGN)
    assert project is not None and project.figures.refunded == 300


async def test_a_refund_that_comes_back_is_taken_out_again(service: UpdatesService) -> None:
    """Failed attempts change nothing; a failure after success takes the amount back."""
    failed, done = (
        sample(kind, refund_id="rf_1", amount=300)
        for kind in (payouts.RefundFailed, payouts.RefundSucceeded)
    )
    shown = []
    for sequence, fact in enumerate((failed, done, failed, done), start=1):
        await service.hear((fact, sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        shown.append(project.figures.refunded)
    assert shown == [0, 300, 0, 300]


@pytest.mark.row("S9")
async def test_fees_are_held_until_the_last_stage_is_approved(service: UpdatesService) -> None:
    """What the campaign pays of them is no longer held; an approval that falls undoes it."""
    fees = {"platform_fee": 50, "processing_fee": 30, "tax": 20, "fees_owed": 10}
    approved = sample(payouts.StageApproved, kind="last", **fees)
    facts = (
        approved,
        sample(payouts.StageHeld, kind="last"),
        approved,
        sample(payouts.StageDue, kind="last"),
        approved,
        sample(payouts.StageCancelled, kind="last"),
        sample(payouts.StageDue, kind="second"),
        sample(payouts.StageNothingToPay, kind="last", **fees),
        sample(payouts.StageDue, kind="first"),
    )
    shown = []
    for sequence, fact in enumerate(facts, start=1):
        await service.hear((fact, sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        shown.append(project.figures.fees)
    assert shown == [90, 0, 90, 0, 90, 0, 0, 90, 90]


@pytest.mark.trap(3)
async def test_what_banks_take_of_the_campaigns_money_is_not_held(service: UpdatesService) -> None:
    """Open: what the campaign covers; won: nothing; lost: all but what others bear."""
    about = {"dispute_id": "dp_1", "amount": 900}
    facts = (
        sample(payouts.DisputeOpened, **about, reserved=700),
        sample(payouts.DisputeOpened, dispute_id="dp_2", amount=100, reserved=100),
        sample(payouts.DisputeLost, **about, owed=50, lost=100),
        sample(payouts.DisputeWon, dispute_id="dp_2", amount=100),
    )
    shown = []
    for sequence, fact in enumerate(facts, start=1):
        await service.hear((fact, sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        shown.append((project.figures.charged_back, project.figures.held))
    assert shown == [(700, -700), (800, -800), (850, -850), (750, -750)]


async def test_a_stage_that_is_set_off_is_paid_by_that(service: UpdatesService) -> None:
    """The creator's debt took all of it: it is no longer held."""
    await service.hear((sample(payouts.StageNothingToPay, stage=4, set_off=300), 1))
    project = await service.queries.project(CAMPAIGN)
    assert project is not None and project.figures.paid == 300


async def test_a_stage_that_bounces_is_no_longer_paid(service: UpdatesService) -> None:
    """Paid, returned by the bank, and paid again is one amount."""
    paid = sample(payouts.StagePaid, stage=1, amount=700)
    shown = []
    for sequence, fact in enumerate((paid, sample(payouts.StageFailed, stage=1), paid), start=1):
        await service.hear((fact, sequence))
        project = await service.queries.project(CAMPAIGN)
        assert project is not None
        shown.append(project.figures.paid)
    assert shown == [700, 0, 700]


async def test_an_unknown_verdict_does_not_stop_a_creator(service: UpdatesService) -> None:
    """A word that this release does not know is shown as unknown."""
    await service.hear((sample(funding.CampaignLaunched), 1))
    await write(service)
    project = await service.queries.project(CAMPAIGN)
    assert project is not None and project.verdict is None
    assert (await publish(service)).published_at == NOW
