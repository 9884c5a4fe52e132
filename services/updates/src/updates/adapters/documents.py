"""The shapes of the documents: instants as dates, words as in the domain."""

from dataclasses import asdict
from typing import Any

from updates.domain.project import AsOf, Figures, Profile, Project, Verdict
from updates.domain.update import (
    Audience,
    Content,
    Update,
    UpdateKind,
    UpdateState,
    UpdateText,
    Visibility,
)

Document = dict[str, Any]


def project_document(project: Project) -> Document:
    return {
        "_id": project.campaign_id,
        "version": project.version,
        "profile": asdict(project.profile) if project.profile else None,
        "verdict": project.verdict.value if project.verdict else None,
        "figures": asdict(project.figures),
        "backers": project.backers,
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
    }


def project_from(row: Document) -> Project:
    return Project(
        campaign_id=row["_id"],
        profile=Profile(**row["profile"]) if row["profile"] else None,
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        figures=Figures(**row["figures"]),
        backers=row["backers"],
        paid_stages=row["paid_stages"],
        as_of={one["topic"]: AsOf(one["sequence"], one["at"]) for one in row["as_of"]},
        version=row["version"],
        # Younger than some documents, of whose campaigns no bank had taken anything.
        charged_back={one["dispute"]: one["amount"] for one in row.get("charged_back", ())},
    )


def update_id(campaign_id: str, update: str) -> str:
    """Return the document's id; the same name may be used in two campaigns."""
    return f"{campaign_id}|{update}"


def backer_id(campaign_id: str, backer: str) -> str:
    """Return the document's id: one per campaign and person."""
    return f"{campaign_id}|{backer}"


def update_document(update: Update) -> Document:
    content = update.content
    return {
        "_id": update_id(update.campaign_id, update.update_id),
        "version": update.version,
        "campaign_id": update.campaign_id,
        "update_id": update.update_id,
        "state": update.state.value,
        "author_id": content.author_id,
        "kind": content.kind.value,
        "visibility": content.visibility.value,
        "texts": [asdict(text) for text in content.texts],
        "drafted_at": update.drafted_at,
        "published_at": update.published_at,
        "audience": asdict(update.audience) if update.audience else None,
    }


def update_from(row: Document) -> Update:
    return Update(
        campaign_id=row["campaign_id"],
        update_id=row["update_id"],
        content=Content(
            author_id=row["author_id"],
            kind=UpdateKind(row["kind"]),
            visibility=Visibility(row["visibility"]),
            texts=tuple(UpdateText(**text) for text in row["texts"]),
        ),
        state=UpdateState(row["state"]),
        drafted_at=row["drafted_at"],
        audience=Audience(**row["audience"]) if row["audience"] else None,
        published_at=row["published_at"],
        version=row["version"],
    )
