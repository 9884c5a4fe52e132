"""Facts of other services say what is left of each pledge, a batch of them in one save."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from updates.domain.pledge import Pledge
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class PledgeHeard:
    """One fact about one pledge; `moved` is what it makes of what was known."""

    campaign_id: str
    pledge_id: str
    moved: Callable[[Pledge], Pledge]


async def project_pledges(unit: UpdatesUnit, heard: Sequence[PledgeHeard]) -> None:
    """Fold the facts into their pledges, in the given order."""
    known = await unit.pledges.load({(one.campaign_id, one.pledge_id) for one in heard})
    moved = dict(known)
    for one in heard:
        place = (one.campaign_id, one.pledge_id)
        moved[place] = one.moved(moved.get(place) or Pledge(*place))
    await unit.pledges.save([one for place, one in moved.items() if one != known.get(place)])
