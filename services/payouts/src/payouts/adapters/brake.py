"""The operators' switch over all calls that move money."""

from dataclasses import replace

from payouts.domain.stopping import Stopped
from payouts.ports.queries import Queries
from servicekit.switches import Known, Switches

STOP_MONEY = Known(
    "stop-money", "stops every call that moves money; looking goes on", subjects="campaign"
)


class SwitchedBrake:
    """`ports.Brake` over the service's switches."""

    def __init__(self, switches: Switches, queries: Queries) -> None:
        self._switches = switches
        self._queries = queries
        switches.declare(replace(STOP_MONEY, is_known=self._is_known))

    def stopped(self, campaign_id: str) -> Stopped | None:
        switch = self._switches.on(STOP_MONEY.name, campaign_id)
        return Stopped(switch.by, switch.since, switch.until) if switch else None

    async def stop(self, campaign_id: str, by: str, why: str) -> None:
        await self._switches.turn_on(STOP_MONEY.name, campaign_id, by, why)

    async def _is_known(self, campaign_id: str) -> bool:
        # A topic of pledges may be read before that of their campaigns.
        told = await self._queries.creator(campaign_id)
        return told is not None or await self._queries.book(campaign_id) is not None
