"""The story: a campaign that misses its goal, one that meets it, an update told to everybody.

payouts and notifier are killed (-9) in the middle, and no number changes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.demo.figures import Figure
from infra.demo.given import GivenCampaign
from infra.suite import Suite
from infra.suite.checkout import Checkout, Launch, PledgeRow
from infra.suite.readings import Readings, eventually
from sosst_contracts.notifier import BackerNotified

OPEN_SECONDS = 12.0
WAIT_SECONDS = 120.0


class Story:
    """Plays on a running suite and tells what happens as it happens."""

    def __init__(
        self, suite: Suite, campaign: GivenCampaign, rows: Sequence[PledgeRow], console: Console
    ) -> None:
        self._suite = suite
        self._campaign = campaign
        self._rows = rows
        self._console = console
        self._checkout = Checkout(suite)
        self._look = Readings(suite)
        self._missed = f"{campaign.campaign_id}-missed"
        self._met = f"{campaign.campaign_id}-met"
        self._update = "first-news"

    async def play(self) -> list[Figure]:
        """Play everything; return the figures, each from two sides."""
        try:
            await self._open_and_pay()
            await self._refunds_under_fire()
            await self._first_stage()
            await self._update_under_fire()
            return await self._figures()
        finally:
            await self._checkout.close()
            await self._look.close()

    async def _open_and_pay(self) -> None:
        total = sum(row.amount for row in self._rows)
        self._say(f"Two campaigns open for {OPEN_SECONDS:.0f} seconds: one goal is out of reach.")
        await self._launch(self._missed, total + 1)
        await self._launch(self._met, total)
        self._say(f"Checkout charges {len(self._rows)} pledges in each at the provider …")
        for name in (self._missed, self._met):
            await self._checkout.pay(name, self._rows_of(name))
        account = await self._suite.provider.create_account(key=f"account/{self._met}")
        response = await self._look.http.put(
            f"{self._suite.services['payouts'].url}/campaigns/{self._met}/destination",
            json={"provider": "sandbox", "account": account["id"]},
        )
        response.raise_for_status()

    async def _launch(self, name: str, goal: int) -> None:
        given = self._campaign
        await self._checkout.launch(
            Launch(
                campaign_id=name,
                creator_id=given.creator_id,
                title=given.title,
                goal=goal,
                currency=given.currency,
                open_seconds=OPEN_SECONDS,
                zone=given.zone,
                rewards=given.rewards,
            )
        )

    async def _refunds_under_fire(self) -> None:
        for name in (self._missed, self._met):
            verdict = await self._verdict(name)
            self._say(
                f"{name}: [bold]{verdict['outcome']}[/], {verdict['count']} pledges, "
                f"{self._money(verdict['collected'])}, as of {verdict['pledges_sequence']}."
            )
        await self._refunds_reach(len(self._rows) // 4)
        self._say("[red]kill -9 payouts[/], in the middle of the refunds")
        await asyncio.to_thread(self._suite.services["payouts"].kill)
        await asyncio.to_thread(self._suite.services["payouts"].start)
        await self._refunds_reach(len(self._rows))
        self._say("Every backer of the missed campaign has everything back.")

    async def _first_stage(self) -> None:
        async def paid() -> dict[str, Any] | None:
            found = await self._look.get("payouts", f"/campaigns/{self._met}/stages")
            stages = found["stages"] if found else []
            return found if stages and stages[0]["state"] == "paid" else None

        stages = (await eventually("the first stage is paid", paid, WAIT_SECONDS))["stages"]
        self._say(f"The first stage is paid: {self._money(stages[0]['amount'])}.")
        table = Table(title="Why is the second not yet paid?", title_justify="left")
        for column in ("line", "state", "why", "who"):
            table.add_column(column)
        for line in stages[1]["gate"]:
            table.add_row(line["name"], line["state"], line["why"], line["who"] or "")
        self._console.print(table)

    async def _update_under_fire(self) -> None:
        address = (
            f"{self._suite.services['updates'].url}/campaigns/{self._met}/updates/{self._update}"
        )
        draft = {
            "author_id": self._campaign.creator_id,
            "texts": [
                {"language": "fr", "title": "Les moules sont prêts", "details": "Tout avance."},
                {"language": "en", "title": "The moulds are ready", "details": "All goes well."},
            ],
        }
        (await self._look.http.put(address, json=draft)).raise_for_status()
        people = len({row.backer_id for row in self._rows_of(self._met)})

        async def known() -> bool:
            audience = (await self._look.http.get(f"{address}/audience")).json()
            return bool(audience.get("count") == people)

        await eventually("updates knows all backers", known, WAIT_SECONDS)
        (await self._look.http.post(f"{address}/publish")).raise_for_status()
        self._say(f"An update is published to {people} backers; [red]kill -9 notifier[/]")
        await asyncio.to_thread(self._suite.services["notifier"].kill)
        await asyncio.to_thread(self._suite.services["notifier"].start)

        async def told() -> dict[str, Any] | None:
            notice = await self._look.get("notifier", self._notice_path())
            return notice if notice and notice["complete"] else None

        notice = await eventually("everybody is told", told, WAIT_SECONDS)
        self._say(f"Told: {notice['delivered']} of {notice['audience']}.")
        person = self._rows[0].backer_id
        inbox = await self._look.get("notifier", f"/people/{person}/inbox")
        kinds = [item["kind"] for item in inbox["items"]] if inbox else []
        self._say(f"Inbox of {person}: {', '.join(kinds)}.")

    def _notice_path(self) -> str:
        subject = f"{self._met}:{self._update}"
        return f"/campaigns/{self._met}/notices/update-published/{subject}"

    async def _figures(self) -> list[Figure]:
        provider = await self._suite.provider.book()
        charges = list(provider["charges"].values())
        figures = []
        for name in (self._missed, self._met):
            rows = self._rows_of(name)
            funding = await self._answer("funding", f"/campaigns/{name}")
            payouts = await self._answer("payouts", f"/campaigns/{name}/money")
            updates = await self._project(name, payouts)
            returned = _sum(charges, name, "refunded")
            collected = funding["figures"]["collected"]
            figures += [
                Figure(
                    f"{name}: pledged",
                    "CSV",
                    sum(r.amount for r in rows),
                    "funding",
                    funding["figures"]["raised"],
                ),
                Figure(
                    f"{name}: collected",
                    "provider",
                    _sum(charges, name, "amount"),
                    "funding",
                    collected,
                ),
                Figure(f"{name}: refunded", "provider", returned, "payouts", payouts["refunded"]),
                Figure(
                    f"{name}: shown as refunded",
                    "updates",
                    updates["figures"]["refunded"],
                    "provider",
                    returned,
                ),
                Figure(
                    f"{name}: held",
                    "updates",
                    updates["figures"]["held"],
                    "payouts",
                    payouts["held"],
                ),
                Figure(
                    f"{name}: cash in the book",
                    "payouts",
                    payouts["balances"]["provider_balance"],
                    "provider",
                    collected - returned - payouts["paid"],
                ),
            ]
        figures.append(
            self._stage_figure(
                provider, await self._answer("payouts", f"/campaigns/{self._met}/money")
            )
        )
        return figures + await self._notice_figures()

    def _stage_figure(self, provider: dict[str, Any], money: dict[str, Any]) -> Figure:
        paid_out = -sum(
            by_currency["by_type"].get("payout", {"amount": 0})["amount"]
            for account in provider["accounts"].values()
            for by_currency in account.values()
        )
        return Figure(f"{self._met}: paid", "payouts", money["paid"], "provider's bank", paid_out)

    async def _notice_figures(self) -> list[Figure]:
        events = [e.event for e in await self._look.events("notifier.notifications")]
        told: dict[str, set[str]] = {}
        for event in events:
            if isinstance(event, BackerNotified):
                told.setdefault(event.cause, set()).add(event.recipient_id)
        refunds = await self._look.pages("payouts", f"/campaigns/{self._missed}/refunds")
        causes = {
            f"verdict-reached/{self._missed}": {r.backer_id for r in self._rows},
            f"verdict-reached/{self._met}": {r.backer_id for r in self._rows},
            f"update-published/{self._met}:{self._update}": {r.backer_id for r in self._rows},
        }
        figures = [
            Figure(
                f"told: {cause}",
                "backers",
                len(people),
                "topic",
                len(told.get(cause, set()) & people),
            )
            for cause, people in causes.items()
        ]
        refund_causes = {f"refund-succeeded/{refund['refund_id']}" for refund in refunds}
        figures.append(
            Figure(
                "told of their refund",
                "pledges",
                len(self._rows),
                "topic",
                len(refund_causes & set(told)),
            )
        )
        return figures

    async def _project(self, name: str, money: dict[str, Any]) -> dict[str, Any]:
        async def caught_up() -> dict[str, Any] | None:
            project = await self._look.get("updates", f"/campaigns/{name}")
            figures = project["figures"] if project else {}
            same = all(figures.get(f) == money[f] for f in ("refunded", "paid"))
            return project if same else None

        return await eventually(f"updates has caught up on {name}", caught_up, WAIT_SECONDS)

    async def _verdict(self, name: str) -> dict[str, Any]:
        async def decided() -> dict[str, Any] | None:
            campaign = await self._look.get("funding", f"/campaigns/{name}")
            return campaign["verdict"] if campaign else None

        return await eventually(f"verdict of {name}", decided, WAIT_SECONDS)

    async def _refunds_reach(self, count: int) -> None:
        async def done() -> bool:
            money = await self._look.get("payouts", f"/campaigns/{self._missed}/money")
            found = (money or {"refunds": {}})["refunds"].get("succeeded", {"count": 0})
            return bool(found["count"] >= count)

        await eventually(f"{count} refunds", done, WAIT_SECONDS)

    async def _answer(self, service: str, path: str) -> dict[str, Any]:
        answer = await self._look.get(service, path)
        assert answer is not None, f"{service} does not know {path}"
        return answer

    def _rows_of(self, name: str) -> list[PledgeRow]:
        return [replace(row, pledge_id=f"{name}-{row.pledge_id}") for row in self._rows]

    def _money(self, amount: int) -> str:
        return f"{amount:,} minor units of {self._campaign.currency}"

    def _say(self, text: str) -> None:
        self._console.print(f"• {text}")


def _sum(charges: Sequence[dict[str, Any]], campaign_id: str, field: str) -> int:
    return sum(
        charge[field] for charge in charges if charge["metadata"].get("campaign_id") == campaign_id
    )
