"""Who is calling, by what this service itself knows."""

from collections.abc import Awaitable, Callable

from notifier.ports.queries import Queries
from servicekit.access import Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.problems import Problem


async def _is_that_person(caller: Principal, ids: Ids) -> bool:
    return caller.subject == ids["person_id"]


PERSON = Owner("that person", None, _is_that_person)


def creator_of(queries: Queries) -> Owner:
    """Return the ground on which a campaign's creator is let in."""
    return Owner("creator of the campaign", Role.CREATOR, _owns_campaign(queries))


def team_of(queries: Queries) -> Owner:
    """Return the ground on which a campaign's creator, or whoever works on it, is let in."""

    async def works_on(caller: Principal, ids: Ids) -> bool:
        return caller.subject in (await queries.team(ids["campaign_id"]) or ())

    # Who is in a team may have any role on the platform, so none is asked for.
    return Owner("team of the campaign", None, works_on)


def _owns_campaign(queries: Queries) -> Callable[[Principal, Ids], Awaitable[bool]]:
    async def owns(caller: Principal, ids: Ids) -> bool:
        return await queries.creator(ids["campaign_id"]) == caller.subject

    return owns


def unknown_campaign() -> Problem:
    return Problem(
        404,
        "campaign-unknown",
        "Notifier has not heard of this campaign",
        "check its id; right after its launch, try again",
    )


def unknown_person() -> Problem:
    """What whoever may not see a person is told too: in the same words there is none."""
    detail = "check the id; of a person themselves it is the subject of their token"
    return Problem(404, "person-unknown", "There is no such person", detail)
