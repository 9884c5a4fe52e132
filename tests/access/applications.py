"""The four real applications over memory, with one campaign and what belongs to it.

`creator-1` owns the campaign, `backer-1` backs it. Each call makes them anew, so that no answer
depends on what another caller did.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from funding.http import build_api as funding_api
from notifier.http import build_api as notifier_api
from payouts.consumer import subscriptions
from payouts.domain.book import Outcome, Verdict
from payouts.domain.head_signing import day_of
from payouts.domain.holds import Hold, HoldKind
from payouts.domain.invoice import Numbers, issue, take_number
from payouts.domain.postings import refund_requested
from payouts.domain.refund_request import Wanted
from payouts.domain.refund_window import RefundWindows
from payouts.handlers.claim_links import issue_claim_link
from payouts.handlers.destination import give_destination
from payouts.handlers.holds import place_hold
from payouts.handlers.milestones import MilestoneDecision, decide_milestone, take_evidence
from payouts.handlers.pledges import PledgeHeard, take_pledges
from payouts.handlers.posting import post
from payouts.handlers.reconcile import reconcile
from payouts.handlers.refund_requests import Person, ask_refund
from payouts.handlers.sign_heads import sign_heads
from payouts.handlers.verdict import VerdictHeard, take_verdicts
from payouts.handlers.work_kinds import REFUND
from payouts.http import build_api as payouts_api
from payouts.ports.claim_links import LinkName
from payouts.ports.unit import PayoutsUnit
from servicekit.access import Guard
from servicekit.consume import BatchConsumer
from servicekit.loops import Pulse
from servicekit.ordering import Incoming
from servicekit.problems import install_problems
from services.funding.tests.conftest import TERMS, memory_funding, other_launch, payment
from services.notifier.tests.builders import memory_notifier, pledges, refunded, settle, update
from services.notifier.tests.builders import verdict as notifier_verdict
from services.payouts.tests.builders import CEILINGS, SELLER, SHARES, a_charge, a_pledge
from services.payouts.tests.conftest import FEES, KEYS, LINKS, Payouts, memory_payouts
from services.updates.tests.conftest import NOW, memory_service
from sosst_contracts import funding
from sosst_contracts.codec import Draft
from sosst_contracts.testing import sample
from tests.access.callers import BACKER, OWNER
from updates.consumer import PLEDGES
from updates.domain.update import Content, UpdateKind, UpdateText, Visibility
from updates.handlers.publish import publish_update, write_draft
from updates.http import build_api as updates_api

CAMPAIGN = "campaign-1"
PAID, APPROVABLE = "campaign-paid", "campaign-approvable"
CLAIMABLE = "campaign-claimable"
WEBHOOK_SECRET = "whsec_access"
APPROVAL = {
    "amount": 1_500,
    "currency": "EUR",
    "destination_version": 1,
    "milestone_revision": 1,
}

ITEM = {"campaign_id": CAMPAIGN, "refund_id": "rf_none"}
PAID_OTHERWISE = {"method": "bank_transfer", "proof": "a" * 64, "note": "wired"}
REFUND_REQUEST = {"pledge_id": "pledge-29", "amount": 700, "reason": "a broken lamp"}


CLAIM_MONEY = {
    "pledge_id": "pledge-29",
    "kind": "compensation",
    "amount": 300,
    "reason": "a scratch",
}
ENDING = {"kind": "written_off", "amount": 100, "reason": "insolvent"}


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
    api = funding_api(guard, made.units, made.queries, made.intake, made.clock, TERMS)
    return Application(api, {"campaign_id": CAMPAIGN, "pledge_id": "p1", "new": "campaign-new"})


async def make_payouts(guard: Guard) -> Application:
    """A missed campaign with one refund, not yet sent, and a destination."""
    made = memory_payouts()
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
    api = payouts_api(
        guard,
        made.units,
        made.queries,
        made.stages,
        made.clock,
        [WEBHOOK_SECRET],
        made.reconciliation,
        made.signatures,
        KEYS,
        timedelta(days=14),
        CEILINGS,
        LINKS,
    )
    return Application(
        api,
        {
            "campaign_id": CAMPAIGN,
            "refund_id": refund.refund_id,
            "provider": "sandbox",
            "paid": PAID,
            "approvable": APPROVABLE,
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
    for name, visibility, published in (
        ("draft", Visibility.PUBLIC, False),
        ("public", Visibility.PUBLIC, True),
        ("inside", Visibility.BACKERS, True),
    ):
        text = UpdateText("fr", name, "Tout avance.")
        content = Content(OWNER, UpdateKind.PROGRESS_REPORT, visibility, (text,))
        await made.units.run(
            lambda unit, name=name, content=content: write_draft(unit, CAMPAIGN, name, content, NOW)
        )
        if published:
            await made.units.run(
                lambda unit, name=name: publish_update(unit, PLEDGES, CAMPAIGN, name, NOW)
            )
    api = updates_api(guard, made.units, made.queries, made.clock, PLEDGES)
    return Application(
        api, {"campaign_id": CAMPAIGN, "draft": "draft", "public": "public", "inside": "inside"}
    )


async def make_notifier(guard: Guard) -> Application:
    """A backer who was told the verdict, an update and a refund."""
    made = memory_notifier()
    launched = sample(funding.CampaignLaunched, campaign_id=CAMPAIGN, creator_id=OWNER)
    launch = Draft(launched, NOW).seal(1)
    told = (notifier_verdict(1, 2), update(1, 1), refunded(BACKER, 1))
    await made.hear(*pledges([BACKER]), launch, *told)
    await settle(made)
    api = notifier_api(guard, made.queries)
    return Application(
        api,
        {
            "campaign_id": CAMPAIGN,
            "person_id": BACKER,
            "kind": "verdict-reached",
            "subject": CAMPAIGN,
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
DRAFT: dict[str, Any] = {
    "texts": [{"language": "fr", "title": "draft", "details": "Tout avance."}],
}
