"""Routes that show whether everybody was told."""

from collections.abc import Sequence

from fastapi import FastAPI

from notifier.domain.cause import Cause, CauseKind, CauseState, Totals, audience_so_far
from notifier.domain.chunk import ENDED, Chunk, totals_of
from notifier.domain.kind import ToldAs
from notifier.http.callers import creator_of, unknown_campaign
from notifier.http.found_notice import find_notice, unknown_notice
from notifier.http.models import NoticeList, NoticeView, RoleView
from notifier.http.paths import CampaignId, Cursor, Limit, Subject
from notifier.ports.queries import Queries, RoleTotals
from servicekit.access import Guard
from servicekit.auth import Role
from servicekit.cursors import cursor_of, place_of


def add_notice_routes(api: FastAPI, guard: Guard, queries: Queries) -> None:
    """Add them."""
    creator = creator_of(queries)

    @api.get(
        "/campaigns/{campaign_id}/notices",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_campaign)],
    )
    async def list_notices(
        campaign_id: CampaignId, cursor: Cursor = "", limit: Limit = 50
    ) -> NoticeList:
        """List the campaign-wide causes of a campaign, newest first, with their completeness."""
        if await queries.creator(campaign_id) is None:
            raise unknown_campaign()
        causes = await queries.causes(campaign_id, place_of(cursor), limit)
        names = [cause.name for cause in causes]
        totals, others = await queries.totals_of(names), await queries.role_totals(names)
        last = causes[-1] if len(causes) == limit else None
        return NoticeList(
            items=[_notice(one, totals[one.name], others[one.name]) for one in causes],
            next_cursor=cursor_of((last.heard_at, last.name)) if last else None,
        )

    @api.get(
        "/campaigns/{campaign_id}/notices/{kind}/{subject}",
        dependencies=[guard.allow(Role.STAFF, creator, unknown=unknown_notice)],
    )
    async def read_notice(campaign_id: CampaignId, kind: CauseKind, subject: Subject) -> NoticeView:
        """Show whether everybody was told of one cause."""
        found = await find_notice(queries, campaign_id, kind, subject)
        if found.cause is None:
            return _notice_of_some(found.unplanned)
        others = await queries.role_totals([found.name])
        return _notice(found.cause, await queries.totals(found.name), others[found.name])


def _notice(cause: Cause, totals: Totals, others: Sequence[RoleTotals]) -> NoticeView:
    return NoticeView(
        cause=cause.name,
        kind=cause.told.kind.value,
        campaign_id=cause.told.campaign_id,
        state=cause.state.value,
        pledges_sequence=cause.pledges_sequence,
        audience=audience_so_far(cause, totals),
        supplements=totals.supplements,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=totals.failed,
        pending=totals.pending,
        complete=cause.state is CauseState.COMPLETED,
        others=[_of_role(one) for one in others],
    )


def _notice_of_some(chunks: Sequence[Chunk]) -> NoticeView:
    """Show a cause without a plan: its backers' figures, if it names any, else all others'."""
    told = chunks[0].told
    named = [chunk for chunk in chunks if chunk.role is ToldAs.BACKER]
    totals = totals_of(named)
    ended = all(chunk.state in ENDED for chunk in chunks)
    return NoticeView(
        cause=told.cause,
        kind=told.kind.value,
        campaign_id=told.campaign_id,
        state=CauseState.COMPLETED.value if ended else CauseState.PLANNED.value,
        pledges_sequence=None,
        audience=totals.people,
        supplements=0,
        delivered=totals.delivered,
        suppressed=totals.suppressed,
        failed=0,
        pending=totals.pending,
        complete=ended,
        others=_others(chunks),
    )


def _others(chunks: Sequence[Chunk]) -> list[RoleView]:
    """Show those who are told in another role than a backer's."""
    by_role: dict[ToldAs, list[Chunk]] = {}
    for chunk in chunks:
        if chunk.role is not ToldAs.BACKER:
            by_role.setdefault(chunk.role, []).append(chunk)
    return [
        _of_role(RoleTotals(role, totals_of(parts), all(one.state in ENDED for one in parts)))
        for role, parts in by_role.items()
    ]


def _of_role(others: RoleTotals) -> RoleView:
    return RoleView(
        role=others.role.value,
        audience=others.totals.people,
        delivered=others.totals.delivered,
        suppressed=others.totals.suppressed,
        pending=others.totals.pending,
        complete=others.complete,
    )
