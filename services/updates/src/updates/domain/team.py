"""Who works on a campaign with its creator, by what funding says (`domain.md` 1)."""

from enum import StrEnum


class TeamRole(StrEnum):
    """Editor: updates, plan, surveys. Fulfilment: tracking, claims. Moderator: comments.

    The owner, who is the creator, may do all of it.
    """

    OWNER = "owner"
    EDITOR = "editor"
    FULFILMENT = "fulfilment"
    MODERATOR = "moderator"
