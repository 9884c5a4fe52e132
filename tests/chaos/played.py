"""What the load has done, as far as somebody outside must know it to judge the suite."""

from dataclasses import dataclass, field

from infra.suite.checkout import PledgeRow
from tests.chaos.plan import PlannedCampaign
from tests.world import backers


@dataclass
class Played:
    """One campaign of the load: its pledges, what it asks for, where its creator is paid.

    `published` are the updates that were answered as published.
    """

    planned: PlannedCampaign
    rows: list[PledgeRow]
    goal: int
    account: str | None = None
    published: list[str] = field(default_factory=list)

    @property
    def campaign_id(self) -> str:
        return self.planned.campaign_id

    @property
    def total(self) -> int:
        """Everything that is pledged, also late, in minor units."""
        return sum(row.amount for row in self.rows)

    @property
    def in_time(self) -> list[PledgeRow]:
        return self.rows[: self.planned.pledges]

    @property
    def late(self) -> list[PledgeRow]:
        return self.rows[self.planned.pledges :]


def play(planned: PlannedCampaign) -> Played:
    """Return the campaign before anything happened.

    A reachable goal is reached by a quarter of the pledges, so that payments which an outage made
    late seldom change the verdict; the other one by no number of them.
    """
    rows = backers(planned.campaign_id, planned.pledges + planned.late)
    total = sum(row.amount for row in rows)
    return Played(planned, rows, goal=total // 4 if planned.reachable else 10 * total)
