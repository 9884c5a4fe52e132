"""The four real applications over memory, with one campaign and what belongs to it.

`creator-1` owns the campaign, `backer-1` backs it. `untouched` gives them as they were made, so
that no answer depends on what another caller did.
"""

import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from fastapi import FastAPI

from funding.http import build_api as funding_api
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.mail_reports import read_report
from notifier.domain.follow import FollowWish
from notifier.domain.notification import notification_id
from notifier.domain.personal_link import PersonalLink
from notifier.domain.unreached import Unreached
from notifier.domain.webhook_endpoint import WantedFacts
from notifier.handlers.follow import ask_person
from notifier.handlers.webhook_endpoints import Act, Registration, register_endpoint
from notifier.http import MailRoutes
from notifier.http.own_pages import OwnPages
from payouts.consumer import subscriptions
from payouts.domain.book import Cancellation, Outcome, Verdict
from payouts.domain.claim_money import ClaimMoney
from payouts.domain.head_signing import day_of
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.invoice import Numbers, issue, take_number
from payouts.domain.postings import Payer, refund_requested
from payouts.domain.refund import Refund, RefundKind
from payouts.domain.refund_request import Wanted
from payouts.domain.refund_window import RefundWindows
from payouts.handlers.claim_links import issue_claim_link
from payouts.handlers.claim_money import ask_claim_money
from payouts.handlers.destination import give_destination
from payouts.handlers.holds import place_hold
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.posting import post
from payouts.handlers.reconcile import reconcile
from payouts.handlers.refund_requests import Person, Shown, approve_refund, ask_refund
from payouts.handlers.sign_heads import sign_heads
from payouts.handlers.verdict import CancellationHeard, VerdictHeard, take_verdicts
from payouts.handlers.work_kinds import REFUND
from payouts.http import build_api as payouts_api
from payouts.ports.claim_links import LinkName
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.problems import install_problems
from services.funding.tests.conftest import memory_funding, other_launch, payment
from services.notifier.tests.builders import (
    WEBHOOK_SECRETS,
    memory_notifier,
    pledges,
    refunded,
    settle,
    update,
)
from services.notifier.tests.builders import verdict as notifier_verdict
from services.payouts.tests.builders import CEILINGS, SELLER, SHARES, a_charge, a_pledge
from services.payouts.tests.conftest import FEES, KEYS, LINKS, Payouts, memory_payouts
from services.updates.tests.conftest import DESK as UPDATES_DESK
from services.updates.tests.conftest import NOW, QUESTIONS, UpdatesService, memory_service
from services.updates.tests.fakes_media import LINKS as MEDIA_LINKS
from services.updates.tests.fakes_media import memory_desk
from services.updates.tests.files import MP4, PDF
from services.updates.tests.routes import SIGNER as SHARE_SIGNER
from services.updates.tests.routes import api_of as updates_api
from sosst_contracts import funding, platform
from sosst_contracts import payouts as payouts_events
from sosst_contracts.codec import Draft
from sosst_contracts.testing import sample
from tests.access.callers import BACKER, CAMPAIGN, LINK_KEYS, LINKS_KNOWN, OWNER
from tests.access.remembered import Remembered
from updates.consumer import PLEDGES
from updates.domain.claim import Moved, Settlement, Side
from updates.domain.claim import Outcome as ClaimOutcome
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import Said, accept, escalate, propose
from updates.domain.comment import Comment
from updates.domain.delivery_plan import Answer, Provision, Step
from updates.domain.follow_up import FollowUp, Silence
from updates.domain.hiding import Appeal, HidingReason, Statement
from updates.domain.kinds import News, Occurrence, ProgressReport
from updates.domain.media import Words
from updates.domain.problem import Problem, ProblemKind
from updates.domain.relaunch_letter import (
    LetterRevision,
    LetterText,
    RelaunchLetter,
    SurveySaid,
)
from updates.domain.relaunch_letter import write as write_letter
from updates.domain.report import Report, Thing
from updates.domain.share_link import ShareLink
from updates.domain.steps import Steps
from updates.domain.survey import Question, QuestionKind
from updates.domain.survey_results import Tally
from updates.domain.tracking import TrackingState, TrackingTerms
from updates.domain.tracking_list import Wanted as WantedDelivery
from updates.domain.update import Content, UpdateText, Visibility
from updates.handlers.claims import Opening, move_claim, open_of_backer
from updates.handlers.comment_hiding import appeal_comment, hide_comment
from updates.handlers.comments import write_comment
from updates.handlers.digital import add_codes
from updates.handlers.hiding import appeal_hiding, hide_update
from updates.handlers.media import describe_media
from updates.handlers.plans import answer_promise, publish_plan
from updates.handlers.publish import publish_update, write_draft
from updates.handlers.questionnaires import reply, write_questionnaire
from updates.handlers.reports import report_thing
from updates.handlers.share_links import make_link
from updates.handlers.surveys import open_to_backers, write_survey
from updates.handlers.take_upload import Asked
from updates.handlers.tracking import move_trackings
from updates.http.media import MediaShelf
from updates.http.questionnaire_models import QuestionnaireBody, ReplyBody
from updates.http.questionnaire_views import asked_from, words_from
from updates.http.survey_models import SurveyBody
from updates.http.survey_views import form_from

PAID, APPROVABLE = "campaign-paid", "campaign-approvable"
CLAIMABLE, BOUNCED = "campaign-claimable", "campaign-bounced"
LEFT_OVER = "campaign-with-a-residue"
WEBHOOK_SECRET = "whsec_access"
REPORT_SECRET = "a secret of the mail server"
MAIL_LINKS = SignedMailLinks(
    [REPORT_SECRET],
    "sosst.example",
    "https://sosst.example/unsubscribe",
    "https://sosst.example/follow",
    "https://sosst.example/personal",
)
APPROVAL = {
    "amount": 1_500,
    "currency": "EUR",
    "destination_version": 1,
    "milestone_revision": 1,
}

ADJUSTMENT = {"amount": 300, "block": 5, "reason": "it was the platform's"}
ITEM = {"campaign_id": CAMPAIGN, "refund_id": "rf_none"}
PAID_OTHERWISE = {"method": "bank_transfer", "proof": "a" * 64, "note": "wired"}
EVIDENCE = {
    "text": "The first hundred are ready.",
    "funds": [{"what": "Moulds", "amount": 100, "spent": "paid"}],
}
REFUND_REQUEST = {"pledge_id": "pledge-29", "amount": 700, "reason": "a broken lamp"}


CLAIM_MONEY = {
    "pledge_id": "pledge-29",
    "kind": "compensation",
    "amount": 300,
    "reason": "a scratch",
}
ENDING = {"kind": "written_off", "amount": 100, "reason": "insolvent"}


QUESTIONNAIRE: dict[str, Any] = {
    "options": [{"option_id": "size", "words": "Which size?", "choices": ["small", "large"]}],
    "address": False,
}
ASK_TO_FOLLOW = {"address": "zoe@example.org", "language": "fr"}


ENDPOINT = {"url": "https://reporting.example/hook"}


@dataclass(frozen=True, slots=True)
class Application:
    """A service's API, and the ids of what is there, by the names that the paths give them."""

    api: FastAPI
    ids: Mapping[str, str]


async def make_funding(guard: Guard) -> Application:
    """A launched campaign with one counted pledge."""
    made = memory_funding()
    await made.launch(other_launch(campaign_id=CAMPAIGN, creator_id=OWNER))
    await made.pay(replace(payment(1, campaign_id=CAMPAIGN), backer_id=BACKER))
    api = funding_api(made.parts(guard))
    return Application(api, {"campaign_id": CAMPAIGN, "pledge_id": "p1", "new": "campaign-new"})


async def make_payouts(guard: Guard) -> Application:
    """A missed campaign with one refund, not yet sent, and a destination."""
    made = memory_payouts()
    await _left_over(made)
    heard = [PledgeHeard(CAMPAIGN, "EUR", 1, a_pledge(1))]
    await made.units.run(lambda unit: take_pledges(unit, heard, made.clock.now()))
    launched = sample(funding.CampaignLaunched, campaign_id=CAMPAIGN, creator_id=OWNER)
    (campaigns, *_) = subscriptions(made.clock, RefundWindows())
    reader = BatchConsumer(campaigns, made.units, made.clock, Pulse("campaigns"))
    await reader.process([Incoming(Draft(launched, NOW).seal(1), 0, 0)])
    await made.hear_verdict(Outcome.GOAL_MISSED, 1)
    await made.turn_run_only()
    await made.give_destination()
    (refund,) = await made.queries.refunds(CAMPAIGN, "", 10)
    assert refund.backer_id == BACKER
    await _second_stage(made, PAID)
    await _second_stage(made, APPROVABLE)
    await _bounced(made)
    approved = MilestoneDecision(1, "staff-2")
    await made.units.run(
        lambda unit: decide_milestone(unit, APPROVABLE, 2, approved, OWNER, made.clock.now())
    )
    wanted = Wanted("asked", a_pledge(_number(APPROVABLE)).pledge_id, 500, "a broken lamp")
    person, now = Person("staff-2", OWNER), made.clock.now()
    asked = await made.units.run(lambda unit: ask_refund(unit, APPROVABLE, wanted, person, now))
    debt = await _a_debt(made, APPROVABLE)
    claimable = await _claimable(made)
    link = await _link(made, claimable)
    hold = Hold("placed", HoldKind.STAFF, "a question", "staff-2", made.clock.now())
    await made.units.run(lambda unit: place_hold(unit, CAMPAIGN, hold, made.clock.now()))
    number = await _an_invoice(made)
    assert await sign_heads(made.queries, made.signatures, KEYS, made.clock.now())
    made.provider.list_movement("txn_odd", "", "adjustment", "adj_odd", -40)
    await reconcile(made.reconciliation, made.provider, timedelta(0), made.clock.now(), [])
    api = payouts_api(made.parts(guard, [WEBHOOK_SECRET]))
    return Application(
        api,
        {
            "campaign_id": CAMPAIGN,
            "refund_id": refund.refund_id,
            "provider": "sandbox",
            "paid": PAID,
            "approvable": APPROVABLE,
            "bounced": BOUNCED,
            "left_over": LEFT_OVER,
            "adjustment_id": "adjustment-1",
            "hold_id": "hold-1",
            "placed": "placed",
            "break_id": "unbooked:txn_odd",
            "asked": asked.refund_id,
            "claimable": claimable,
            "link": link,
            "request_id": "request-1",
            "claim_id": "claim-1",
            "day": day_of(made.clock.now()),
            "place": "0",
            "receivable_id": debt,
            "number": number,
        },
    )


async def _second_stage(made: Payouts, campaign_id: str) -> None:
    """A campaign that met its goal, with its first stage paid and evidence for the second."""
    pledge = a_pledge(_number(campaign_id))
    verdict = Verdict(Outcome.GOAL_MET, pledge.amount, 1, 1, SHARES, made.clock.now())

    async def hear(unit: PayoutsUnit) -> None:
        now = made.clock.now()
        await unit.creators.add({campaign_id: OWNER})
        await take_pledges(unit, [PledgeHeard(campaign_id, "EUR", 1, pledge)], now)
        await take_verdicts(unit, [VerdictHeard(campaign_id, "EUR", verdict, FEES)], now)
        await give_destination(unit, campaign_id, "sandbox", "acct_1", now)

    await made.units.run(hear)
    made.clock.advance(seconds=60)
    await made.turn()
    await made.units.run(
        lambda unit: take_evidence(unit, campaign_id, 2, "a" * 64, OWNER, made.clock.now())
    )


async def _left_over(made: Payouts) -> None:
    """A campaign that was cancelled after the platform had compensated its only backer."""
    pledge = a_pledge(_number(LEFT_OVER))
    verdict = Verdict(Outcome.GOAL_MET, pledge.amount, 1, 1, SHARES, made.clock.now())
    given = ClaimMoney(
        "claim-1", pledge.pledge_id, RefundKind.COMPENSATION, 300, Payer.PLATFORM, "a scratch"
    )
    one, other = Person("staff-1", OWNER), Person("staff-2", OWNER)
    made.capture([pledge])
    now = made.clock.now()

    async def hear(unit: PayoutsUnit) -> Refund:
        await unit.creators.add({LEFT_OVER: OWNER})
        await take_pledges(unit, [PledgeHeard(LEFT_OVER, "EUR", 1, pledge)], now)
        await take_verdicts(unit, [VerdictHeard(LEFT_OVER, "EUR", verdict, FEES)], now)
        return await ask_claim_money(unit, LEFT_OVER, given, one, CEILINGS, now)

    refund = await made.units.run(hear)
    shown, funds = Shown(300, "EUR", 0), await made.stages.funds.read_to_lend("EUR")
    await made.units.run(
        lambda unit: approve_refund(
            unit, LEFT_OVER, refund.refund_id, shown, other, funds, CEILINGS, now
        )
    )
    await made.work_off()
    ended = [CancellationHeard(LEFT_OVER, "EUR", Cancellation(1, now))]
    await made.units.run(lambda unit: take_verdicts(unit, ended, now))
    await made.work_off()


async def _bounced(made: Payouts) -> None:
    """A campaign whose first stage the creator's bank sent back three times."""
    await _second_stage(made, BOUNCED)
    while (stage := (await made.queries.stages(BOUNCED))[0]).failures < 3:
        if stage.paid_at is not None:
            made.provider.bounce(stage)
        made.clock.advance(seconds=60)
        await made.turn()


async def _claimable(made: Payouts) -> str:
    """A missed campaign whose only refund was declined for good."""
    pledge = replace(a_pledge(_number(CLAIMABLE)), backer_id=BACKER)
    verdict = Verdict(Outcome.GOAL_MISSED, pledge.amount, 1, 1, SHARES, made.clock.now())
    made.provider.faults["create_refund"] = ["decline"] * 3

    async def hear(unit: PayoutsUnit) -> None:
        now = made.clock.now()
        await unit.creators.add({CLAIMABLE: OWNER})
        await take_pledges(unit, [PledgeHeard(CLAIMABLE, "EUR", 1, pledge)], now)
        await take_verdicts(unit, [VerdictHeard(CLAIMABLE, "EUR", verdict, FEES)], now)

    await made.units.run(hear)
    await made.turn_run_only()
    (refund,) = await made.queries.refunds(CLAIMABLE, "", 10)
    while (await made.queries.refund(CLAIMABLE, refund.refund_id) or refund).failures < 3:
        for claim in await made.claim(REFUND):
            if claim.item.payload["refund_id"] == refund.refund_id:
                await made.refunds(claim)
        made.clock.advance(seconds=30)
    return refund.refund_id


async def _link(made: Payouts, refund_id: str) -> str:
    """Return the first personal link of a claimable refund."""
    refund = await made.units.run(
        lambda unit: issue_claim_link(unit, CLAIMABLE, refund_id, 1, BACKER, made.clock.now())
    )
    assert refund.claim_link is not None
    return LINKS.sign(LinkName(CLAIMABLE, refund_id, 1, refund.claim_link.issued_at))


def _number(campaign_id: str) -> int:
    """Of the campaign's only pledge."""
    return 10 + len(campaign_id)


async def _a_debt(made: Payouts, campaign_id: str) -> str:
    """Return what the campaign's creator owes the platform."""

    async def owe(unit: PayoutsUnit) -> str:
        book = (await unit.books.load([campaign_id]))[campaign_id]
        lent = refund_requested("rf_lent", 0, advanced=100)
        await unit.books.save([await post(unit, book, [lent], made.clock.now())])
        (debt,) = await unit.receivables.load(campaign_id)
        return debt

    return await made.units.run(owe)


async def _an_invoice(made: Payouts) -> str:
    """Return the number of an invoice to the campaign's creator."""
    numbers = take_number(Numbers(f"{SELLER.siren}/F2026"), NOW)
    invoice = issue(a_charge(), numbers, SELLER, OWNER, 2_000, NOW)
    await made.units.run(lambda unit: unit.invoices.add(invoice, numbers))
    return invoice.number


async def make_updates(guard: Guard) -> Application:
    """A campaign with a backer, a draft, an update for everybody and one for backers only."""
    made = memory_service()
    launched = sample(funding.CampaignLaunched, campaign_id=CAMPAIGN, creator_id=OWNER)
    collected = sample(funding.PledgeCollected, campaign_id=CAMPAIGN, backer_id=BACKER)
    await made.hear((launched, 1), (collected, 1))
    visit = News(Occurrence(NOW, NOW + timedelta(hours=2), "Europe/Paris", "12 rue des Lampes"))
    for name, parts, visibility, published in (
        ("draft", ProgressReport(), Visibility.PUBLIC, False),
        ("public", ProgressReport(), Visibility.PUBLIC, True),
        ("inside", ProgressReport(), Visibility.BACKERS, True),
        ("visit", visit, Visibility.PUBLIC, True),
        ("hidden", ProgressReport(), Visibility.PUBLIC, True),
        ("appealed", ProgressReport(), Visibility.PUBLIC, True),
    ):
        text = UpdateText("fr", name, "Tout avance.")
        content = Content(OWNER, parts, visibility, (text,))
        await made.units.run(
            lambda unit, name=name, content=content: write_draft(unit, CAMPAIGN, name, content, NOW)
        )
        if published:
            await made.units.run(
                lambda unit, name=name: publish_update(unit, PLEDGES, CAMPAIGN, name, NOW)
            )
    await _some_hidden(made)
    shelf = MediaShelf(memory_desk(made), made.media, MEDIA_LINKS)
    await _some_media(made, shelf)
    await _some_claims(made)
    owed = FollowUp(
        CAMPAIGN,
        problems=(Problem("late", ProblemKind.DELAY_NOTICE, NOW),),
        silence=Silence(Steps(NOW, taken=3)),
        version=_version(await made.queries.follow_up(CAMPAIGN)),
    )
    await made.units.run(lambda unit: unit.follow_ups.save([owed]))
    await _some_surveys(made)
    await _a_plan(made)
    await _a_questionnaire(made)
    await _a_reward_on_its_way(made)
    await made.hear((sample(payouts_events.StagePaid, campaign_id=CAMPAIGN, stage=1), 1))
    await _some_comments(made)
    await _a_relaunch(made)
    shared = await _a_share_link(made)
    api = updates_api(made, guard=guard, media=shelf, links=LINKS_KNOWN)
    return Application(
        api,
        {
            "campaign_id": CAMPAIGN,
            "again": "again",
            "share": shared,
            "shown": "shown",
            "unshown": "unshown",
            "film": "film",
            "draft": "draft",
            "public": "public",
            "inside": "inside",
            "late": "late",
            "visit": "visit",
            "hidden": "hidden",
            "appealed": "appealed",
            "opened": "opened",
            "proposed": "proposed",
            "with_staff": "with_staff",
            "owed": "owed",
            "drafted": "drafted",
            "asking": "asking",
            "reward_id": "reward-1",
            "said": "said",
            "hushed": "hushed",
            "disputed": "disputed",
            "comment_id": "said",
            "backer_id": BACKER,
            "new": "new",
            "pledge_id": "pledge-chosen",
            "export_id": "e1",
        },
    )


def _version(known: FollowUp | None) -> int:
    return known.version if known else 0


async def _some_hidden(made: UpdatesService) -> None:
    """One update that is hidden, and one against whose hiding its creator appeals."""
    statement = Statement(HidingReason.ABUSE, "An insult.", "staff-2", NOW)
    for name in ("hidden", "appealed"):
        await made.units.run(lambda unit, name=name: hide_update(unit, CAMPAIGN, name, statement))
    words = Appeal("It was a joke.", OWNER, NOW)
    await made.units.run(lambda unit: appeal_hiding(unit, CAMPAIGN, "appealed", words))


async def _some_comments(made: UpdatesService) -> None:
    """One that is shown, one that is hidden, one whose writer appeals; reports by one reader."""
    statement = Statement(HidingReason.ABUSE, "An insult.", "staff-2", NOW)
    for name in ("said", "hushed", "disputed"):
        said = Comment(CAMPAIGN, "public", name, BACKER, False, "Bravo.", NOW)
        await made.units.run(lambda unit, said=said: write_comment(unit, said))
    for name in ("hushed", "disputed"):
        place = Thing(CAMPAIGN, "public", name)
        await made.units.run(lambda unit, place=place: hide_comment(unit, place, statement))
    words, disputed = Appeal("It was a joke.", BACKER, NOW), Thing(CAMPAIGN, "public", "disputed")
    await made.units.run(lambda unit: appeal_comment(unit, disputed, words))
    for place in (Thing(CAMPAIGN, "public"), Thing(CAMPAIGN, "public", "said")):
        report = Report(place, "backer-2", HidingReason.SPAM, "It sells shoes.", NOW)
        await made.units.run(lambda unit, report=report: report_thing(unit, report))


async def _some_media(made: UpdatesService, shelf: MediaShelf) -> None:
    """A video that a published update for backers only shows, and a file that nothing shows."""
    said = Words(captions=(("fr", "WEBVTT\n"),))
    for name, data in (("shown", MP4), ("unshown", PDF)):
        await shelf.desk.take(Asked(CAMPAIGN, name, name, OWNER), _chunks(data))
    await made.units.run(lambda unit: describe_media(unit, CAMPAIGN, "shown", said))
    text = UpdateText("fr", "film", "Tout avance.")
    content = Content(OWNER, ProgressReport(), Visibility.BACKERS, (text,), attachments=("shown",))
    await made.units.run(lambda unit: write_draft(unit, CAMPAIGN, "film", content, NOW))
    await made.units.run(lambda unit: publish_update(unit, PLEDGES, CAMPAIGN, "film", NOW))


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _some_surveys(made: UpdatesService) -> None:
    """A draft, and one that is open to the campaign's backers, by name."""
    form = form_from(SurveyBody.model_validate(SURVEY))
    for name in ("drafted", "asking"):
        await made.units.run(
            lambda unit, name=name: write_survey(unit, CAMPAIGN, name, OWNER, form, NOW)
        )
    await made.units.run(lambda unit: open_to_backers(unit, PLEDGES, CAMPAIGN, "asking", NOW))


async def _a_share_link(made: UpdatesService) -> str:
    """Return what a guest brings to read the update for backers only."""
    link = ShareLink(CAMPAIGN, "inside", "press", OWNER, NOW, NOW + timedelta(days=7))
    await made.units.run(lambda unit: make_link(unit, link, NOW))
    return SHARE_SIGNER.sign(link)


async def _a_relaunch(made: UpdatesService) -> None:
    """The same creator launches again, with a letter that cites what a survey came to."""
    launched = {"campaign_id": "again", "creator_id": OWNER, "relaunch_of": CAMPAIGN}
    await made.hear((sample(funding.CampaignLaunched, **launched, differences=[]), 1))
    liked = Tally(Question("liked", QuestionKind.SCALE, "How?"), 5, Counter({"4": 5}))
    said = SurveySaid("ended", "en", "Colours", NOW, 9, 5, (liked,))
    words = LetterText(**LETTER["texts"][0])
    revision = LetterRevision((words,), ("ended",), OWNER, NOW)
    letter = write_letter(RelaunchLetter("again", CAMPAIGN), revision, [said])
    await made.units.run(lambda unit: unit.letters.save(letter))


async def _a_plan(made: UpdatesService) -> None:
    """Days that are promised for the campaign's reward."""
    promised = (CAMPAIGN, "reward-1", 1, Provision.SERVICE, PLANNED, OWNER, NOW)
    await made.units.run(lambda unit: publish_plan(unit, *promised))


async def _a_questionnaire(made: UpdatesService) -> None:
    """What is asked for the campaign's reward, which is being prepared and somebody has chosen."""
    chosen = {"pledge_id": "pledge-chosen", "backer_id": BACKER, "reward_id": "reward-1"}
    await made.hear((sample(funding.PledgeCollected, campaign_id=CAMPAIGN, **chosen), 6))
    promised = (CAMPAIGN, "reward-1", 2, Provision.SERVICE, PLANNED, OWNER, NOW)
    await made.units.run(lambda unit: publish_plan(unit, *promised))
    begun = (CAMPAIGN, "reward-1", 2, Step.START, Answer.DONE, OWNER, NOW)
    await made.units.run(lambda unit: answer_promise(unit, *begun))
    asked = (CAMPAIGN, "reward-1", asked_from(QuestionnaireBody(**QUESTIONNAIRE)), OWNER, NOW)
    await made.units.run(lambda unit: write_questionnaire(unit, QUESTIONS, *asked))
    said = words_from(ReplyBody(choices={"size": "small"}))
    chose = (CAMPAIGN, "pledge-chosen", BACKER, said, NOW)
    await made.units.run(lambda unit: reply(unit, QUESTIONS, *chose))


async def _a_reward_on_its_way(made: UpdatesService) -> None:
    """The backer's reward is shipped, and there are codes for it."""
    await made.units.run(lambda unit: add_codes(unit, CAMPAIGN, "reward-1", ["C1", "C2"], NOW))
    shipped = [WantedDelivery("reward-1", BACKER, TrackingState.SHIPPED)]
    terms = TrackingTerms()
    await made.units.run(lambda unit: move_trackings(unit, CAMPAIGN, shipped, OWNER, NOW, terms))


async def _some_claims(made: UpdatesService) -> None:
    """Claims of the campaign's backer: unanswered, with a proposal, with staff, and agreed on."""
    offer = Settlement(ClaimOutcome.REPLACEMENT)
    says = partial(propose, said=Said("p1", OWNER, Side.CREATOR), settlement=offer)
    calls = partial(escalate, said=Said("e0", BACKER, Side.BACKER))
    agrees = partial(accept, proposal=2, by=BACKER)
    ways: dict[str, tuple[partial[Moved], ...]] = {
        "opened": (),
        "proposed": (says,),
        "with_staff": (says, calls),
        "owed": (says, agrees),
    }
    await made.hear((sample(funding.VerdictReached, campaign_id=CAMPAIGN), 2))
    for number, (name, acts) in enumerate(ways.items(), start=2):
        pledge = {"campaign_id": CAMPAIGN, "backer_id": BACKER, "pledge_id": f"pledge-{number}"}
        await made.hear((sample(funding.PledgeCollected, **pledge), number))
        opening = Opening(name, f"pledge-{number}", BACKER, Reason.OTHER, "It broke.")
        await made.units.run(
            lambda unit, opening=opening: open_of_backer(unit, UPDATES_DESK, CAMPAIGN, opening, NOW)
        )
        for act in acts:
            await made.units.run(
                lambda unit, name=name, act=act: move_claim(
                    unit, UPDATES_DESK, CAMPAIGN, name, lambda c, m: act(c, moment=m), NOW
                )
            )


async def make_notifier(guard: Guard) -> Application:
    """A backer who was told the verdict, an update and a refund; an endpoint of the staff's."""
    made = memory_notifier()
    launched = sample(funding.CampaignLaunched, campaign_id=CAMPAIGN, creator_id=OWNER)
    launch = Draft(launched, NOW).seal(1)
    told = (notifier_verdict(1, 2), update(1, 1), refunded(BACKER, 1))
    anna = sample(platform.PersonDescribed, person_id=BACKER, described_at=NOW)
    await made.hear(Draft(anna, NOW, identity=BACKER).seal())
    await made.hear(*pledges([BACKER]), launch, *told)
    await settle(made)
    mail = MailRoutes(MAIL_LINKS, read_report, [REPORT_SECRET])
    said = Registration("reporting", ENDPOINT["url"], WantedFacts())
    drawn = WEBHOOK_SECRETS.draw("first", "staff-1", NOW)
    act = Act("staff-1", NOW)
    await made.units.run(lambda unit: register_endpoint(unit, said, drawn, {}, act))
    now = made.clock.now()
    followed = await made.units.run(lambda unit: ask_person(unit, CAMPAIGN, BACKER, now))
    told_first = (await made.queries.inbox(BACKER, None, 1))[0].chunk.told
    returned = Unreached(
        notification_id(told_first.cause, told_first.caused_at, BACKER),
        BACKER,
        CAMPAIGN,
        told_first.cause,
        told_first.cause,
        told_first.caused_at,
        "address-refused",
        NOW,
    )
    await made.units.run(lambda unit: unit.unreached.add_new([returned]))
    opens = PersonalLink(BACKER, CAMPAIGN, int(now.timestamp()))
    wish = FollowWish(BACKER, CAMPAIGN, int(followed.asked_at.timestamp()))
    own_pages = OwnPages("https://sosst.example/mine", LINK_KEYS)
    api = made.api(guard, mail, own_pages)
    return Application(
        api,
        {
            "campaign_id": CAMPAIGN,
            "person_id": BACKER,
            "kind": "verdict-reached",
            "subject": CAMPAIGN,
            "unsubscribe": MAIL_LINKS.unsubscribe(BACKER, CAMPAIGN).partition("?link=")[2],
            "notification_id": notification_id(told_first.cause, told_first.caused_at, BACKER),
            "unreached": returned.notification_id,
            "personal": MAIL_LINKS.personal(opens).partition("?link=")[2],
            "follow": MAIL_LINKS.follow(wish).partition("?link=")[2],
            "endpoint_id": "reporting",
            "secret_id": "next",
            "new": "crm",
        },
    )


Make = Callable[[Guard], Awaitable[Application]]
_MAKERS: Mapping[str, Make] = {
    "funding": make_funding,
    "payouts": make_payouts,
    "updates": make_updates,
    "notifier": make_notifier,
}


async def make(service: str, guard: Guard) -> Application:
    """Return a service's application as it is deployed, but for its stores."""
    application = await _MAKERS[service](guard)
    install_problems(application.api)
    return application


_MADE: dict[tuple[str, Guard], tuple[Application, Remembered]] = {}


async def untouched(service: str, guard: Guard) -> Application:
    """Return the service's one application for this guard, put back as it was made."""
    if (service, guard) not in _MADE:
        made = await make(service, guard)
        _MADE[service, guard] = made, Remembered(made.api)
    application, remembered = _MADE[service, guard]
    remembered.put_back()
    return application


def webhook() -> bytes:
    """Return the body of a webhook about nothing of ours."""
    return json.dumps({"data": {"object": {"metadata": {"campaign_id": CAMPAIGN}}}}).encode()


def signature(body: bytes) -> dict[str, str]:
    """Sign as the payment provider does."""
    stamp = str(int(time.time()))
    mac = hmac.new(WEBHOOK_SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return {"Stripe-Signature": f"t={stamp},v1={mac.hexdigest()}"}


LAUNCH: dict[str, Any] = {
    "creator_id": OWNER,
    "title": "A lamp",
    "goal": {"amount": 1_000, "currency": "EUR"},
    "deadline": "2026-03-01T13:00:00Z",
}
PAYMENT: dict[str, Any] = {
    "status": "captured",
    "provider": "sandbox",
    "payment_reference": "ch2",
    "pledge_id": "p2",
    "backer_id": BACKER,
    "money": {"amount": 600, "currency": "EUR"},
    "occurred_at": "2026-03-01T12:00:00Z",
    "provider_fee": 10,
    "balance_transaction": "txn2",
}
REPORT = """pledge_id,backer_id,amount,status,occurred_at,provider,payment_reference
p7,b7,6.00,pending,2026-03-01T12:00:00Z,sandbox,ch7"""
DESCRIPTION: dict[str, Any] = {
    "address": "anna@example.org",
    "language": "fr",
    "zone": "Europe/Paris",
    "described_at": "2026-03-01T12:00:00Z",
}
SHARE = {"expires_at": (NOW + timedelta(days=7)).isoformat()}
LETTER: dict[str, Any] = {
    "texts": [
        {
            "language": "en",
            "strategy": "Smaller.",
            "schedule": "In May.",
            "promotion": "On the radio.",
            "changes": "Blue ones.",
        }
    ]
}
SURVEY: dict[str, Any] = {
    "language": "en",
    "named": True,
    "title": "How do you like it?",
    "closes_at": "2026-03-09T12:00:00Z",
    "questions": [{"question_id": "liked", "kind": "scale", "words": "How much?"}],
}
CLAIM: dict[str, Any] = {"pledge_id": "pledge-1", "reason": "other", "text": "It broke."}
ANSWERS: dict[str, Any] = {"entry_id": "a1", "claims": ["opened"], "outcome": "replacement"}
PREFERENCES: dict[str, Any] = {
    "mutes": [{"campaign_id": CAMPAIGN, "kind": "update-published"}],
    "digest": "daily",
    "quiet": {"begin": "22:00:00", "end": "07:00:00"},
}
PLANNED = {Step.START: date(2026, 9, 1), Step.END: date(2026, 9, 2)}
PLAN: dict[str, Any] = {
    "provision": "service",
    "days": {"start": "2026-09-01", "end": "2026-09-02"},
}
DRAFT: dict[str, Any] = {
    "texts": [{"language": "fr", "title": "draft", "details": "Tout avance."}],
}
GUEST_REPORT: dict[str, Any] = {
    "reason": "spam",
    "words": "It sells shoes.",
    "receipt": "a-receipt-that-is-made-of-32-random-bytes_1",
}
REVISION: dict[str, Any] = {
    "draft": {
        "kind": "progress_report",
        "texts": [{"language": "fr", "title": "public", "details": "Tout avance bien."}],
    },
}
