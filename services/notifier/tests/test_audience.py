"""Who of an audience is told: refunded, ended, by rewards, too old, heard of too late."""

from datetime import timedelta
from itertools import permutations

import pytest
from prometheus_client import REGISTRY

from infra.servicekit.tests.costs import cost_of
from notifier.domain.audience import (
    CampaignEnd,
    Consent,
    Ending,
    Hushed,
    Limit,
    is_too_old,
    limit_of,
    rewards_of,
)
from notifier.domain.cause import CauseKind, Told, audience_so_far
from notifier.ports.audience import Returned
from notifier.ports.unit import NotifierUnit
from servicekit.mongo import Database
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    Notifier,
    back,
    choose,
    collected,
    events_of,
    fact,
    launched,
    missed,
    pledges,
    settle,
    update,
    verdict,
    withdrawn,
)
from services.notifier.tests.conftest import mongo_notifier
from sosst_contracts.codec import Record
from sosst_contracts.funding import CampaignCancelled
from sosst_contracts.notifier import BackerNotified, NoticeCompleted
from sosst_contracts.payouts import RefundFailed
from sosst_contracts.updates import UpdateCorrected

BACKERS = ["anna", "ben", "carl"]
UPDATE = f"update-published/{CAMPAIGN}:update-1"
LETTER = f"update-published/{CAMPAIGN}:letter"
FOR_LAMPS = {"visibility": "rewards", "visible_to_rewards": ["lamp"]}


def cancelled(as_of: int, sequence: int = 1, **changes: object) -> Record:
    return fact(CampaignCancelled, sequence, pledges_sequence=as_of, **changes)


def letter(as_of: int, sequence: int = 1) -> Record:
    values = {"kind": "failure_letter", "visibility": "public", "update_id": "letter"}
    return update(as_of, as_of, sequence, **values)


async def in_inbox(notifier: Notifier, cause: str) -> list[str]:
    """Return which backers find this cause in their inbox."""
    found = []
    for person in BACKERS:
        entries = await notifier.queries.inbox(person, None, 20)
        found += [person for entry in entries if entry.chunk.told.cause == cause]
    return found


def on_topic(notifier: Notifier, cause: str) -> list[str]:
    events = events_of(notifier.publisher)
    backers = [one for one in events if isinstance(one, BackerNotified)]
    return sorted({event.recipient_id for event in backers if event.cause == cause})


async def figures(notifier: Notifier, cause: str) -> tuple[int, int, int]:
    """Return delivered, suppressed, pending; they add up."""
    totals = await notifier.queries.totals(cause)
    found = await notifier.queries.cause(cause)
    assert found is not None and totals.gap(audience_so_far(found, totals)) == 0
    return totals.delivered, totals.suppressed, totals.pending


def told_of(cause_kind: CauseKind, **content: object) -> Told:
    return Told(cause_kind, "one", CAMPAIGN, NOW, content)


@pytest.mark.parametrize("ending", [None, *Ending])
def test_what_the_verdicts_backers_are_owed_reaches_them_whatever_happened(
    ending: Ending | None,
) -> None:
    """Verdict, cancellation and the failure letter; news of an ended campaign needs consent.

    From the very instant of its end on, and always where that instant was not kept.
    """
    before, behind = NOW - timedelta(milliseconds=1), NOW + timedelta(milliseconds=1)
    owed = [told_of(CauseKind.VERDICT_REACHED), told_of(CauseKind.CAMPAIGN_CANCELLED)]
    owed.append(told_of(CauseKind.UPDATE_PUBLISHED, kind="failure_letter"))
    ends = {at: CampaignEnd(ending, at) if ending else None for at in (None, before, NOW, behind)}
    assert {limit_of(told, end) for told in owed for end in ends.values()} == {Limit.EVERYBODY}
    failed = ending in (Ending.MISSED, Ending.CANCELLED)
    expected = dict.fromkeys(ends, Limit.CONSENTING if failed else Limit.NOT_REFUNDED)
    expected[behind] = Limit.NOT_REFUNDED
    for news in ("progress_report", "news", "emergency"):
        told = told_of(CauseKind.UPDATE_PUBLISHED, kind=news)
        assert {at: limit_of(told, end) for at, end in ends.items()} == expected


def test_an_end_counts_for_what_was_made_by_somebody_who_knew_of_it() -> None:
    """Whatever the two clocks say; where what the maker knew was not said, the instants decide."""
    news = told_of(CauseKind.UPDATE_PUBLISHED, kind="news")
    for at in (NOW - timedelta(hours=1), NOW + timedelta(hours=1), None):
        end = CampaignEnd(Ending.MISSED, at, 3)
        limits = [limit_of(news, end, knew) for knew in (2, 3, 4)]
        assert limits == [Limit.NOT_REFUNDED, Limit.CONSENTING, Limit.CONSENTING]
    unsaid = CampaignEnd(Ending.MISSED, NOW + timedelta(hours=1), None)
    assert limit_of(news, unsaid, 4) is limit_of(news, unsaid) is Limit.NOT_REFUNDED


def test_an_update_for_some_rewards_names_them() -> None:
    """Any other update is for all; one that names none is for nobody."""
    kind = CauseKind.UPDATE_PUBLISHED
    assert rewards_of(told_of(kind, visibility="public", rewards=["lamp"])) is None
    assert rewards_of(told_of(kind, visibility="rewards", rewards=["lamp"])) == {"lamp"}
    assert rewards_of(told_of(kind, visibility="rewards")) == frozenset()


def test_nobody_is_asked_where_nobody_is_hushed() -> None:
    """Without an exception there is nothing to look at; each exception has its reason."""
    assert not Hushed() and Hushed(consenting=()) and Hushed(rewarded={"anna"})
    hushed = Hushed({"ben"}, {"anna", "ben"}, {"anna", "carl"})
    assert hushed.among(BACKERS) == {"ben": "refunded", "carl": "no-consent"}
    assert Hushed(rewarded={"anna"}).among(["anna", "ben"]) == {"ben": "other-rewards"}


def test_what_is_two_weeks_old_is_not_told() -> None:
    """At fourteen days it still is."""
    told = told_of(CauseKind.VERDICT_REACHED)
    assert not is_too_old(told, NOW + timedelta(days=14))
    assert is_too_old(told, NOW + timedelta(days=14, seconds=1))


async def test_whoever_has_everything_back_of_a_met_campaign_is_not_told(
    notifier: Notifier,
) -> None:
    """The event exists and is suppressed, the inbox silent; one pledge of two is not all."""
    await notifier.hear(*pledges([*BACKERS, "anna"]), verdict(4))
    await notifier.hear(back("pledge-1", "anna", 1), back("pledge-2", "ben", 2))
    await notifier.hear(back("pledge-3", "carl", 3, fully=False), update(4, 3))
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == BACKERS
    assert await in_inbox(notifier, UPDATE) == ["anna", "carl"]
    assert await figures(notifier, UPDATE) == (2, 1, 0)
    facts = await notifier.facts()
    [completed] = [f for f in facts if isinstance(f, NoticeCompleted) and f.cause == UPDATE]
    assert (completed.delivered, completed.suppressed) == (2, 1)


async def test_a_refund_that_did_not_arrive_after_all_makes_a_backer_again(
    notifier: Notifier,
) -> None:
    """The last word on the pledge counts."""
    failed = fact(RefundFailed, 2, pledge_id="pledge-1", backer_id="anna")
    await notifier.hear(*pledges(["anna"]), verdict(1))
    await notifier.hear(back("pledge-1", "anna", 1), failed, update(1, 1))
    await settle(notifier)
    assert await in_inbox(notifier, UPDATE) == ["anna"]


@pytest.mark.trap(25)
@pytest.mark.row("S14")
async def test_a_failure_letter_reaches_everybody_although_all_are_refunded(
    notifier: Notifier,
) -> None:
    """The verdict's backers get it, with their money back and without having asked."""
    await notifier.hear(*pledges(BACKERS), missed(3))
    returned = [back(f"pledge-{n}", who, n) for n, who in enumerate(BACKERS, 1)]
    await notifier.hear(*returned, letter(3))
    await settle(notifier)
    assert await in_inbox(notifier, LETTER) == on_topic(notifier, LETTER) == BACKERS
    assert await figures(notifier, LETTER) == (3, 0, 0)


@pytest.mark.row("S16")
@pytest.mark.parametrize("ended", ["missed", "cancelled"])
async def test_news_of_an_ended_campaign_is_for_those_who_asked(
    notifier: Notifier, ended: str
) -> None:
    """Keep in touch: yes; only a relaunch, or nothing said: no."""
    end = missed(3) if ended == "missed" else cancelled(3)
    await notifier.hear(*pledges(BACKERS), end)
    await choose(notifier, "anna", Consent.KEEP_IN_TOUCH)
    await choose(notifier, "ben", Consent.RELAUNCH)
    await notifier.hear(update(3, 3))
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == BACKERS
    assert await in_inbox(notifier, UPDATE) == ["anna"]
    assert await figures(notifier, UPDATE) == (1, 2, 0)


@pytest.mark.parametrize("ended", ["missed", "cancelled"])
async def test_news_from_before_the_end_is_for_all_backers_although_the_end_was_heard_first(
    notifier: Notifier, ended: str
) -> None:
    """Nobody could have agreed to it, and what is back is back because of the end."""
    at = NOW + timedelta(hours=1)
    end = missed(3, at=at) if ended == "missed" else cancelled(3, cancelled_at=at)
    await notifier.hear(*pledges(BACKERS), end, back("pledge-3", "carl", 1, at=at))
    await choose(notifier, "anna", Consent.KEEP_IN_TOUCH)
    behind = update(3, 3, sequence=2, update_id="update-2", published_at=at)
    await notifier.hear(update(3, 3), behind)
    await settle(notifier)
    assert await in_inbox(notifier, UPDATE) == BACKERS
    assert await figures(notifier, UPDATE) == (3, 0, 0)
    assert await in_inbox(notifier, f"update-published/{CAMPAIGN}:update-2") == ["anna"]


async def test_what_was_kept_without_its_instant_counts_for_every_cause(
    database: Database,
) -> None:
    """The release before kept none, nor of what went back."""
    notifier = mongo_notifier(database)
    old = {"campaign_id": "met", "pledge_id": "pledge-1", "backer_id": "anna", "again": False}
    await database.collection("returned").insert_one(old)
    await notifier.hear(*pledges(["anna", "ben"], "met"))
    assert await notifier.audience.refunded("met", 2, NOW) == {"anna"}
    await database.collection("endings").insert_one({"_id": CAMPAIGN, "ending": "goal_missed"})
    assert await notifier.audience.ending(CAMPAIGN) == CampaignEnd(Ending.MISSED, None)
    await notifier.hear(*pledges(BACKERS), update(3, 3))
    await settle(notifier)
    assert await figures(notifier, UPDATE) == (0, 3, 0)


async def test_old_facts_are_not_told(notifier: Notifier) -> None:
    """Neither a verdict nor a refund of a month ago; they are facts all the same."""
    notifier.clock.advance(days=30)
    await notifier.hear(*pledges(BACKERS), missed(3), back("pledge-1", "anna", 1))
    await settle(notifier)
    assert await notifier.queries.inbox("anna", None, 5) == []
    assert await notifier.audience.ending(CAMPAIGN) == CampaignEnd(Ending.MISSED, NOW, 1)
    assert await notifier.audience.refunded(CAMPAIGN, 3, NOW) == {"anna"}


@pytest.mark.parametrize("before_the_cause", [False, True], ids=["behind it", "before it"])
async def test_a_backer_behind_n_whose_money_had_come_is_a_supplement(
    notifier: Notifier, before_the_cause: bool
) -> None:
    """In whichever order they are heard of; once, and none who came later or belongs already."""
    earlier, later = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    counted = REGISTRY.get_sample_value("sosst_notifier_supplements_total") or 0
    await notifier.hear(*pledges(["anna"]))
    if not before_the_cause:
        await notifier.hear(update(1, 1))
        await settle(notifier)
    late = [
        collected(2, "ben", captured_at=earlier),
        collected(3, "carl", captured_at=later),
        collected(4, "anna", captured_at=earlier),
    ]
    for _ in range(2):
        await notifier.hear(*late)
        await notifier.hear(update(1, 1))
        await settle(notifier)
    assert on_topic(notifier, UPDATE) == ["anna", "ben"]
    totals = await notifier.queries.totals(UPDATE)
    assert (totals.delivered, totals.supplements, totals.pending) == (2, 1, 0)
    assert await figures(notifier, UPDATE) == (2, 0, 0)
    assert REGISTRY.get_sample_value("sosst_notifier_supplements_total") == counted + 1


@pytest.mark.parametrize("before_the_cause", [False, True], ids=["behind it", "before it"])
async def test_whoever_withdrew_and_pledged_again_before_a_cause_is_told(
    notifier: Notifier, before_the_cause: bool
) -> None:
    """As of N they had left, and their new money had come: a supplement, told once."""
    again = collected(3, "anna", captured_at=NOW - timedelta(hours=1))
    await notifier.hear(collected(1, "anna"), withdrawn(2, "anna", "pledge-1"))
    if not before_the_cause:
        await notifier.hear(update(2, 0))
        await settle(notifier)
    for _ in range(2):
        await notifier.hear(again)
        await notifier.hear(update(2, 0))
        await settle(notifier)
    assert on_topic(notifier, UPDATE) == await in_inbox(notifier, UPDATE) == ["anna"]
    totals = await notifier.queries.totals(UPDATE)
    assert (totals.delivered, totals.supplements) == (1, 1)
    assert await figures(notifier, UPDATE) == (1, 0, 0)


@pytest.mark.parametrize("before_the_cause", [False, True], ids=["behind it", "before it"])
@pytest.mark.parametrize(
    ("became", "reason", "changes"),
    [
        ([], "other-rewards", FOR_LAMPS),
        ([missed(1)], "no-consent", {}),
        ([verdict(1), back("pledge-2", "ben", 1)], "refunded", {}),
    ],
    ids=["rewards", "missed", "refunded"],
)
async def test_a_supplement_passes_the_same_sieve_as_the_audience(
    notifier: Notifier,
    became: list[Record],
    reason: str,
    changes: dict[str, object],
    before_the_cause: bool,
) -> None:
    """Ben's event exists and is counted, his inbox is silent; Carl is told as ever."""
    earlier = NOW - timedelta(hours=1)
    await notifier.hear(collected(1, "anna", reward_id="lamp"), *became)
    for person in ("anna", "carl"):
        await choose(notifier, person, Consent.KEEP_IN_TOUCH)
    news = update(1, 1, **changes)
    if not before_the_cause:
        await notifier.hear(news)
        await settle(notifier)
    await notifier.hear(
        collected(2, "ben", captured_at=earlier, reward_id="book"),
        collected(3, "carl", captured_at=earlier, reward_id="lamp"),
    )
    await notifier.hear(news)
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == BACKERS
    assert await in_inbox(notifier, UPDATE) == ["anna", "carl"]
    assert await figures(notifier, UPDATE) == (2, 1, 0)
    assert (await notifier.queries.totals(UPDATE)).supplements == 2
    kept = await notifier.queries.chunk(f"{UPDATE}|supplement|ben")
    assert kept is not None and kept.suppressed == {"ben": reason}


@pytest.mark.parametrize("before_the_cause", [False, True], ids=["behind it", "before it"])
async def test_whoever_had_left_again_by_a_cause_is_no_supplement(
    notifier: Notifier, before_the_cause: bool
) -> None:
    """Ben took his pledge back before the update; Carl did so after it, and belonged."""
    earlier, later = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    await notifier.hear(collected(1, "anna"))
    if not before_the_cause:
        await notifier.hear(update(1, 1))
        await settle(notifier)
    await notifier.hear(
        collected(2, "ben", captured_at=earlier),
        withdrawn(3, "ben", "pledge-2", withdrawn_at=NOW),
        collected(4, "carl", captured_at=earlier),
        withdrawn(5, "carl", "pledge-4", withdrawn_at=later),
    )
    await notifier.hear(update(1, 1))
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == await in_inbox(notifier, UPDATE) == ["anna", "carl"]
    assert (await notifier.queries.totals(UPDATE)).supplements == 1


async def test_a_pledge_that_was_taken_back_decides_nothing(notifier: Notifier) -> None:
    """Neither its reward, nor that its money is not back where all other money is."""
    joined = [collected(1, "anna", reward_id="lamp"), collected(3, "anna", reward_id="book")]
    await notifier.hear(joined[0], withdrawn(2, "anna", "pledge-1"), joined[1])
    await notifier.hear(verdict(3), back("pledge-3", "anna", 1))
    audience = notifier.audience
    assert await audience.with_rewards(CAMPAIGN, 1, ["lamp"]) == {"anna"}
    assert await audience.with_rewards(CAMPAIGN, 3, ["lamp"]) == set()
    assert await audience.with_rewards(CAMPAIGN, 3, ["book"]) == {"anna"}
    assert await audience.refunded(CAMPAIGN, 1, NOW) == set()
    assert await audience.refunded(CAMPAIGN, 3, NOW) == {"anna"}


async def test_stores_keep_what_decides_who_is_told(notifier: Notifier) -> None:
    """Endings, returned pledges, consents and rewards, by campaign; the last word of each."""

    async def keep(unit: NotifierUnit) -> None:
        met, cancelled = CampaignEnd(Ending.MET, NOW, 1), CampaignEnd(Ending.CANCELLED, NOW, 2)
        await unit.endings.add({CAMPAIGN: met})
        await unit.endings.add({CAMPAIGN: cancelled, "other": met})
        returned = [
            Returned(CAMPAIGN, "pledge-1", "anna", NOW),
            Returned("other", "pledge-2", "ben", NOW),
        ]
        await unit.returned.save(returned)

    joined = [collected(1, "anna", reward_id="lamp"), collected(2, "ben", reward_id="book")]
    await notifier.hear(*joined, collected(3, "carl", reward_id="lamp"))
    for _ in range(2):
        await notifier.units.run(keep)
    audience = notifier.audience
    assert await audience.ending(CAMPAIGN) == CampaignEnd(Ending.CANCELLED, NOW, 2)
    assert await audience.ending("unheard") is None
    assert await audience.refunded(CAMPAIGN, 3, NOW) == {"anna"}
    assert await audience.refunded(CAMPAIGN, 0, NOW) == set()
    assert await audience.refunded(CAMPAIGN, 3, NOW - timedelta(milliseconds=1)) == set()
    assert await audience.with_rewards(CAMPAIGN, 3, ["lamp"]) == {"anna", "carl"}
    assert await audience.with_rewards(CAMPAIGN, 2, ["lamp", "book"]) == {"anna", "ben"}
    for person, choice in (("ben", Consent.RELAUNCH), ("anna", Consent.KEEP_IN_TOUCH)):
        await choose(notifier, person, Consent.NOTHING)
        await choose(notifier, person, choice)
    assert await audience.consenting(CAMPAIGN, [Consent.RELAUNCH]) == {"ben"}
    both = [Consent.RELAUNCH, Consent.KEEP_IN_TOUCH]
    for after, limit, page in (
        ("", 5, ["anna", "ben"]),
        ("", 1, ["anna"]),
        ("anna", 5, ["ben"]),
        ("ben", 5, []),
    ):
        place = (CAMPAIGN, both, after, limit)
        found = await notifier.units.run(lambda u, place=place: u.consents.page(*place))
        assert found == page
    await notifier.units.run(lambda unit: unit.consents.forget(["anna"]))
    assert await notifier.units.run(lambda u: u.consents.of(CAMPAIGN, "anna")) is Consent.NOTHING


async def test_a_page_of_ten_thousand_who_agreed_reads_a_page(database: Database) -> None:
    """By its index, both choices in one order, nothing sorted; of other campaigns nothing."""
    await database.collection("consents").insert_many(
        [
            {
                "_id": {"campaign_id": campaign, "person_id": f"p{number:05}"},
                "campaign_id": campaign,
                "person_id": f"p{number:05}",
                "choice": (Consent.RELAUNCH, Consent.KEEP_IN_TOUCH)[number % 2].value,
            }
            for number in range(10_000)
            for campaign in (CAMPAIGN, "other")
        ]
    )
    run, both = mongo_notifier(database).units.run, [Consent.RELAUNCH, Consent.KEEP_IN_TOUCH]
    place = (CAMPAIGN, both, "p05000", 1_000)
    cost = await cost_of(database, lambda: run(lambda unit: unit.consents.page(*place)))
    assert (cost.documents, cost.returned, cost.sorted) == (1_000, 1_000, False)
    # One more is looked at of the choice whose turn is not.
    assert cost.keys <= 1_002


async def test_an_update_for_some_rewards_is_in_their_inboxes_alone(notifier: Notifier) -> None:
    """Its event exists for everybody; whoever chose something else is suppressed and counted."""
    joined = [collected(1, "anna", reward_id="lamp"), collected(2, "ben", reward_id="book")]
    await notifier.hear(*joined, update(2, 2, **FOR_LAMPS))
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == ["anna", "ben"]
    assert await in_inbox(notifier, UPDATE) == ["anna"]
    assert await figures(notifier, UPDATE) == (1, 1, 0)


async def test_a_correction_that_changes_a_promise_is_told_once(notifier: Notifier) -> None:
    """One that only mends words is told to nobody; the next revision is another cause."""
    await notifier.hear(*pledges(["anna"]))
    for sequence, tells in ((1, False), (2, True), (3, True)):
        of = {"revision": sequence + 1, "pledges_sequence": 1, "audience_count": 1}
        await notifier.hear(fact(UpdateCorrected, sequence, **of, tells=tells, corrected_at=NOW))
    await settle(notifier)
    told = {entry.chunk.told.cause for entry in await notifier.queries.inbox("anna", None, 5)}
    prefix = f"update-corrected/{CAMPAIGN}:update-1"
    assert told == {f"{prefix}-3", f"{prefix}-4"}


async def assert_only_anna_is_told(notifier: Notifier) -> None:
    """Once the plan that waited has looked again, of all who are in the audience."""
    notifier.clock.advance(seconds=1)
    await settle(notifier)
    assert on_topic(notifier, UPDATE) == BACKERS
    assert await in_inbox(notifier, UPDATE) == ["anna"]
    assert await figures(notifier, UPDATE) == (1, 2, 0)


@pytest.mark.row("S16")
@pytest.mark.parametrize("ended", ["missed", "cancelled"])
async def test_news_from_behind_an_end_wait_until_the_end_is_heard(
    notifier: Notifier, ended: str
) -> None:
    """Who published knew of it: nobody is told who did not ask, whichever topic is read first."""
    end = missed(3) if ended == "missed" else cancelled(3)
    behind = update(3, 3, published_at=NOW + timedelta(hours=1), campaign_sequence=1)
    await notifier.hear(*pledges(BACKERS))
    await choose(notifier, "anna", Consent.KEEP_IN_TOUCH)
    await notifier.hear(behind)
    await notifier.plan()
    await notifier.publish()
    assert on_topic(notifier, UPDATE) == []
    assert (await notifier.queries.incomplete(1))[0].campaign_sequence == 1
    await notifier.hear(end)
    await assert_only_anna_is_told(notifier)


IN_EVERY_ORDER = [list(order) for order in permutations(("end", "refunds", "news"))]


@pytest.mark.row("S16")
@pytest.mark.parametrize("heard", IN_EVERY_ORDER, ids=" ".join)
@pytest.mark.parametrize("ended", ["missed", "cancelled"])
async def test_news_that_knew_of_no_end_are_for_all_backers_of_then_whatever_is_heard_first(
    notifier: Notifier, ended: str, heard: list[str]
) -> None:
    """What came back behind them came back for the end; the topics are read as fast as they are.

    Nor does it matter that they were published in the moment of the end: their maker did not know.
    """
    later = NOW + timedelta(hours=1)
    end = missed(2, 2) if ended == "missed" else cancelled(2, 2)
    returned = [back(f"pledge-{n}", who, n, at=later) for n, who in enumerate(["anna", "ben"], 1)]
    heard_as = {"end": [end], "refunds": returned, "news": [update(2, 2, campaign_sequence=1)]}
    await notifier.hear(*pledges(["anna", "ben"]), launched())
    for one in heard:
        await notifier.hear(*heard_as[one])
        await notifier.plan()
    # Carl had paid by then, and is heard of behind all of it: he passes the same sieve.
    await notifier.hear(collected(3, "carl", captured_at=NOW - timedelta(hours=1)))
    await settle(notifier)
    assert await in_inbox(notifier, UPDATE) == on_topic(notifier, UPDATE) == BACKERS
    assert await figures(notifier, UPDATE) == (3, 0, 0)


@pytest.mark.parametrize("heard", [["end", "news"], ["news", "end"]], ids=" ".join)
async def test_whoever_had_everything_back_before_the_news_is_not_told_whatever_ends_behind_them(
    notifier: Notifier, heard: list[str]
) -> None:
    """Of a met goal, that is cancelled behind the news: heard before them, or after."""
    later = NOW + timedelta(hours=1)
    heard_as = {
        "end": [cancelled(3, 2, cancelled_at=later), back("pledge-2", "ben", 2, at=later)],
        "news": [update(3, 3, campaign_sequence=1)],
    }
    await notifier.hear(*pledges(BACKERS), verdict(3), back("pledge-1", "anna", 1))
    for one in heard:
        await notifier.hear(*heard_as[one])
        await notifier.plan()
    await settle(notifier)
    assert await in_inbox(notifier, UPDATE) == ["ben", "carl"]
    assert await figures(notifier, UPDATE) == (2, 1, 0)


async def test_a_late_backer_of_news_that_wait_for_an_end_waits_with_them(
    notifier: Notifier,
) -> None:
    """Carl is heard of behind N while the end is not: nobody is told before it is known who is."""
    news = update(2, 2, published_at=NOW + timedelta(hours=1), campaign_sequence=1)
    await notifier.hear(*pledges(["anna", "ben"]), news)
    await choose(notifier, "anna", Consent.KEEP_IN_TOUCH)
    await notifier.hear(collected(3, "carl", captured_at=NOW))
    await notifier.plan()
    await notifier.publish()
    assert on_topic(notifier, UPDATE) == []
    await notifier.hear(missed(2))
    await assert_only_anna_is_told(notifier)
    assert (await notifier.queries.totals(UPDATE)).supplements == 1


async def test_an_update_of_a_release_that_named_no_campaigns_sequence_waits_for_none(
    notifier: Notifier,
) -> None:
    """It is told as of its N alone, as ever."""
    await notifier.hear(*pledges(BACKERS), update(3, 3, campaign_sequence=None))
    await settle(notifier)
    assert await figures(notifier, UPDATE) == (3, 0, 0)
