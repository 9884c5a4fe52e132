"""What two people say of a break that does not end by itself, neither of whom it concerns."""

from dataclasses import dataclass

from payouts.domain.approval import Concerned
from payouts.domain.errors import Refused
from payouts.domain.reconciliation import PLATFORM, Break, Saying, say
from payouts.handlers.approvals import concern_of
from payouts.ports.provider import CashMovement, NoAnswer, Provider
from payouts.ports.queries import Queries
from payouts.ports.reconciliation import Reconciliation


@dataclass(frozen=True, slots=True)
class SayOfBreaks:
    """Takes one person's word after the other."""

    store: Reconciliation
    provider: Provider
    queries: Queries

    async def __call__(self, break_id: str, saying: Saying) -> Break:
        """Take what a person says.

        Raises `Refused` where there is no such break, it is over, the person has an interest in a
        campaign whose cash it is, or the provider does not answer whose it is.
        """
        found = await self.store.break_(break_id)
        if found is None:
            raise Refused("break-unknown", f"there is no break {break_id}")
        said = say(found, saying, await self._concerns(found, saying))
        return found if said == found else await self.store.save_break(said)

    async def _concerns(self, found: Break, saying: Saying) -> list[Concerned]:
        """Return what interest the person may have in each campaign that it is about.

        Cash that no book has names none: the provider says for which one it was asked for.
        """
        named = {found.campaign_id, saying.campaign_id, await self._asked_for(found)}
        return [await concern_of(self.queries, one, saying.by) for one in named if one is not None]

    async def _asked_for(self, found: Break) -> str | None:
        listed = await self.store.movements([found.balance_transaction])
        movement = listed.get(found.balance_transaction)
        if movement is None or movement.account != PLATFORM:
            return None
        cash = CashMovement(movement.id, movement.type, movement.source)
        campaign_id = await self.provider.campaign_of(cash)
        if isinstance(campaign_id, NoAnswer):
            raise Refused("try-again", "the provider does not say for which campaign it was made")
        return campaign_id
