"""Routes of milestones: evidence with its use of funds, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field

from servicekit.access import Guard
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork
from updates.domain.claim_turns import AMOUNT_MAX
from updates.domain.media import ATTACHMENTS_MAX
from updates.domain.milestone import (
    LINES_MAX,
    STAGES,
    TEXT_CHARACTERS_MAX,
    WHAT_CHARACTERS_MAX,
    Evidence,
    FundsLine,
    Milestone,
    Spent,
)
from updates.handlers.milestones import has_rewards, milestones_of, submit_evidence
from updates.http.callers import Callers, unknown_campaign
from updates.http.media import MediaShelf
from updates.http.media_models import MediaView, media_view
from updates.http.milestone_words import DECLARED, milestone_name
from updates.http.models import Body, Identifier
from updates.http.paths import CampaignId
from updates.ports.unit import UpdatesUnit

Stage = Annotated[int, Path(ge=STAGES[0], le=STAGES[-1])]


class FundsBody(Body):
    """A line of the statement; the amount in minor units of the campaign's currency."""

    what: Annotated[str, Field(min_length=1, max_length=WHAT_CHARACTERS_MAX)]
    amount: Annotated[int, Field(ge=1, le=AMOUNT_MAX)]
    spent: Literal["paid", "committed"]


class EvidenceBody(Body):
    """What shows that the milestone is reached; the last stage needs the statement."""

    text: Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
    funds: Annotated[list[FundsBody], Field(max_length=LINES_MAX, default_factory=list)]
    attachments: Annotated[
        list[Identifier],
        Field(max_length=ATTACHMENTS_MAX, default_factory=list, description="What was uploaded."),
    ]


class FundsView(BaseModel):
    what: str
    amount: int
    spent: str


class EvidenceView(BaseModel):
    """A revision; why it was rejected is for the team and staff.

    `files` says how many there are. Its backers, the team and staff are also shown which, each
    with a link of its own.
    """

    revision: int
    evidence: str = Field(description="SHA-256 of what is shown here, which payouts decides about.")
    text: str | None
    funds: list[FundsView]
    state: str
    submitted_at: datetime
    decided_at: datetime | None
    reason: str | None
    files: int
    attachments: list[MediaView]


class MilestoneView(BaseModel):
    """A stage's milestone: its latest revision to everybody, all of them to team and staff.

    None of them while it waits for evidence.
    """

    stage: int
    name: dict[str, str] | None = Field(
        description="What the stage waits for, by language, of a campaign with rewards or without; "
        "null as long as the launch that says it is being read."
    )
    declared: dict[str, str] = Field(description="How the page names the statement, by language.")
    revisions: list[EvidenceView]


class MilestonesView(BaseModel):
    items: list[MilestoneView]


@dataclass(frozen=True, slots=True)
class Attached:
    """Files of evidence as they are shown to who may see them."""

    shelf: MediaShelf
    now: datetime

    async def of(self, milestones: Sequence[Milestone]) -> dict[str, MediaView]:
        """Return them by their ids, each with a link of its own; a withdrawn one is a marker."""
        names = {file.media_id for one in milestones for r in one.revisions for file in r.files}
        if not names:
            return {}
        found = await self.shelf.queries.media(milestones[0].campaign_id, names)
        sign = self.shelf.links.sign
        return {name: media_view(one, sign(one, self.now)) for name, one in found.items()}


def add_milestone_routes(
    api: FastAPI,
    guard: Guard,
    callers: Callers,
    units: UnitsOfWork[UpdatesUnit],
    clock: Clock,
    shelf: MediaShelf | None,
) -> None:
    """Add them; without a place for files evidence has none."""

    async def attached(milestones: Sequence[Milestone]) -> dict[str, MediaView]:
        return await Attached(shelf, clock.now()).of(milestones) if shelf is not None else {}

    creator = guard.allow(callers.creator, unknown=unknown_campaign)
    anybody = guard.anybody(more="rejections and earlier revisions: the team, staff")

    @api.put("/campaigns/{campaign_id}/milestones/{stage}")
    async def put_evidence(
        caller: Annotated[Principal, creator],
        campaign_id: CampaignId,
        stage: Stage,
        body: EvidenceBody,
    ) -> MilestoneView:
        """Show that a milestone is reached; other evidence is the next revision."""
        funds = tuple(FundsLine(one.what, one.amount, Spent(one.spent)) for one in body.funds)
        text, by, now = body.text, caller.subject, clock.now()

        async def submitted(unit: UpdatesUnit) -> tuple[Milestone, bool | None]:
            milestone = await submit_evidence(
                unit, campaign_id, stage, text, funds, by, now, body.attachments
            )
            return milestone, await has_rewards(unit, campaign_id)

        milestone, rewards = await units.run(submitted)
        files = await attached([milestone])
        return milestone_view(milestone, files, rewards=rewards, inside=True)

    @api.get("/campaigns/{campaign_id}/milestones")
    async def list_milestones(
        caller: Annotated[Principal | None, anybody], campaign_id: CampaignId
    ) -> MilestonesView:
        """Show what stages wait for, what creators say of it, and what became of that."""
        known = await units.run(lambda unit: milestones_of(unit, campaign_id))
        found, rewards = known.milestones, known.rewards
        inside = await callers.is_inside(caller, campaign_id)
        sees = inside or (caller is not None and await callers.is_backer(caller, campaign_id))
        files = await attached(found) if sees else {}
        return MilestonesView(
            items=[milestone_view(one, files, rewards=rewards, inside=inside) for one in found]
        )


def milestone_view(
    milestone: Milestone, files: Mapping[str, MediaView], *, rewards: bool | None, inside: bool
) -> MilestoneView:
    """Show it to who may see all of it, or to everybody; `files` are those the caller may see.

    `rewards` says whether the campaign has any, None where that is not known.
    """
    shown = milestone.revisions if inside else milestone.revisions[-1:]
    return MilestoneView(
        stage=milestone.stage,
        name=None if rewards is None else milestone_name(milestone.stage, rewards=rewards),
        declared=DECLARED,
        revisions=[_evidence_view(one, files, inside=inside) for one in shown],
    )


def _evidence_view(one: Evidence, files: Mapping[str, MediaView], *, inside: bool) -> EvidenceView:
    return EvidenceView(
        revision=one.revision,
        evidence=one.digest,
        text=one.text,
        funds=[
            FundsView(what=line.what, amount=line.amount, spent=line.spent.value)
            for line in one.funds
        ],
        state=one.state.value,
        submitted_at=one.at,
        decided_at=one.decided_at,
        reason=one.reason if inside else None,
        files=len(one.files),
        attachments=[files[file.media_id] for file in one.files if file.media_id in files],
    )
