"""The story: a campaign that misses its goal, one whose creator is paid in three stages, an update.

payouts and notifier are killed (-9) in the middle, and no number changes.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from infra.demo.evidence import Evidence, Played
from infra.demo.figures import Figure
from infra.demo.given import GivenCampaign
from infra.demo.telling import Telling
from infra.sandbox.issuer.tokens import Caller, backer, creator
from infra.sandbox.mail.client import MailClient
from infra.suite import Suite
from infra.suite.checkout import Checkout, Described, Launch, PledgeRow
from infra.suite.readings import Readings, eventually
from sosst_contracts.codec import Record
from sosst_contracts.notifier import BackerNotified

OPEN_SECONDS = 6.0
ROWS_TOLD_A_SECOND = 250
CHARGES_A_STEP = 40
LATER_STAGES = (2, 3)
LANGUAGES = ("fr", "en")
APPROVE = {"decision": "approve"}
UPDATE_ID = "first-news"
UPDATE = {
    "texts": [
        {"language": "fr", "title": "Les moules sont prêts", "details": "Tout avance."},
        {"language": "en", "title": "The moulds are ready", "details": "All goes well."},
    ],
}


@dataclass
class Outcome:
    """The figures, and how far the work was whenever a process was killed."""

    figures: list[Figure] = field(default_factory=list)
    killed: dict[str, str] = field(default_factory=dict)


class Story:
    """Plays on a running suite and tells what happens as it happens."""

    def __init__(
        self, suite: Suite, campaign: GivenCampaign, rows: Sequence[PledgeRow], telling: Telling
    ) -> None:
        self._suite = suite
        self._campaign = campaign
        self._tell = telling
        self._checkout = Checkout(suite)
        self._look = Readings(suite)
        self._outcome = Outcome()
        self._addresses: dict[str, str] = {}
        self._missed = self._play_of("missed", rows)
        self._met = self._play_of("met", rows)

    async def play(self) -> Outcome:
        """Play everything; return the figures, each from two sides."""
        try:
            await self._pay_and_open()
            await self._deadlines()
            await self._refunds_under_fire()
            await self._first_stage()
            await self._update_under_fire()
            for number in LATER_STAGES:
                await self._later_stage(number)
            self._tell.say("Everything is read a second time, from the other side …")
            self._outcome.figures = await self._evidence().settled()
            return self._outcome
        finally:
            await self._checkout.close()
            await self._look.close()

    async def _pay_and_open(self) -> None:
        """Charge, launch, tell: in this order a slow machine cannot miss the deadline."""
        plays = (self._missed, self._met)
        records = [record for played in plays for record in await self._charge(played)]
        total = sum(row.amount for row in self._met.rows)
        seconds = OPEN_SECONDS + len(records) / ROWS_TOLD_A_SECOND
        self._tell.say(
            f"Two campaigns open for {seconds:.0f} seconds: one asks for {self._tell.money(total)},"
            f" the other for {self._tell.money(total + 1)}, which is out of reach."
        )
        await self._describe()
        await self._launch(self._missed, total + 1, seconds)
        await self._launch(self._met, total, seconds)
        await self._checkout.tell(records)
        await self._tell.fill("pledges counted", len(records), self._counted)

    async def _describe(self) -> None:
        """The platform tells who the backers are; every tenth has left no address."""
        people = sorted(self._missed.backers | self._met.backers)
        described = [
            Described(
                person_id=person,
                address=None if number % 10 == 9 else f"{person.lower()}@backers.example",
                name=f"Backer {number + 1}",
                language=LANGUAGES[number % len(LANGUAGES)],
            )
            for number, person in enumerate(people)
        ]
        await self._checkout.describe(described)
        self._addresses = {one.person_id: one.address for one in described if one.address}
        without = len(people) - len(self._addresses)
        self._tell.say(f"{len(self._addresses)} backers can be written to, {without} cannot.")

    async def _charge(self, played: Played) -> list[Record]:
        # The provider keeps its fees of refunded charges, so refunding needs money of the platform.
        total, currency = sum(row.amount for row in played.rows), self._campaign.currency
        await self._suite.provider.top_up(total, currency, key=f"float/{played.campaign_id}")
        records: list[Record] = []
        with self._tell.bar() as progress:
            task = progress.add_task(f"checkout charges, {played.label}", total=len(played.rows))
            for start in range(0, len(played.rows), CHARGES_A_STEP):
                step = played.rows[start : start + CHARGES_A_STEP]
                records += await self._checkout.charge(played.campaign_id, step)
                progress.advance(task, len(step))
        return records

    async def _launch(self, played: Played, goal: int, open_seconds: float) -> None:
        given = self._campaign
        await self._checkout.launch(
            Launch(
                campaign_id=played.campaign_id,
                creator_id=given.creator_id,
                title=given.title,
                goal=goal,
                currency=given.currency,
                open_seconds=open_seconds,
                zone=given.zone,
                rewards=given.rewards,
            )
        )

    async def _deadlines(self) -> None:
        account = await self._suite.provider.create_account(key=f"account/{self._met.campaign_id}")
        destination = {"provider": "sandbox", "account": account["id"]}
        path = f"/campaigns/{self._met.campaign_id}/destination"

        async def given() -> bool:
            # Until payouts has heard whose campaign it is, it is nobody's.
            answer = await self._as_creator("PUT", "payouts", path, destination)
            return answer.status_code != 404 and bool(answer.raise_for_status())

        await eventually("the destination is given", given)
        self._tell.say("The creator gave a destination; now the deadline passes.")
        self._missed = await self._decided(self._missed)
        self._met = replace(await self._decided(self._met), account=account["id"])

    async def _decided(self, played: Played) -> Played:
        async def verdict() -> dict[str, Any] | None:
            campaign = await self._look.get("funding", f"/campaigns/{played.campaign_id}")
            return campaign["verdict"] if campaign else None

        reached = await eventually(f"verdict of {played.campaign_id}", verdict)
        self._tell.say(
            f"{played.campaign_id}: [bold]{reached['outcome']}[/], {reached['count']} pledges, "
            f"{self._tell.money(reached['collected'])}, as of {reached['pledges_sequence']}."
        )
        return replace(played, collected_before_kill=reached["collected"])

    async def _refunds_under_fire(self) -> None:
        pledges = len(self._missed.rows)
        await self._tell.fill("refunds", pledges, self._refunded, stop_at=pledges // 4)
        await self._kill("payouts", "notifier")
        book = await self._suite.provider.book(charges=False)
        done = book["refunds"].get("succeeded", {"count": 0})["count"]
        told = await self._told("refund-succeeded/")
        self._mark("payouts", f"{done} of {pledges} refunds made")
        self._mark("notifier", f"{told} of {pledges} refunds told")
        await self._restart("payouts", "notifier")
        await self._tell.fill("refunds", pledges, self._refunded)
        self._tell.say("Every backer of the missed campaign has everything back.")

    async def _first_stage(self) -> None:
        await self._stage_is(1, "paid")
        first, second, _ = await self._stages()
        self._tell.say(f"The first stage is paid: {self._tell.money(first['amount'])}.")
        self._tell.gate("Why is the second not yet paid?", second["gate"])

    async def _later_stage(self, number: int) -> None:
        """The creator shows evidence, one person approves it, another one the payment."""
        path = f"/campaigns/{self._met.campaign_id}/stages/{number}"
        evidence = {"evidence": hashlib.sha256(f"photographs {number}".encode()).hexdigest()}
        (await self._as_creator("PUT", "payouts", f"{path}/evidence", evidence)).raise_for_status()
        await self._as_staff("staff-ada", f"{path}/milestone", {"revision": 1} | APPROVE)
        due = await self._stage_is(number, "due")
        approval = {
            "amount": due["amount"],
            "currency": self._campaign.currency,
            "destination_version": 1,
            "milestone_revision": 1,
        }
        after = await self._as_staff("staff-bo", f"{path}/approvals", approval)
        if after["state"] == "awaiting_second_approval":
            # What one person approves of a campaign within thirty days is limited.
            self._tell.say("One person may not approve that much alone; a second one does as well.")
            await self._as_staff("staff-cy", f"{path}/approvals", approval)
        paid = await self._stage_is(number, "paid", "nothing_to_pay")
        fees = f", after fees of {self._tell.money(sum(_taken(paid)))}" if paid["fees"] else ""
        self._tell.say(
            f"Evidence, its approval by one person, the payment's by another: the {paid['kind']} "
            f"stage is paid, {self._tell.money(paid['amount'])}{fees}."
        )

    async def _stage_is(self, number: int, *states: str) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            stages = await self._stages()
            stage = stages[number - 1] if stages else None
            return stage if stage and stage["state"] in states else None

        return await eventually(f"stage {number} is {' or '.join(states)}", reached)

    async def _stages(self) -> list[dict[str, Any]]:
        found = await self._look.get("payouts", f"/campaigns/{self._met.campaign_id}/stages")
        return found["stages"] if found else []

    async def _update_under_fire(self) -> None:
        people = len(self._met.backers)
        await self._publish(people)
        await eventually("the notice is planned", self._planned)
        await self._kill("notifier")
        told = await self._told(self._update_cause)
        self._mark("notifier, again", f"{told} of {people} backers told of the update")
        await self._restart("notifier")
        await self._tell.fill("backers told", people, self._delivered)
        written = {self._addresses.get(one) for one in self._met.backers} - {None}
        await self._tell.fill("mails of the update", len(written), self._mailed)
        person = self._met.rows[0].backer_id
        path = f"/people/{person}/inbox"
        items = await self._look.pages("notifier", path, caller=backer(person))
        kinds = ", ".join(item["kind"] for item in items)
        self._tell.say(f"Inbox of {person}, newest first: {kinds}.")

    async def _publish(self, people: int) -> None:
        """Write a draft, wait until everybody it goes to is known, publish it."""
        path = f"/campaigns/{self._met.campaign_id}/updates/{UPDATE_ID}"
        (await self._as_creator("PUT", "updates", path, UPDATE)).raise_for_status()

        async def known() -> int:
            answer = await self._as_creator("GET", "updates", f"{path}/audience")
            return int(answer.raise_for_status().json()["count"])

        await self._tell.fill("backers known to updates", people, known)
        (await self._as_creator("POST", "updates", f"{path}/publish")).raise_for_status()
        self._tell.say(f"The creator publishes an update to {people} backers.")

    async def _as_creator(
        self, method: str, service: str, path: str, body: object = None
    ) -> httpx.Response:
        caller = creator(self._campaign.creator_id)
        return await self._look.ask(method, service, path, caller=caller, body=body)

    async def _as_staff(self, person: str, path: str, body: object) -> dict[str, Any]:
        caller = Caller(person, ("staff",))
        answer = await self._look.ask("POST", "payouts", path, caller=caller, body=body)
        decided: dict[str, Any] = answer.raise_for_status().json()
        return decided

    async def _kill(self, *services: str) -> None:
        processes = [self._suite.services[name] for name in services]
        await asyncio.gather(*(asyncio.to_thread(process.kill) for process in processes))

    async def _restart(self, *services: str) -> None:
        processes = [self._suite.services[name] for name in services]
        await asyncio.gather(*(asyncio.to_thread(process.start) for process in processes))

    def _mark(self, name: str, when: str) -> None:
        self._outcome.killed[name] = when
        self._tell.say(f"[red]kill -9 {name}[/] with {when}; it is started again.")

    async def _counted(self) -> int:
        plays = (self._missed, self._met)
        found = [await self._look.get("funding", f"/campaigns/{p.campaign_id}") for p in plays]
        return sum(campaign["figures"]["count"] for campaign in found if campaign)

    async def _refunded(self) -> int:
        money = await self._look.get("payouts", f"/campaigns/{self._missed.campaign_id}/money")
        return int(money["refunds"].get("succeeded", {"count": 0})["count"]) if money else 0

    async def _planned(self) -> bool:
        return await self._look.get("notifier", self._notice_path) is not None

    async def _delivered(self) -> int:
        notice = await self._look.get("notifier", self._notice_path)
        return int(notice["delivered"]) if notice else 0

    async def _mailed(self) -> int:
        """Count who got a mail of the update, as the mail server says."""
        titles = tuple(text["title"] for text in UPDATE["texts"])
        mails = await self._mailbox().mails()
        return len({mail["recipient"] for mail in mails if mail["subject"].endswith(titles)})

    def _mailbox(self) -> MailClient:
        assert self._suite.mail is not None, "the story is told with mail"
        return MailClient(self._suite.mail.url)

    async def _told(self, cause: str) -> int:
        """Count what the topic says was told of causes that begin like this."""
        facts = [read.event for read in await self._look.events("notifier.notifications")]
        told = [fact for fact in facts if isinstance(fact, BackerNotified)]
        return len({one.notification_id for one in told if one.cause.startswith(cause)})

    @property
    def _update_cause(self) -> str:
        return f"update-published/{self._met.campaign_id}:{UPDATE_ID}"

    @property
    def _notice_path(self) -> str:
        return f"/campaigns/{self._met.campaign_id}/notices/{self._update_cause}"

    def _evidence(self) -> Evidence:
        return Evidence(
            self._look,
            self._missed,
            self._met,
            self._update_cause,
            "update",
            self._mailbox(),
            self._addresses,
        )

    def _play_of(self, label: str, rows: Sequence[PledgeRow]) -> Played:
        name = f"{self._campaign.campaign_id}-{label}"
        own = [replace(row, pledge_id=f"{name}-{row.pledge_id}") for row in rows]
        return Played(label, name, own)


def _taken(stage: dict[str, Any]) -> list[int]:
    """Return the fees of a last stage, with their tax."""
    return [stage["fees"][name] for name in ("platform", "processing", "tax")]
