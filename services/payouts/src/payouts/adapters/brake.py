"""The operators' switch over all calls that move money."""

from payouts.domain.stopping import Stopped
from servicekit.switches import Known, Switches

STOP_MONEY = Known(
    "stop-money", "stops every call that moves money; looking goes on", subjects="campaign"
)


class SwitchedBrake:
    """`ports.Brake` over the service's switches."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        switches.declare(STOP_MONEY)

    def stopped(self, campaign_id: str) -> Stopped | None:
        switch = self._switches.on(STOP_MONEY.name, campaign_id)
        return Stopped(switch.by, switch.since, switch.until) if switch else None

    async def stop(self, campaign_id: str, by: str, why: str) -> None:
        await self._switches.turn_on(STOP_MONEY.name, campaign_id, by, why)
