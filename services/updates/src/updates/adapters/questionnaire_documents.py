"""The shapes of questionnaires, replies and the record of exports."""

from dataclasses import asdict
from typing import Any

from servicekit.documents import read_as
from updates.adapters.document_ids import plain_id
from updates.domain.address_export import AddressExport, ExportRead
from updates.domain.questionnaire import Asked, Option, Questionnaire
from updates.domain.reward_reply import RewardReply, Sealed

Document = dict[str, Any]


def questionnaire_document(one: Questionnaire) -> Document:
    return {
        "_id": plain_id(one.campaign_id, one.reward_id),
        "version": one.version,
        "campaign_id": one.campaign_id,
        "reward_id": one.reward_id,
        "address": one.asked.address,
        "options": [{**asdict(o), "choices": list(o.choices)} for o in one.asked.options],
        "written_by": one.written_by,
        "written_at": one.written_at,
        "closing_at": one.closing_at,
        "after": one.after,
        "next_due": one.next_due,
        "told": one.told,
    }


def questionnaire_from(row: Document) -> Questionnaire:
    options = tuple(Option(o["option_id"], o["words"], tuple(o["choices"])) for o in row["options"])
    return Questionnaire(
        campaign_id=row["campaign_id"],
        reward_id=row["reward_id"],
        asked=Asked(options, row["address"]),
        written_by=row["written_by"],
        written_at=row["written_at"],
        closing_at=row["closing_at"],
        after=row["after"],
        next_due=row["next_due"],
        told=row["told"],
        version=row["version"],
    )


def reply_document(one: RewardReply) -> Document:
    return {
        "_id": plain_id(one.campaign_id, one.pledge_id),
        "version": one.version,
        "campaign_id": one.campaign_id,
        "reward_id": one.reward_id,
        "pledge_id": one.pledge_id,
        "backer_id": one.backer_id,
        "sealed": asdict(one.sealed) if one.sealed else None,
        "replied_at": one.replied_at,
        "asked_at": one.asked_at,
        "locks_at": one.locks_at,
        "next_due": one.next_due,
        "erased_at": one.erased_at,
    }


def reply_from(row: Document) -> RewardReply:
    sealed = row["sealed"]
    return RewardReply(
        campaign_id=row["campaign_id"],
        reward_id=row["reward_id"],
        pledge_id=row["pledge_id"],
        backer_id=row["backer_id"],
        sealed=Sealed(sealed["key_id"], bytes(sealed["box"])) if sealed else None,
        replied_at=row["replied_at"],
        asked_at=row["asked_at"],
        locks_at=row["locks_at"],
        next_due=row["next_due"],
        erased_at=row["erased_at"],
        version=row["version"],
    )


def export_document(one: AddressExport) -> Document:
    return {
        "_id": plain_id(one.campaign_id, one.reward_id, one.export_id),
        "version": one.version,
        "campaign_id": one.campaign_id,
        "reward_id": one.reward_id,
        "export_id": one.export_id,
        "pledges": list(one.pledges),
        "reads": [asdict(read) for read in one.reads],
    }


def export_from(row: Document) -> AddressExport:
    return AddressExport(
        campaign_id=row["campaign_id"],
        reward_id=row["reward_id"],
        export_id=row["export_id"],
        pledges=tuple(row["pledges"]),
        reads=tuple(read_as(ExportRead, read) for read in row["reads"]),
        version=row["version"],
    )
