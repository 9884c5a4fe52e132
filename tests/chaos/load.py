"""The load: campaigns are launched, people pledge, creators publish, each until it succeeds.

The services that answer are being killed meanwhile, so every step is one that may be asked again:
a charge under its key, a launch with its deadline, a draft under its id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx

from infra.suite.checkout import PledgeRow
from infra.suite.readings import eventually
from payouts.domain.refund import refund_id_of
from sosst_contracts.codec import Record
from tests.chaos.plan import Channel, PlannedCampaign
from tests.chaos.played import Played, play
from tests.chaos.together import together
from tests.world import CREATOR, World

# Longer than a storm of five minutes: payouts answers nothing while it must be recovered, and on a
# busy machine each further fault interrupts the recovery. What takes longer is a finding.
PATIENCE_SECONDS = 420.0
PLEDGES_A_STEP = 5
# Payments that were told too late for the verdict make a goal missed; then nothing is reported.
GOAL_MISSED = "/problems/campaign-missed"
DRAFT = {
    "kind": "progress_report",
    "texts": [{"language": "en", "title": "Moulds are ready", "details": "All goes well."}],
}


class Load:
    """Plays all campaigns of a plan; `played` says how far it came."""

    def __init__(self, world: World, campaigns: Sequence[PlannedCampaign]) -> None:
        self.played = [play(planned) for planned in campaigns]
        self._world = world
        self._began = time.monotonic()

    async def run(self) -> None:
        """Return when everybody has pledged and every update is published."""
        self._began = time.monotonic()
        await together(*(self._campaign(one) for one in self.played))

    async def name_accounts_again(self) -> None:
        """Say once more where creators are paid: no event holds what was told after a backup."""
        for one in self.played:
            if one.account is not None:
                await self._name_account(one)

    async def _campaign(self, one: Played) -> None:
        await self._until(one.planned.launch_at_seconds)
        await self._order_refusals(one)
        await self._launch(one)
        await together(self._pledge_and_name_account(one), self._publish_all(one))

    async def _launch(self, one: Played) -> None:
        open_for = timedelta(seconds=one.planned.open_seconds)
        deadline = datetime.now(UTC) + open_for

        async def launched() -> bool:
            nonlocal deadline
            try:
                await self._world.launch(
                    one.campaign_id,
                    goal=one.goal,
                    open_seconds=one.planned.open_seconds,
                    deadline=deadline,
                )
            except httpx.HTTPStatusError as error:
                # A refusal says that it is not launched yet, and that its deadline has passed.
                if error.response.is_client_error:
                    deadline = datetime.now(UTC) + open_for
                raise
            return True

        await self._insist(f"launch of {one.campaign_id}", launched)

    async def _pledge_and_name_account(self, one: Played) -> None:
        await self._pledge(one, one.in_time)
        if one.planned.reachable:
            await self._name_account(one)
        if one.late:
            await self._insist(f"verdict of {one.campaign_id}", lambda: self._decided(one))
            await self._pledge(one, one.late)

    async def _pledge(self, one: Played, rows: Sequence[PledgeRow]) -> None:
        steps = [rows[at : at + PLEDGES_A_STEP] for at in range(0, len(rows), PLEDGES_A_STEP)]
        pause = one.planned.open_seconds * 0.8 / len(steps)
        for step in steps:
            records: list[Record] = []

            async def charged(step: Sequence[PledgeRow] = step, to: list[Record] = records) -> bool:
                to[:] = await self._world.checkout.charge(one.campaign_id, step)
                return True

            await self._insist(f"charges of {one.campaign_id}", charged)
            await self._tell(one, records)
            await asyncio.sleep(pause)

    async def _tell(self, one: Played, records: Sequence[Record]) -> None:
        async def told() -> bool:
            await self._world.tell_by_http(one.campaign_id, records)
            return True

        if one.planned.channel in (Channel.TOPIC, Channel.BOTH):
            await self._world.checkout.tell(records)
        if one.planned.channel in (Channel.HTTP, Channel.BOTH):
            await self._insist(f"payments of {one.campaign_id}", told)

    async def _name_account(self, one: Played) -> None:
        provider = self._world.suite.provider

        async def named() -> bool:
            account = await provider.create_account(key=f"account/{one.campaign_id}")
            one.account = account["id"]
            return True

        await self._insist(f"account of {one.campaign_id}", named)
        assert one.account is not None
        await self._world.give_destination(one.campaign_id, one.account, PATIENCE_SECONDS)

    async def _decided(self, one: Played) -> bool:
        campaign = await self._world.look.get("funding", f"/campaigns/{one.campaign_id}")
        return campaign is not None and campaign["verdict"] is not None

    async def _publish_all(self, one: Played) -> None:
        for number, at_seconds in enumerate(one.planned.updates_at_seconds):
            await self._until(at_seconds)
            await self._publish(one, f"update-{number}")

    async def _publish(self, one: Played, name: str) -> None:
        path = f"/campaigns/{one.campaign_id}/updates/{name}"
        ask = self._world.look.ask

        async def published() -> bool:
            draft = await ask("PUT", "updates", path, caller=CREATOR, body=DRAFT)
            if draft.status_code == httpx.codes.CONFLICT:
                if draft.json()["type"] == GOAL_MISSED:
                    return True
                # It was published, and the answer that said so got lost.
            else:
                draft.raise_for_status()
            answer = await ask("POST", "updates", f"{path}/publish", caller=CREATOR)
            answer.raise_for_status()
            one.published.append(name)
            return True

        await self._insist(f"{name} of {one.campaign_id}", published)

    async def _order_refusals(self, one: Played) -> None:
        """Have the provider refuse the first try of some refunds and take others back."""
        chosen = {"decline": one.planned.declined, "late_failure": one.planned.bounced}
        for kind, numbers in chosen.items():
            cause = f"verdict-reached/{one.campaign_id}"
            ids = [refund_id_of(one.rows[number].pledge_id, cause) for number in numbers]

            async def ordered(kind: str = kind, ids: Sequence[str] = ids) -> bool:
                await self._world.suite.provider.order_fault(kind, "refunds.create", ids=ids)
                return True

            if ids:
                await self._insist(f"{kind} for {one.campaign_id}", ordered)

    async def _insist(self, what: str, ask: Callable[[], Awaitable[bool]]) -> None:
        await eventually(what, ask, PATIENCE_SECONDS)

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self._began + seconds - time.monotonic()))
