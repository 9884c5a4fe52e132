"""The shapes of the documents: instants as dates, words as in the domain."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from servicekit.documents import read_as
from updates.adapters.document_ids import plain_id
from updates.adapters.hiding_documents import hiding_document, hiding_from
from updates.domain.correction import Change, Revision
from updates.domain.kinds import PARTS, Parts, Section, UpdateKind
from updates.domain.project import (
    AsOf,
    Difference,
    DisputeStanding,
    Figures,
    Profile,
    Project,
    Verdict,
)
from updates.domain.stage_seen import Decision, MilestoneSeen, StageSeen, StageStanding
from updates.domain.update import (
    Audience,
    Content,
    Schedule,
    Update,
    UpdateState,
    UpdateText,
    Visibility,
)
from updates.domain.video_card import VideoCard

Document = dict[str, Any]
_PARTS: dict[UpdateKind, TypeAdapter[Parts]] = {
    kind: TypeAdapter(parts) for kind, parts in PARTS.items()
}


def project_document(project: Project) -> Document:
    return {
        "_id": project.campaign_id,
        "version": project.version,
        "profile": asdict(project.profile) if project.profile else None,
        "verdict": project.verdict.value if project.verdict else None,
        "decided_at": project.decided_at,
        "figures": asdict(project.figures),
        "backers": project.backers,
        "backers_by_reward": [
            {"reward": reward, "backers": count}
            for reward, count in sorted(project.backers_by_reward.items())
        ],
        "paid_stages": dict(project.paid_stages),
        # MongoDB reads a dot in a field's name as a path, so topics stand in values.
        "as_of": [
            {"topic": topic, "sequence": as_of.sequence, "at": as_of.at}
            for topic, as_of in sorted(project.as_of.items())
        ],
        # A provider's id may hold a dot too.
        "charged_back": [
            {"dispute": dispute, "amount": amount}
            for dispute, amount in sorted(project.charged_back.items())
        ],
        "team": [
            {"person": person, "roles": sorted(roles)}
            for person, roles in sorted(project.team.items())
        ],
        "stages": [_stage_document(stage) for stage in project.stages],
        "disputes": [
            {"dispute": dispute, "standing": standing.value}
            for dispute, standing in sorted(project.disputes.items())
        ],
    }


def project_from(row: Document) -> Project:
    return Project(
        campaign_id=row["_id"],
        profile=_profile_from(row["profile"]) if row["profile"] else None,
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        # Younger than some verdicts.
        decided_at=row.get("decided_at"),
        figures=read_as(Figures, row["figures"]),
        backers=row["backers"],
        # Younger than some documents, which a rebuilt view fills.
        backers_by_reward={
            one["reward"]: one["backers"] for one in row.get("backers_by_reward", ())
        },
        paid_stages=row["paid_stages"],
        as_of={one["topic"]: AsOf(one["sequence"], one["at"]) for one in row["as_of"]},
        version=row["version"],
        # Younger than some documents, of whose campaigns no bank had taken anything.
        charged_back={one["dispute"]: one["amount"] for one in row.get("charged_back", ())},
        team={one["person"]: frozenset(one["roles"]) for one in row.get("team", ())},
        # Younger than some documents, which a rebuilt view fills.
        stages=tuple(_stage_from(stage) for stage in row.get("stages", ())),
        disputes={
            one["dispute"]: DisputeStanding(one["standing"]) for one in row.get("disputes", ())
        },
    )


def _profile_from(row: Document) -> Profile:
    # Younger than some documents, which a rebuilt view fills.
    differences = tuple(read_as(Difference, one) for one in row.get("differences", ()))
    return read_as(Profile, row, differences=differences)


def _stage_document(stage: StageSeen) -> Document:
    milestone = stage.milestone
    return {
        "number": stage.number,
        "kind": stage.kind,
        "amount": stage.amount,
        "standing": stage.standing.value,
        "since": stage.since,
        "milestone": milestone and {**asdict(milestone), "decision": milestone.decision.value},
    }


def _stage_from(row: Document) -> StageSeen:
    decided = row["milestone"]
    return StageSeen(
        number=row["number"],
        kind=row["kind"],
        amount=row["amount"],
        standing=StageStanding(row["standing"]),
        since=row["since"],
        milestone=decided
        and read_as(MilestoneSeen, decided, decision=Decision(decided["decision"])),
    )


def holding_document(holding: Mapping[str, int]) -> Document:
    """Return the fields of a backer's document that say what is held."""
    held = [{"reward": reward, "pledges": count} for reward, count in sorted(holding.items())]
    return {"pledges": sum(holding.values()), "held": held}


def holding_from(row: Document) -> dict[str, int]:
    # Rewards are newer than some backers, and how many pledges newer than the oldest.
    held = row.get("held") or [{"reward": "", "pledges": row.get("pledges", 1)}]
    return {one["reward"]: one["pledges"] for one in held}


def content_document(content: Content) -> Document:
    return {
        "author_id": content.author_id,
        "kind": content.kind.value,
        "visibility": content.visibility.value,
        "parts": _PARTS[content.kind].dump_python(content.parts, mode="json"),
        "texts": [_text_document(text) for text in content.texts],
        "resolves": list(content.resolves),
        "rewards": list(content.rewards),
        "attachments": list(content.attachments),
        "videos": [asdict(one) for one in content.videos],
    }


def content_from(row: Document) -> Content:
    return Content(
        author_id=row["author_id"],
        # Progress reports are older than parts, and have none.
        parts=_PARTS[UpdateKind(row["kind"])].validate_python(row.get("parts", {})),
        visibility=Visibility(row["visibility"]),
        texts=tuple(_text_from(text) for text in row["texts"]),
        resolves=tuple(row.get("resolves", ())),
        rewards=tuple(row.get("rewards", ())),
        attachments=tuple(row.get("attachments", ())),
        videos=tuple(read_as(VideoCard, one) for one in row.get("videos", ())),
    )


def update_document(update: Update) -> Document:
    return {
        "_id": plain_id(update.campaign_id, update.update_id),
        "version": update.version,
        "campaign_id": update.campaign_id,
        "update_id": update.update_id,
        "state": update.state.value,
        **content_document(update.content),
        "drafted_at": update.drafted_at,
        "published_at": update.published_at,
        **audience_fields(update.audience),
        "schedule": asdict(update.schedule) if update.schedule else None,
        "unscheduled_because": update.unscheduled_because,
        "revision": update.revision,
        "corrected_at": update.corrected_at,
        "comments_closed": update.comments_closed,
        "hidings": [hiding_document(hiding) for hiding in update.hidings],
        "hidden": update.hidden,
    }


def update_from(row: Document) -> Update:
    # Schedules are younger than some updates.
    schedule = row.get("schedule")
    return Update(
        campaign_id=row["campaign_id"],
        update_id=row["update_id"],
        content=content_from(row),
        state=UpdateState(row["state"]),
        drafted_at=row["drafted_at"],
        audience=audience_from(row),
        published_at=row["published_at"],
        version=row["version"],
        schedule=read_as(Schedule, schedule) if schedule else None,
        unscheduled_because=row.get("unscheduled_because"),
        revision=row.get("revision", 1),
        corrected_at=row.get("corrected_at"),
        comments_closed=row.get("comments_closed", False),
        hidings=tuple(hiding_from(one) for one in row.get("hidings", ())),
    )


def audience_fields(audience: Audience | None) -> Document:
    """Return the fields of a document that say who is told.

    The release before takes all that stands in `audience` by name, and knows no other name: what is
    newer stands beside it.
    """
    if audience is None:
        return {"audience": None}
    known = asdict(audience)
    return {"campaign_sequence": known.pop("campaign_sequence"), "audience": known}


def audience_from(row: Document) -> Audience | None:
    """Return who is told; of what the release before saved last, no fact of the campaign."""
    if not row["audience"]:
        return None
    beside = {"campaign_sequence": row.get("campaign_sequence")}
    return read_as(Audience, beside | row["audience"])


def _text_document(text: UpdateText) -> Document:
    sections = {section.value: words for section, words in text.sections.items()}
    return {
        "language": text.language,
        "title": text.title,
        "details": text.details,
        "sections": sections,
    }


def _text_from(row: Document) -> UpdateText:
    sections = {Section(name): words for name, words in row.get("sections", {}).items()}
    return UpdateText(row["language"], row["title"], row["details"], sections)


def revision_document(revision: Revision) -> Document:
    name = plain_id(revision.campaign_id, revision.update_id)
    return {
        "_id": plain_id(name, str(revision.number)),
        "campaign_id": revision.campaign_id,
        "update_id": revision.update_id,
        "number": revision.number,
        "content": content_document(revision.content),
        "replaced_at": revision.replaced_at,
        "replaced_by": revision.replaced_by,
        "reason": revision.reason,
        "correction": revision.correction,
        "changes": [change.value for change in revision.changes],
    }


def revision_from(row: Document) -> Revision:
    return Revision(
        campaign_id=row["campaign_id"],
        update_id=row["update_id"],
        number=row["number"],
        content=content_from(row["content"]),
        replaced_at=row["replaced_at"],
        replaced_by=row["replaced_by"],
        reason=row["reason"],
        correction=row["correction"],
        changes=tuple(Change(change) for change in row["changes"]),
    )
