"""What the path of a notice names: one cause of its campaign, with a plan or without one."""

from collections.abc import Sequence
from dataclasses import dataclass

from notifier.domain.cause import Cause, CauseKind
from notifier.domain.chunk import Chunk
from notifier.ports.queries import Queries
from servicekit.problems import Problem


@dataclass(frozen=True, slots=True)
class FoundNotice:
    """A cause by its name; `unplanned` are the chunks of one that needed no plan, and is None."""

    name: str
    cause: Cause | None
    unplanned: Sequence[Chunk] = ()


async def find_notice(
    queries: Queries, campaign_id: str, kind: CauseKind, subject: str
) -> FoundNotice:
    """Return it; raises `unknown_notice` for one that is not there, or is of another campaign."""
    name = f"{kind.value}/{subject}"
    cause = await queries.cause(name)
    if cause is not None and cause.told.campaign_id == campaign_id:
        return FoundNotice(name, cause)
    unplanned = [c for c in await queries.unplanned(name) if c.told.campaign_id == campaign_id]
    if not unplanned:
        raise unknown_notice()
    return FoundNotice(name, None, unplanned)


def unknown_notice() -> Problem:
    """Return what is said of a cause that is not there."""
    title = "There is no such notice in this campaign"
    detail = "it is named kind/subject; /campaigns/{campaign_id}/notices lists the campaign's"
    return Problem(404, "notice-unknown", title, detail)
