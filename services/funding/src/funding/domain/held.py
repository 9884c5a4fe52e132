"""A campaign whose own history does not fold: it decides nothing until a person has looked.

Only a recovery finds that out, where our rules over the facts do not say what the topics say. A
verdict that was told by then has fallen: it stands as it was told, whatever is found here.
"""

from dataclasses import dataclass
from datetime import datetime

from funding.domain.campaign import Verdict


@dataclass(frozen=True, slots=True)
class Held:
    """Why the campaign is held, since when, and the verdict that was told of it, if any was."""

    campaign_id: str
    why: str
    since: datetime
    verdict: Verdict | None = None
