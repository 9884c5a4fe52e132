"""Reads every figure of the story from two sides that do not share a database.

The sides: the user's file, the provider's own book, the HTTP answers of the four services, and
what stands on the notifications' topic.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.demo.figures import Figure, all_agree
from infra.sandbox.issuer.tokens import backer
from infra.sandbox.mail.client import MailClient
from infra.suite.checkout import PledgeRow
from infra.suite.readings import Readings
from sosst_contracts.notifier import BackerNotified

INBOXES_AT_ONCE = 8
READINGS_MAX = 10
# Backers are not written to of it.
IN_THE_INBOX_ONLY = frozenset({"stage-paid"})
FEE_ACCOUNTS = ("platform_fee_income", "processing_fee_income", "tax_payable")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """One campaign as it was played."""

    label: str
    campaign_id: str
    rows: Sequence[PledgeRow]
    account: str | None = None
    collected_before_kill: int = 0

    @property
    def backers(self) -> set[str]:
        return {row.backer_id for row in self.rows}


class Evidence:
    """Compares what the suite says with what others say."""

    def __init__(
        self,
        look: Readings,
        missed: Played,
        met: Played,
        update_cause: str,
        update_label: str,
        mailbox: MailClient,
        addresses: Mapping[str, str],
    ) -> None:
        self._look = look
        self._missed = missed
        self._met = met
        self._mailbox = mailbox
        self._addresses = addresses
        self._told = {
            f"told: verdict of {missed.label}": (f"verdict-reached/{missed.campaign_id}", missed),
            f"told: verdict of {met.label}": (f"verdict-reached/{met.campaign_id}", met),
            f"told: {update_label}": (update_cause, met),
        }

    async def settled(self) -> list[Figure]:
        """Read until everything agrees: the last facts may still be on their way.

        What differs after a bounded number of readings is returned as it is.
        """
        figures: list[Figure] = []
        for _ in range(READINGS_MAX):
            figures = await self.figures()
            if all_agree(figures):
                break
            await asyncio.sleep(1)
        return figures

    async def figures(self) -> list[Figure]:
        """Read every figure once."""
        provider = await self._look.suite.provider.book()
        figures = []
        for played in (self._missed, self._met):
            figures += await self._campaign(played, provider)
        return [*figures, await self._whole(provider), *await self._notifications()]

    async def _campaign(self, played: Played, provider: Body) -> list[Figure]:
        name, label = played.campaign_id, played.label
        campaign = await self._answer("funding", f"/campaigns/{name}")
        funding = campaign["figures"]
        payouts = await self._answer("payouts", f"/campaigns/{name}/money")
        shown = (await self._answer("updates", f"/campaigns/{name}"))["figures"]
        charges = _charges(provider, name)
        pledged = sum(row.amount for row in played.rows)
        collected = sum(charge["amount"] for charge in charges)
        returned = sum(charge["refunded"] for charge in charges)
        sent = _amount(provider, played.account, "payment")
        paid = -_amount(provider, played.account, "payout")
        fees = _fees(played.rows, campaign["terms"]) if sent else 0
        taken = sum(payouts["balances"][account] for account in FEE_ACCOUNTS)
        # The platform's fees stay at the provider, and are nobody's of the campaign any more.
        cash = collected - returned - sent - taken
        booked = payouts["balances"]["provider_balance"]
        figures = [
            Figure("pledged", "CSV", pledged, "funding", funding["raised"]),
            Figure("collected", "provider", collected, "funding", funding["collected"]),
            Figure(
                "collected",
                "before kill -9",
                played.collected_before_kill,
                "after",
                funding["collected"],
            ),
            Figure("refunded", "provider", returned, "payouts", payouts["refunded"]),
            Figure("shown refunded", "updates", shown["refunded"], "provider", returned),
            Figure("paid", "bank", paid, "payouts", payouts["paid"]),
            Figure("shown paid", "updates", shown["paid"], "bank", paid),
            Figure("fees with tax", "CSV", fees, "payouts", taken),
            Figure("held", "updates", shown["held"], "provider", cash),
            Figure("cash in its book", "payouts", booked, "provider", cash),
        ]
        if played.account is None:
            figures.append(_returned_in_full(played, charges))
        return [_named(label, figure) for figure in figures]

    async def _whole(self, provider: Body) -> Figure:
        """Compare all books and fees together with the provider's total, without top-ups."""
        names = (self._missed.campaign_id, self._met.campaign_id)
        money = [await self._answer("payouts", f"/campaigns/{name}/money") for name in names]
        accounts = ("provider_balance", *FEE_ACCOUNTS)
        booked = sum(each["balances"][account] for each in money for account in accounts)
        movements = _movements(provider, "acct_platform")
        total = sum(each["amount"] for kind, each in movements if kind != "topup")
        return Figure("all books and fees", "payouts", booked, "provider", total)

    async def _notifications(self) -> list[Figure]:
        identities: dict[str, set[str]] = defaultdict(set)
        recipients: dict[str, set[str]] = defaultdict(set)
        written: set[tuple[str, str]] = set()
        for read in await self._look.events("notifier.notifications"):
            if isinstance(read.event, BackerNotified):
                recipients[read.event.cause].add(read.event.recipient_id)
                identities[read.event.recipient_id].add(read.event.notification_id)
                if read.event.kind not in IN_THE_INBOX_ONLY:
                    written.add((read.event.recipient_id, read.event.notification_id))
        figures = [
            Figure.of_sets(name, "CSV", played.backers, "topic", recipients[cause])
            for name, (cause, played) in self._told.items()
        ]
        figures.append(await self._refunds_told(recipients))
        on_topic = {(person, each) for person, ids in identities.items() for each in ids}
        figures.append(await self._mails(written))
        inboxes = await self._inboxes(self._missed.backers | self._met.backers)
        return [*figures, Figure.of_sets("notifications", "inboxes", inboxes, "topic", on_topic)]

    async def _mails(self, written: set[tuple[str, str]]) -> Figure:
        """Compare who was told what and has an address with the mails that came, by their ids."""
        wanted = {(self._addresses[p], one) for p, one in written if p in self._addresses}
        came = {
            (mail["recipient"], mail["message_id"].strip("<>").partition("@")[0])
            for mail in await self._mailbox.mails()
        }
        return Figure.of_sets("mails", "topic", wanted, "mail server", came)

    async def _refunds_told(self, recipients: Mapping[str, set[str]]) -> Figure:
        """Compare who pledged with who was told of that pledge's refund."""
        path = f"/campaigns/{self._missed.campaign_id}/refunds"
        causes = {
            f"refund-succeeded/{refund['refund_id']}": refund["pledge_id"]
            for refund in await self._look.pages("payouts", path)
        }
        told = {
            (causes.get(cause, cause), person)
            for cause, people in recipients.items()
            if cause.startswith("refund-succeeded/")
            for person in people
        }
        pledges = {(row.pledge_id, row.backer_id) for row in self._missed.rows}
        return Figure.of_sets("told: own refund", "CSV", pledges, "topic", told)

    async def _inboxes(self, people: Iterable[str]) -> set[tuple[str, str]]:
        turns = asyncio.Semaphore(INBOXES_AT_ONCE)

        async def one(person: str) -> list[tuple[str, str]]:
            async with turns:
                path = f"/people/{person}/inbox"
                items = await self._look.pages("notifier", path, caller=backer(person))
            return [(person, item["notification_id"]) for item in items]

        return set().union(*await asyncio.gather(*(one(person) for person in sorted(people))))

    async def _answer(self, service: str, path: str) -> Body:
        answer = await self._look.get(service, path)
        assert answer is not None, f"{service} does not know {path}"
        return answer


def _named(label: str, figure: Figure) -> Figure:
    sides = (figure.one_side, figure.one, figure.other_side, figure.other, figure.unmatched)
    return Figure(f"{label}: {figure.name}", *sides)


def _returned_in_full(played: Played, charges: Sequence[Body]) -> Figure:
    pledges = {(row.pledge_id, row.amount) for row in played.rows}
    returned = {(c["metadata"]["pledge_id"], c["refunded"]) for c in charges if c["refunded"]}
    return Figure.of_sets("refunds in full", "CSV", pledges, "provider", returned)


def _fees(rows: Sequence[PledgeRow], terms: Body) -> int:
    """Work out what the terms take of these pledges, with tax: once, per pledge, on both."""
    rate, fixed = terms["processing_fee_basis_points"], terms["processing_fee_fixed"]
    platform = sum(row.amount for row in rows) * terms["platform_fee_basis_points"] // 10_000
    processing = sum((row.amount * rate + 5_000) // 10_000 + fixed for row in rows)
    tax = ((platform + processing) * terms["tax_basis_points"] + 5_000) // 10_000
    return int(platform + processing + tax)


def _charges(provider: Body, campaign_id: str) -> list[Body]:
    charges = provider["charges"].values()
    return [each for each in charges if each["metadata"].get("campaign_id") == campaign_id]


def _movements(provider: Body, account: str | None) -> list[tuple[str, Body]]:
    currencies = provider["accounts"].get(account, {}).values()
    return [item for each in currencies for item in each["by_type"].items()]


def _amount(provider: Body, account: str | None, kind: str) -> int:
    return sum(each["amount"] for name, each in _movements(provider, account) if name == kind)
