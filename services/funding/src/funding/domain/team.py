"""Who works on a campaign with its creator, and what each of them may (`domain.md` 1).

The creator is the owner, always and alone: money and the team are the owner's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from funding.domain.errors import Refused

MEMBERS_MAX = 50


class TeamRole(StrEnum):
    """Owner: money, team. Editor: updates, plan, surveys. Fulfilment: tracking, claims.

    Moderator: comments. The owner may do all of it.
    """

    OWNER = "owner"
    EDITOR = "editor"
    FULFILMENT = "fulfilment"
    MODERATOR = "moderator"


@dataclass(frozen=True, slots=True)
class Team:
    """The people beside the creator; `version` is the compare-and-set guard of every save."""

    campaign_id: str
    roles: Mapping[str, frozenset[TeamRole]] = field(default_factory=dict)
    changed_by: str = ""
    changed_at: datetime | None = None
    version: int = 0


def check_team(owner: str, roles: Mapping[str, frozenset[TeamRole]]) -> None:
    """Raise `Refused` for a team that cannot be: a second owner, somebody without a role."""
    if len(roles) > MEMBERS_MAX:
        raise Refused("team-too-large", f"a team has at most {MEMBERS_MAX} people")
    if owner in roles:
        raise Refused("owner-is-fixed", "the creator is the owner and needs no other role")
    for person, given in roles.items():
        if TeamRole.OWNER in given:
            raise Refused("owner-is-fixed", f"only the creator owns the campaign, not {person}")
        if not given:
            raise Refused("role-missing", f"{person} is in the team with no role")
