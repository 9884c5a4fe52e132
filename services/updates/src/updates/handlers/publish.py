"""Drafting and publishing: double click, retry and two tabs are one update."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from updates.domain.emergency import FORM_KEPT, check_confirmed, form_expired
from updates.domain.errors import Refused
from updates.domain.kinds import UpdateKind
from updates.domain.phases import check_may_publish
from updates.domain.plan_terms import USUAL_PLAN_TERMS, PlanTerms
from updates.domain.platform_notice import check_name
from updates.domain.project import Project
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdatePublished,
    UpdateState,
    check_edition,
    draft,
    publish,
    withdraw,
)
from updates.handlers.follow_up import follow_publication
from updates.handlers.media import attach_media, check_files_show, check_media_publishable
from updates.handlers.plans import move_with_update
from updates.handlers.survey_answered import check_survey
from updates.handlers.tracking import follow_notice
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class PledgesPosition:
    """Where this service reads pledges from: the topic and its own group; and campaigns."""

    topic: str
    group: str
    campaigns_topic: str
    campaigns_group: str


@dataclass(frozen=True, slots=True)
class PublishingTerms:
    """How long an emergency's form is kept, and how the days move that an update explains."""

    form_kept: timedelta = FORM_KEPT
    plan: PlanTerms = USUAL_PLAN_TERMS


USUAL_PUBLISHING_TERMS = PublishingTerms()


async def write_draft(
    unit: UpdatesUnit,
    campaign_id: str,
    update_id: str,
    content: Content,
    now: datetime,
    edition: int | None = None,
    terms: PublishingTerms = USUAL_PUBLISHING_TERMS,
) -> Update:
    """Write or rewrite a draft of a launched campaign."""
    check_name(update_id, content.author_id)
    await _project(unit, campaign_id, content.kind)
    known = await unit.updates.load(campaign_id, update_id)
    update = draft(known, campaign_id, update_id, content, now, edition)
    if form_expired(update, now, terms.form_kept):
        update = replace(update, drafted_at=now)
    if update == known:
        return update
    before = known.content.attachments if known else ()
    place = f"updates/{update_id}"
    await attach_media(unit, campaign_id, place, before, content.attachments, now)
    return await saved(unit, update)


async def publish_update(
    unit: UpdatesUnit,
    pledges: PledgesPosition,
    campaign_id: str,
    update_id: str,
    now: datetime,
    edition: int | None = None,
    confirmed: Collection[str] = (),
    terms: PublishingTerms = USUAL_PUBLISHING_TERMS,
) -> Update:
    """Publish the draft, told to every backer as of now; published already is the same answer.

    An emergency must be `confirmed` by the names of its effects.
    """
    update = await known_update(unit, campaign_id, update_id)
    if update.state is UpdateState.PUBLISHED:
        return update
    check_edition(update, edition)
    project = await _project(unit, campaign_id, update.content.kind)
    check_confirmed(update, confirmed, now, terms.form_kept)
    await check_survey(unit, update)
    await check_media_publishable(unit, campaign_id, update.content.attachments)
    if update.content.stands_on_files:
        await check_files_show(unit, campaign_id, update.content.attachments)
    published = publish(update, await audience_of(unit, pledges, project), now)
    await unit.facts.add([UpdatePublished(published)])
    await follow_publication(unit, published)
    await move_with_update(unit, published, now, terms.plan)
    await follow_notice(unit, published)
    return await saved(unit, published)


async def withdraw_draft(
    unit: UpdatesUnit, campaign_id: str, update_id: str, edition: int | None = None
) -> Update:
    """Take back what was not published, whatever became of the campaign."""
    update = await known_update(unit, campaign_id, update_id)
    withdrawn = withdraw(update)
    if withdrawn == update:
        return update
    check_edition(update, edition)
    return await saved(unit, withdrawn)


async def known_update(unit: UpdatesUnit, campaign_id: str, update_id: str) -> Update:
    """Return the update, or raise `Refused` where there is none."""
    update = await unit.updates.load(campaign_id, update_id)
    if update is None:
        raise Refused("update-unknown", "there is no such update")
    return update


async def saved(unit: UpdatesUnit, update: Update) -> Update:
    """Save the update and return it as it is loaded next."""
    await unit.updates.save(update)
    return replace(update, version=update.version + 1)


async def audience_of(unit: UpdatesUnit, pledges: PledgesPosition, project: Project) -> Audience:
    """Return how many would be told now, as of which sequence N, and as of which of the campaign.

    All are read in one transaction: the count is moved in the same one as its sequence.
    """
    await unit.view.pass_through()
    key = project.campaign_id
    rows = await unit.plumbing.streams.load(pledges.group, pledges.topic, [key])
    as_of = rows[key].last_sequence
    rows = await unit.plumbing.streams.load(pledges.campaigns_group, pledges.campaigns_topic, [key])
    return Audience(as_of, project.backers, rows[key].last_sequence)


async def _project(unit: UpdatesUnit, campaign_id: str, kind: UpdateKind) -> Project:
    return check_may_publish((await unit.projects.load([campaign_id])).get(campaign_id), kind)
