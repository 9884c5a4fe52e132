"""The shapes of documents of pledges and claims."""

from dataclasses import asdict
from typing import Any

from servicekit.documents import read_as
from updates.adapters.document_ids import plain_id
from updates.domain.claim import (
    Claim,
    ClaimState,
    Entry,
    EntryKind,
    MoneyRequest,
    Outcome,
    Payer,
    Settlement,
    Side,
    Subject,
)
from updates.domain.claim_reason import Reason
from updates.domain.pledge import Pledge, Promise

Document = dict[str, Any]


def pledge_document(pledge: Pledge) -> Document:
    return {
        "_id": plain_id(pledge.campaign_id, pledge.pledge_id),
        "version": pledge.version,
        "campaign_id": pledge.campaign_id,
        "pledge_id": pledge.pledge_id,
        "promise": asdict(pledge.promise) if pledge.promise else None,
        "withdrawn": pledge.withdrawn,
        "emptied_by": sorted(pledge.emptied_by),
    }


def pledge_from(row: Document) -> Pledge:
    return Pledge(
        campaign_id=row["campaign_id"],
        pledge_id=row["pledge_id"],
        promise=read_as(Promise, row["promise"]) if row["promise"] else None,
        withdrawn=row["withdrawn"],
        emptied_by=frozenset(row["emptied_by"]),
        version=row["version"],
    )


def claim_document(claim: Claim) -> Document:
    return {
        "_id": plain_id(claim.campaign_id, claim.claim_id),
        "version": claim.version,
        "campaign_id": claim.campaign_id,
        "claim_id": claim.claim_id,
        **asdict(claim.subject),
        "reason": claim.reason.value,
        "state": claim.state.value,
        "open": claim.open,
        "entries": [_entry_document(entry) for entry in claim.entries],
        "opened_at": claim.opened_at,
        "due_at": claim.due_at,
        "on_table": claim.on_table,
        "requests": claim.requests,
        "money": _money_document(claim.money) if claim.money else None,
    }


def claim_from(row: Document) -> Claim:
    subject = ("pledge_id", "backer_id", "reward_id", "batch", "worth", "currency")
    return Claim(
        campaign_id=row["campaign_id"],
        claim_id=row["claim_id"],
        subject=read_as(Subject, {name: row[name] for name in subject}),
        reason=Reason(row["reason"]),
        state=ClaimState(row["state"]),
        entries=tuple(_entry_from(entry) for entry in row["entries"]),
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        on_table=row["on_table"],
        requests=row["requests"],
        money=_money_from(row["money"]) if row["money"] else None,
        version=row["version"],
    )


def _entry_document(entry: Entry) -> Document:
    return {
        "number": entry.number,
        "name": entry.name,
        "kind": entry.kind.value,
        "side": entry.side.value,
        "by": entry.by,
        "at": entry.at,
        "text": entry.text,
        "settlement": _settlement_document(entry.settlement) if entry.settlement else None,
    }


def _entry_from(row: Document) -> Entry:
    words = {"kind": EntryKind(row["kind"]), "side": Side(row["side"])}
    settlement = _settlement_from(row["settlement"]) if row["settlement"] else None
    return read_as(Entry, {**row, **words, "settlement": settlement})


def _settlement_document(settlement: Settlement) -> Document:
    return {
        "outcome": settlement.outcome.value,
        "amount": settlement.amount,
        "payer": settlement.payer.value,
    }


def _settlement_from(row: Document) -> Settlement:
    return Settlement(Outcome(row["outcome"]), row["amount"], Payer(row["payer"]))


def _money_document(money: MoneyRequest) -> Document:
    return {
        "request_id": money.request_id,
        "settlement": _settlement_document(money.settlement),
        "decided_by": money.decided_by,
        "requested_at": money.requested_at,
        "pledges_sequence": money.pledges_sequence,
    }


def _money_from(row: Document) -> MoneyRequest:
    return read_as(MoneyRequest, row, settlement=_settlement_from(row["settlement"]))
