"""Updates after a restored backup: what was published is published, without being told again.

The topic holds titles and excerpts, never the whole text: an update whose draft is in the backup
is published as it was, one that is not there must be written again by its creator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from servicekit.clock import Clock
from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork
from updates.domain.follow_up import FollowUp
from updates.domain.hiding import Appeal, HidingReason, Ruling, Statement, appeal, hide, rule
from updates.domain.milestone import MilestoneSubmitted
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.domain.questionnaire import QuestionnaireAsked
from updates.domain.report import Thing
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms
from updates.domain.tracking import TrackingTerms
from updates.domain.tracking_facts import TrackingFact
from updates.domain.update import Audience, Update, UpdateState, publish
from updates.handlers.milestones import milestones_again
from updates.handlers.recover_claims import ClaimTold, SurveyTold, claims_again, surveys_again
from updates.handlers.recover_deliveries import deliveries_again
from updates.handlers.recover_plans import PlanTold, plans_again
from updates.handlers.recover_questionnaires import questionnaires_again
from updates.handlers.recover_schedules import let_go, schedules_again
from updates.handlers.reports import answer_by_hiding
from updates.handlers.tracking import follow_notice
from updates.ports.pledged import Pledged
from updates.ports.queries import Queries
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Published:
    """A publication as the topic tells of it; `says` compares an update with what was told."""

    campaign_id: str
    update_id: str
    audience: Audience
    at: datetime
    says: Callable[[Update], bool]


@dataclass(frozen=True, slots=True)
class Owed:
    """One fact of ours about a campaign, and how it moves what the campaign owes in words."""

    campaign_id: str
    move: Callable[[FollowUp], FollowUp]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A change of what is published as the topic tells of it, which is not what it says now."""

    campaign_id: str
    update_id: str
    revision: int
    correction: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Hid:
    """Staff hid an update, or, where the reason is None, an appeal was granted."""

    campaign_id: str
    update_id: str
    reason: HidingReason | None
    by: str
    at: datetime


Told = Published | Corrected | Hid


@dataclass(frozen=True, slots=True)
class RecoverUpdates(ServiceRecovery):
    """What `recover` does for updates.

    `read` turns records into publications, `read_owed` into what they and the rest of the own
    facts have made of what campaigns owe in words, in the order of the topic; `read_claims` and
    `read_surveys` into what became of those, `read_plans` into what was promised,
    `read_questionnaires` into who was asked for a reply, `read_deliveries` into where rewards on
    their way have come, `read_milestones` into evidence. `pledged` knows what was pledged since.
    """

    units: UnitsOfWork[UpdatesUnit]
    queries: Queries
    clock: Clock
    read: Callable[[Sequence[Unexplained]], Sequence[Told]]
    read_owed: Callable[[Sequence[Unexplained]], Sequence[Owed]]
    read_claims: Callable[[Sequence[Unexplained]], Sequence[ClaimTold]]
    read_surveys: Callable[[Sequence[Unexplained]], Sequence[SurveyTold]]
    read_plans: Callable[[Sequence[Unexplained]], Sequence[PlanTold]]
    read_questionnaires: Callable[[Sequence[Unexplained]], Sequence[QuestionnaireAsked]]
    read_deliveries: Callable[[Sequence[Unexplained]], Sequence[TrackingFact]]
    read_milestones: Callable[[Sequence[Unexplained]], Sequence[MilestoneSubmitted]]
    pledged: Pledged
    tracking: TrackingTerms = field(default_factory=TrackingTerms)
    planning: PlanTerms = USUAL_PLAN_TERMS
    surveying: SurveyTerms = USUAL_SURVEY_TERMS

    lost = (
        "what corrections after the backup say, and what was said before them",
        "drafts written or changed after the backup, and whole texts published from them",
        "schedules made, moved or let go after the backup, and drafts withdrawn: what was due by "
        "now is a draft again, what is due later goes out as the backup has it",
        "audit records after the backup",
        "what was said when updates were hidden, appeals and what was decided, after the backup",
        "comments written, hidden or restored after the backup: `comment-hidden` names those to "
        "hide again, unless `comment-restored` stands behind it, and what was said is lost",
        "reports after the backup, and what was dismissed: readers may report again",
        "files uploaded, attached or withdrawn after the backup: what was withdrawn is not served, "
        "but its marker must be made again by withdrawing it",
        "what was written in claims after the backup; those that people moved are staff's now",
        "answers to surveys after the backup, with who gave them: they may answer again",
        "replies to questionnaires after the backup, which their backers may give again until they "
        "are locked, and the record of exports",
        "evidence after the backup: the same words and use of funds make the same revision",
        "codes laid in or given after the backup; where some were given the free ones are withheld",
        "numbers of parcels and batches given after the backup: their team must add them again",
        "who asked during a silence after the backup: they may ask again, and are counted again",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Publish what was published; return what was done, and what creators must do."""
        owed = self.read_owed(unexplained)
        await self.units.run(partial(owe_again, owed=owed))
        return [
            *[
                await self.units.run(partial(bring_back, told=told))
                for told in self.read(unexplained)
            ],
            *await claims_again(self.units, self.read_claims(unexplained), self.pledged),
            *await surveys_again(self.units, self.read_surveys(unexplained), self.surveying),
            *await plans_again(self.units, self.read_plans(unexplained), self.planning),
            *await questionnaires_again(self.units, self.read_questionnaires(unexplained)),
            *await deliveries_again(self.units, self.read_deliveries(unexplained), self.tracking),
            *await milestones_again(self.units, self.read_milestones(unexplained)),
            *await schedules_again(self.units, self.queries, self.clock.now()),
        ]


async def owe_again(unit: UpdatesUnit, owed: Sequence[Owed]) -> None:
    """Bring what campaigns owe to where the topic has it, so that nobody is asked again."""
    known = await unit.follow_ups.load({one.campaign_id for one in owed})
    moved = dict(known)
    for one in owed:
        before = moved.get(one.campaign_id) or FollowUp(one.campaign_id)
        moved[one.campaign_id] = one.move(before)
    changed = [one for name, one in moved.items() if one != known.get(name)]
    await unit.follow_ups.save(changed)


async def bring_back(unit: UpdatesUnit, told: Told) -> str:
    """Bring one update to where the topic has it; return a line that says so."""
    if isinstance(told, Published):
        return await publish_again(unit, told)
    if isinstance(told, Hid):
        return await hide_again(unit, told)
    return await correct_again(unit, told)


async def hide_again(unit: UpdatesUnit, told: Hid) -> str:
    """Hide or show an update as it was told, without the words that no topic holds."""
    name = f"update {told.update_id} of {told.campaign_id}"
    known = await unit.updates.load(told.campaign_id, told.update_id)
    if known is None or known.state is not UpdateState.PUBLISHED:
        end = "shown again" if told.reason is None else "to be hidden again when it is published"
        return f"{name}: {end}"
    hidings = known.hidings
    if told.reason is not None and all(one.statement.at != told.at for one in hidings):
        hidings = hide(hidings, Statement(told.reason, "", told.by, told.at))
        await answer_by_hiding(unit, Thing(told.campaign_id, told.update_id), told.by, told.at)
    if told.reason is None and known.hidden:
        if hidings[-1].appeal is None:
            hidings = appeal(hidings, Appeal("", "", told.at))
        hidings = rule(hidings, Ruling(upheld=False, words="", by=told.by, at=told.at))
        await unit.appeals.remove(Thing(told.campaign_id, told.update_id))
    if hidings == known.hidings:
        return f"{name}: known already"
    await unit.updates.save(replace(known, hidings=hidings))
    return f"{name}: {'hidden' if told.reason else 'shown'} again, without what was said of it"


async def publish_again(unit: UpdatesUnit, told: Published) -> str:
    """Bring one update to where the topic has it; return a line that says so, or why not."""
    name = f"update {told.update_id} of {told.campaign_id}"
    known = await unit.updates.load(told.campaign_id, told.update_id)
    if known is not None and known.state is UpdateState.PUBLISHED:
        return f"{name}: published already"
    published = None if known is None else publish(known, told.audience, told.at)
    if published is None or not told.says(published):
        if known is not None and (draft := let_go(known)) != known:
            await unit.updates.save(draft)
        return (
            f"{name}: its creator must write and publish it again under the same id; "
            f"its {told.audience.count} backers were told, and are not told again"
        )
    await unit.updates.save(published)
    await follow_notice(unit, published)
    return f"{name}: published from its draft"


async def correct_again(unit: UpdatesUnit, told: Corrected) -> str:
    """Number the next change behind those that were told; return a line that says what is lost."""
    name = f"revision {told.revision} of update {told.update_id} of {told.campaign_id}"
    known = await unit.updates.load(told.campaign_id, told.update_id)
    if known is None or known.state is not UpdateState.PUBLISHED:
        return f"{name}: to be written with the update itself"
    if known.revision >= told.revision:
        return f"{name}: known already"
    seen = told.at if told.correction else known.corrected_at
    await unit.updates.save(replace(known, revision=told.revision, corrected_at=seen))
    return f"{name}: an editor must write it again, as the revision behind it"
