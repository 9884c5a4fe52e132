"""Those who are told in another role than a backer's: creators and staff, once, when known."""

from datetime import timedelta

import pytest

from notifier.domain.audience import Consent
from notifier.domain.cause import CauseKind
from notifier.domain.chunk import ChunkState, totals_of
from notifier.domain.person import Person, PersonRole
from notifier.ports.unit import NotifierUnit
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    back,
    choose,
    collected,
    described,
    fact,
    launched,
    pledges,
    settle,
    settle_later,
    told_in_roles,
    verdict,
)
from sosst_contracts.codec import Decoded, Record, decode
from sosst_contracts.funding import CampaignLaunched, TeamChanged
from sosst_contracts.payouts import (
    HoldingLimitNear,
    MilestoneApproved,
    MilestoneRejected,
    RefundFailed,
    RefundSucceeded,
    StageDue,
    StageHeld,
)
from sosst_contracts.updates import (
    ChangedDelivery,
    DeliveryChanged,
    DeliveryNoticeAsked,
    LetterAsked,
    MilestoneSubmitted,
    PlanAsked,
    PlanPublished,
    ProblemGraded,
    PromiseAnswered,
    PromiseDue,
    PromiseMoved,
    QuestionnaireAsked,
    RecoveryPlanMissing,
    RecoveryPlanReminderDue,
    SilenceStepReached,
    SurveyClosed,
    SurveyReminderDue,
    UpdatePublished,
)


def relaunched() -> Record:
    """The next campaign of whoever made the tests' own."""
    of = {"campaign_id": "campaign-2", "relaunch_of": CAMPAIGN}
    return fact(CampaignLaunched, 1, **of, differences=[], launched_at=NOW)


async def test_creator_and_staff_are_told_of_a_stage(notifier: Notifier) -> None:
    """Each once, with a role; the same fact again, or one that came before, tells nobody again."""
    await notifier.hear(launched(), described("sam", roles=["staff"]))
    due = fact(StageDue, 1, stage=2, kind="second")
    for _ in range(2):
        await notifier.hear(due)
        await settle(notifier)
    expected = [("stage-due", "creator", "carol"), ("stage-due", "staff", "sam")]
    assert told_in_roles(notifier) == expected
    [entry] = await notifier.queries.inbox("carol", None, 5)
    assert entry.chunk.told.content == {"stage": 2, "amount": 1999, "currency": "EUR"}


async def test_whoever_is_not_known_yet_is_waited_for(notifier: Notifier) -> None:
    """A stage heard before the launch of its campaign is told when it is known whose it is."""
    await notifier.hear(fact(StageHeld, 1, reason="a question", held_at=NOW))
    await notifier.address()
    assert told_in_roles(notifier) == []
    name = f"stage-held/{CAMPAIGN}:1-{int(NOW.timestamp()) * 1_000}"
    [waiting] = await notifier.queries.unplanned(name)
    assert waiting.state is ChunkState.UNADDRESSED
    await notifier.hear(launched())
    await settle_later(notifier)
    assert told_in_roles(notifier) == [("stage-held", "creator", "carol")]


async def test_a_stage_that_is_held_again_is_told_again(notifier: Notifier) -> None:
    """Another instant is another cause."""
    later = NOW.replace(hour=13)
    await notifier.hear(launched())
    await notifier.hear(fact(StageHeld, 1, held_at=NOW), fact(StageHeld, 2, held_at=later))
    await settle(notifier)
    assert len(told_in_roles(notifier)) == 2


@pytest.mark.row("S4")
async def test_a_creator_who_backs_the_own_campaign_is_told_once(notifier: Notifier) -> None:
    """Whoever is told as a backer is not told again as its creator."""
    await notifier.hear(launched())
    await notifier.hear(*pledges(["ben", "carol"]), verdict(2, sequence=2))
    await settle_later(notifier)
    assert told_in_roles(notifier) == [
        ("verdict-reached", "backer", "ben"),
        ("verdict-reached", "backer", "carol"),
    ]
    assert len(await notifier.queries.inbox("carol", None, 5)) == 1


@pytest.mark.row("S4")
async def test_a_creator_whose_pledge_is_heard_of_late_is_told_once(notifier: Notifier) -> None:
    """Told as its creator, and not again as a backer behind N, as another late one is."""
    await notifier.hear(launched())
    await notifier.hear(*pledges(["ben"]), verdict(1, sequence=2))
    await settle_later(notifier)
    before = {"captured_at": NOW - timedelta(hours=1)}
    await notifier.hear(collected(2, "carol", **before), collected(3, "dora", **before))
    await settle_later(notifier)
    assert told_in_roles(notifier) == [
        ("verdict-reached", "backer", "ben"),
        ("verdict-reached", "backer", "dora"),
        ("verdict-reached", "creator", "carol"),
    ]
    totals = await notifier.queries.totals(f"verdict-reached/{CAMPAIGN}")
    assert (totals.delivered, totals.supplements, totals.pending) == (2, 1, 0)


@pytest.mark.row("S4")
@pytest.mark.parametrize("late", [False, True], ids=["backer", "heard of late"])
async def test_whoever_has_everything_back_is_told_in_their_role(
    notifier: Notifier, late: bool
) -> None:
    """As its backer they are counted, and told nothing: creator and staff are told all the same."""
    names = ["ben", "carol", "sam"]
    before = {"captured_at": NOW - timedelta(hours=1)}
    joined = [collected(number, who, **before) for number, who in enumerate(names, 1)]
    returned = [back(f"pledge-{number}", who, number) for number, who in enumerate(names, 1)]
    as_of = dict.fromkeys(("pledges_sequence", "audience_count"), 1 if late else len(names))
    missing = fact(RecoveryPlanMissing, 1, **as_of, campaign_sequence=None, missed_at=NOW)
    await notifier.hear(launched(), described("sam", roles=["staff"]), *joined, *returned, missing)
    await settle_later(notifier)
    in_role = [who for _, role, who in told_in_roles(notifier) if role != "backer"]
    assert in_role == ["carol", "sam"]
    inboxes = {who: await notifier.queries.inbox(who, None, 5) for who in names}
    kinds = {who: [one.chunk.told.kind for one in inboxes[who]] for who in names}
    shown = {who: kinds[who].count(CauseKind.RECOVERY_PLAN_MISSING) for who in names}
    assert shown == {"ben": 0, "carol": 1, "sam": 1}


async def test_a_verdict_is_told_to_its_creator_too(notifier: Notifier) -> None:
    """Beside the backers, whose figures stay those of the campaign."""
    await notifier.hear(launched())
    await notifier.hear(*pledges(["ben"]), verdict(1, sequence=2))
    await settle_later(notifier)
    assert ("verdict-reached", "creator", "carol") in told_in_roles(notifier)
    totals = await notifier.queries.totals(f"verdict-reached/{CAMPAIGN}")
    assert (totals.delivered, totals.pending) == (1, 0)


async def test_a_list_names_whom_it_reminds(notifier: Notifier) -> None:
    """Each of them once, whoever stands there twice too."""
    await notifier.hear(fact(SurveyReminderDue, 1, backers=["ben", "anna", "ben"]))
    await settle(notifier)
    assert [who for _, _, who in told_in_roles(notifier)] == ["anna", "ben"]


async def test_a_questionnaire_is_told_to_whom_it_asks_and_again_with_its_last_notice(
    notifier: Notifier,
) -> None:
    """Each part is a cause of its own: who was asked hears of the end, nobody else of either."""
    asked = {"reward_id": "lamp", "backers": ["anna", "ben"], "pledges": ["p1", "p2"]}
    ends = {"part": 2, "backers": ["anna"], "pledges": ["p1"], "locks_at": NOW}
    await notifier.hear(launched())
    await notifier.hear(fact(QuestionnaireAsked, 1, **asked, part=1, locks_at=None))
    await notifier.hear(fact(QuestionnaireAsked, 2, **(asked | ends)))
    await settle_later(notifier)
    assert sorted(told_in_roles(notifier)) == [
        ("questionnaire-asked", "backer", "anna"),
        ("questionnaire-asked", "backer", "anna"),
        ("questionnaire-asked", "backer", "ben"),
    ]


@pytest.mark.row("S11")
async def test_a_reward_on_its_way_is_told_to_those_whose_reward_moved(notifier: Notifier) -> None:
    """Not to the one whose own word it was; a notice that is owed is asked of the creator."""
    anna, ben = (
        ChangedDelivery(backer_id=who, old="preparing", new="shipped") for who in ("anna", "ben")
    )
    await notifier.hear(launched())
    await notifier.hear(fact(DeliveryChanged, 1, changes=[anna, ben], changed_by="carol"))
    came = {"change_id": "c2", "changes": [anna], "changed_by": "anna", "state": "received"}
    await notifier.hear(fact(DeliveryChanged, 2, **came), fact(DeliveryNoticeAsked, 3))
    await settle_later(notifier)
    assert sorted(told_in_roles(notifier)) == [
        ("delivery-changed", "backer", "anna"),
        ("delivery-changed", "backer", "ben"),
        ("delivery-notice-asked", "creator", "carol"),
    ]


async def test_a_failed_refund_is_told_to_its_backer_and_to_staff(notifier: Notifier) -> None:
    """A member of staff who is its backer is told as that."""
    await notifier.hear(*(described(name, roles=["staff"]) for name in ("sam", "ben")))
    await notifier.hear(fact(RefundFailed, 1, backer_id="ben"))
    await settle(notifier)
    assert [(role, who) for _, role, who in told_in_roles(notifier)] == [
        ("backer", "ben"),
        ("staff", "sam"),
    ]


async def test_a_refund_that_came_back_is_told_to_its_backer_and_to_staff(
    notifier: Notifier,
) -> None:
    """Staff, who hear of no success, hear that it failed after one (decision 0053)."""
    await notifier.hear(described("sam", roles=["staff"]))
    of = {"backer_id": "ben", "refund_id": "rf_1"}
    failed = fact(RefundFailed, 2, **of, attempt=1, failed_at=NOW + timedelta(days=3))
    await notifier.hear(fact(RefundSucceeded, 1, **of, succeeded_at=NOW), failed)
    await settle(notifier)
    assert told_in_roles(notifier) == [
        ("refund-failed", "backer", "ben"),
        ("refund-failed", "staff", "sam"),
        ("refund-succeeded", "backer", "ben"),
    ]


@pytest.mark.row("S15")
async def test_a_relaunch_is_told_to_old_backers_who_agreed(notifier: Notifier) -> None:
    """Consent to a relaunch, or to keep in touch; nobody else, and nobody of a new campaign."""
    await notifier.hear(*pledges(["anna", "ben", "carl", "dora"]))
    await choose(notifier, "anna", Consent.RELAUNCH)
    await choose(notifier, "ben", Consent.KEEP_IN_TOUCH)
    await choose(notifier, "carl", Consent.NOTHING)
    new = fact(CampaignLaunched, 1, campaign_id="campaign-3", launched_at=NOW)
    await notifier.hear(relaunched(), new)
    await settle_later(notifier)
    expected = [("campaign-launched", "former_backer", who) for who in ("anna", "ben")]
    assert told_in_roles(notifier) == expected


async def test_more_than_a_chunk_holds_is_told_in_several(notifier: Notifier) -> None:
    """Of 1,001 who agreed everybody is told once, and the figures are of all of them."""
    people = [f"p{number:04}" for number in range(1_001)]

    async def agree(unit: NotifierUnit) -> None:
        for person in people:
            await unit.consents.choose(CAMPAIGN, person, Consent.RELAUNCH)

    await notifier.units.run(agree)
    await notifier.hear(relaunched())
    await settle_later(notifier)
    assert [who for _, _, who in told_in_roles(notifier)] == people
    name = f"campaign-launched/campaign-2:{int(NOW.timestamp()) * 1_000}"
    assert totals_of(await notifier.queries.unplanned(name)).delivered == 1_001


async def test_everybody_of_a_large_staff_is_told(notifier: Notifier) -> None:
    """However many they are: nobody is left out where a chunk is full."""
    staff = [f"s{number:04}" for number in range(1_001)]
    known = [Person(one, NOW, roles=frozenset({PersonRole.STAFF})) for one in staff]
    await notifier.units.run(lambda unit: unit.people.save(known))
    await notifier.hear(fact(HoldingLimitNear, 1))
    await settle(notifier)
    assert told_in_roles(notifier) == [("holding-limit-near", "staff", one) for one in staff]


async def test_the_team_is_told_as_its_creator_is(notifier: Notifier) -> None:
    """Who is in it when it is told; a team of an unknown campaign is nobody's."""
    member = {"roles": ["editor"]}
    for sequence, names in ((2, ["carol", "tim"]), (3, ["carol", "tom"])):
        members = [{"person_id": name, **member} for name in names]
        changed = fact(TeamChanged, sequence, members=members, changed_at=NOW)
        await notifier.hear(*([launched()] if sequence == 2 else []), changed)
    await notifier.hear(fact(StageHeld, 1, held_at=NOW))
    await settle(notifier)
    assert [who for _, _, who in told_in_roles(notifier)] == ["carol", "tom"]


DAY = timedelta(days=1)
LATER = NOW + timedelta(minutes=1)
EMERGENCY = {"kind": "recovery_plan", "answers": "u"}
LETTER = {"kind": "failure_letter"}
NOTICE = {"kind": "delivery_notice", "rewards": ["book", "lamp"]}
LOWERED = {"kind": "delay_notice", "severity": None, "pledges_sequence": None}
DUE = {"reward_id": "lamp", "batch": 1, "step": "delivery"}


@pytest.mark.trap(11)
@pytest.mark.parametrize("told_before", [True, False], ids=["told", "not yet addressed"])
@pytest.mark.parametrize(
    ("asked", "other", "end"),
    [
        (
            fact(PromiseDue, 1, **DUE, days_before=30, due_at=NOW),
            fact(PromiseDue, 2, **(DUE | {"reward_id": "lamp-1-delivery"}), due_at=NOW),
            fact(answer, 3, **DUE, **at),
        )
        for answer, at in (
            (PromiseAnswered, {"answered_at": LATER}),
            (PromiseMoved, {"moved_at": LATER}),
        )
    ]
    + [
        (
            fact(RecoveryPlanReminderDue, 1, update_id="u", reminded_at=NOW),
            fact(RecoveryPlanReminderDue, 2, update_id="u-1", reminded_at=NOW),
            fact(UpdatePublished, 3, **EMERGENCY, published_at=LATER),
        ),
        (
            fact(RecoveryPlanReminderDue, 1, update_id="u", reminded_at=NOW),
            fact(RecoveryPlanReminderDue, 2, update_id="u-1", reminded_at=NOW),
            fact(ProblemGraded, 3, update_id="u", **LOWERED, graded_at=LATER),
        ),
        (
            fact(LetterAsked, 1, **LETTER, occasion="campaign_ended", asked_at=NOW),
            fact(LetterAsked, 2, kind="thank_you", occasion="verdict", asked_at=NOW),
            fact(UpdatePublished, 3, **LETTER, published_at=LATER),
        ),
        (
            fact(PlanAsked, 1, asked_at=NOW),
            fact(PlanAsked, 2, asked_at=LATER + DAY),
            fact(PlanPublished, 3, rewards_missing=0, published_at=LATER),
        ),
        (
            fact(SilenceStepReached, 1, step="creator_reminded", reached_at=NOW),
            fact(SilenceStepReached, 2, step="stage_held", reached_at=LATER + DAY),
            fact(UpdatePublished, 3, author_id="carol", published_at=LATER),
        ),
    ],
    ids=[
        "promise answered",
        "promise moved",
        "recovery plan",
        "lowered",
        "letter",
        "plan",
        "silence",
    ],
)
async def test_a_creator_is_not_asked_for_what_was_done(
    notifier: Notifier, asked: Record, other: Record, end: Record, told_before: bool
) -> None:
    """Who was told sees that it is over; another thing, though its name begins alike, is asked."""
    await notifier.hear(launched())
    for facts in ([asked, other], [end]) if told_before else ([asked, other, end],):
        await notifier.hear(*facts)
        await settle_later(notifier)
    # Its team is told that a problem was lowered, too.
    shown = [
        entry
        for entry in await notifier.queries.inbox("carol", None, 9)
        if entry.chunk.told.kind is not CauseKind.PROBLEM_GRADED
    ]
    over = [entry.chunk.reason_gone for entry in shown]
    assert sorted(over) == ([False, True] if told_before else [False])
    [open_one] = [entry.chunk.told for entry in shown if not entry.chunk.reason_gone]
    assert open_one.origin is not None and open_one.origin.fact_id == decoded_id(other)


@pytest.mark.trap(11)
@pytest.mark.parametrize("missing", [1, None], ids=["one of two", "an earlier release"])
async def test_a_plan_that_leaves_a_reward_out_leaves_the_question(
    notifier: Notifier, missing: int | None
) -> None:
    """So does one that does not say how many have none: its creator is asked."""
    published = fact(PlanPublished, 2, rewards_missing=missing, published_at=LATER)
    await notifier.hear(launched(), fact(PlanAsked, 1, asked_at=NOW), published)
    await settle_later(notifier)
    [entry] = await notifier.queries.inbox("carol", None, 5)
    assert (entry.chunk.told.kind.value, entry.chunk.reason_gone) == ("plan-asked", False)


SURVEY = {"survey_id": "s", "backers": ["carol"], "due_at": NOW}
EVIDENCE = {"stage": 2, "submitted_at": NOW}
DECIDED = {"stage": 2, "revision": 1}


@pytest.mark.trap(11)
@pytest.mark.parametrize(
    ("asked", "other", "end"),
    [
        (
            fact(SurveyReminderDue, 1, **SURVEY, reminder=1, part=1),
            fact(SurveyReminderDue, 2, **(SURVEY | {"survey_id": "s-1"}), reminder=1, part=1),
            fact(SurveyClosed, 3, survey_id="s", closed_at=LATER),
        ),
        (
            fact(DeliveryNoticeAsked, 1, reward_id="lamp", asked_at=NOW),
            fact(DeliveryNoticeAsked, 2, reward_id="lamp-1", asked_at=NOW),
            fact(UpdatePublished, 1, **NOTICE, published_at=LATER),
        ),
        (
            # The platform's own word for its creator, whose silence goes on.
            fact(DeliveryNoticeAsked, 1, reward_id="lamp", asked_at=NOW),
            fact(SilenceStepReached, 1, step="creator_reminded", reached_at=NOW),
            fact(UpdatePublished, 2, **NOTICE, author_id="suite", published_at=LATER),
        ),
        (
            # Evidence comes to payouts by two ways, and is counted there.
            fact(MilestoneSubmitted, 1, **EVIDENCE, revision=5),
            fact(MilestoneSubmitted, 2, **(EVIDENCE | {"stage": 3}), revision=1),
            fact(MilestoneApproved, 1, **DECIDED, approved_at=LATER),
        ),
        (
            fact(MilestoneSubmitted, 1, **EVIDENCE, revision=1),
            fact(MilestoneSubmitted, 2, **EVIDENCE, revision=11),
            fact(MilestoneRejected, 1, **DECIDED, rejected_at=LATER),
        ),
        (
            # Of a milestone only the latest evidence is decided about.
            fact(MilestoneSubmitted, 1, **EVIDENCE, revision=1),
            fact(MilestoneSubmitted, 2, **EVIDENCE, revision=2),
            None,
        ),
    ],
    ids=["survey closed", "notice", "platform's notice", "approved", "rejected", "other evidence"],
)
async def test_nobody_is_asked_for_what_is_over(
    notifier: Notifier, asked: Record, other: Record, end: Record | None
) -> None:
    """A closed survey takes no answer, evidence that was decided no decision, and so on."""
    await notifier.hear(launched(), described("carol", roles=["staff"]))
    for facts in ([asked, other], [end]) if end else ([asked], [other]):
        await notifier.hear(*facts)
        await settle_later(notifier)
    shown = [entry.chunk for entry in await notifier.queries.inbox("carol", None, 9)]
    origins = {one.reason_gone: one.told.origin for one in shown if one.told.origin}
    over = {gone: origin.fact_id for gone, origin in origins.items()}
    assert over == {True: decoded_id(asked), False: decoded_id(other)}


def decoded_id(record: Record) -> str:
    found = decode(record)
    assert isinstance(found, Decoded)
    return found.envelope.id
