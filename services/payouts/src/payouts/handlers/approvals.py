"""A person allows a stage to be paid: amount, destination and evidence as they were shown."""

from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.approval import Concerned
from payouts.domain.errors import Refused
from payouts.domain.holds import open_holds
from payouts.domain.stage import Stage, StageState
from payouts.domain.stage_amount import amount_now, check_left
from payouts.domain.stage_approval import approve_by_person, left_alone
from payouts.handlers.stages import StageView, load_open_view, save_decision
from payouts.handlers.wake import wake
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person saw and allows; it is refused when anything of it is different now."""

    amount: int
    currency: str
    destination_version: int
    milestone_revision: int
    by: str


async def concern_of(queries: Queries, campaign_id: str, person_id: str) -> Concerned:
    """Return what interest this person may have in the campaign; of milestones it says nothing."""
    creator = await queries.creator(campaign_id)
    return Concerned(creator, None, await queries.is_backer(campaign_id, person_id))


async def approve_stage(
    unit: PayoutsUnit,
    campaign_id: str,
    number: int,
    asked: Asked,
    concerned: Concerned,
    limit: int,
    now: datetime,
) -> Stage:
    """Approve as the first or the second person; raises `Refused` with the reason otherwise."""
    view = await load_open_view(unit, campaign_id, number, now)
    approval = view.stage.approval
    waiting = view.stage.state is StageState.AWAITING_SECOND_APPROVAL
    if approval is not None and approval.given_by(asked.by) and not waiting:
        # The same request again: what it allowed has left the balances already.
        gets = approval.amount, view.stage.divided
    else:
        found = amount_now(view.book, view.stage, view.previous, view.at_most)
        check_left(view.book, found, view.kept_back)
        gets = found.amount, found.divided
    _must_be_what_was_shown(view, asked, gets[0])
    if view.destination is None:
        raise Refused("no-destination", "no destination is given")
    milestone = view.stage.milestone
    decided_by = milestone.decided_by if milestone else None
    decision = approve_by_person(
        view.stage,
        gets[0],
        view.destination,
        asked.by,
        replace(concerned, milestone_decided_by=decided_by),
        left_alone(limit, asked.by, (*view.previous, *view.following), now),
        now,
        gets[1],
    )
    await save_decision(unit, view, decision)
    await wake(unit, [], [decision.stage], now)
    return decision.stage


def _must_be_what_was_shown(view: StageView, asked: Asked, amount: int) -> None:
    if holding := open_holds(view.book.holds):
        raise Refused("held", f"the money is held: {holding[0].reason}")
    if (asked.amount, asked.currency) != (amount, view.stage.currency):
        raise Refused("amount-changed", f"the stage is {amount} {view.stage.currency} now")
    version = view.destination.version if view.destination else 0
    if asked.destination_version != version:
        raise Refused("destination-changed", f"version {version} of the destination is current")
    revision = view.stage.milestone.revision if view.stage.milestone else 0
    if asked.milestone_revision != revision:
        raise Refused("evidence-changed", f"revision {revision} of the evidence is current")
