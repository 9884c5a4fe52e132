"""The shapes of the documents: amounts as int64, instants as dates, words as in the domain."""

from dataclasses import asdict
from typing import Any

from funding.domain.campaign import (
    Campaign,
    CampaignState,
    Cancellation,
    Launch,
    Reward,
    Totals,
    Verdict,
)
from funding.domain.held import Held
from funding.domain.pledge import (
    Capture,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Pledge,
    PledgeState,
    Standing,
    Withdrawal,
    WithdrawnBy,
)
from funding.domain.team import Team, TeamRole
from funding.domain.terms import Terms
from servicekit.documents import read_as
from sosst_contracts.money import Money

Document = dict[str, Any]


def campaign_document(campaign: Campaign) -> Document:
    ends = campaign.intake_ends
    return {
        "_id": campaign.campaign_id,
        "version": campaign.version,
        "state": campaign.state.value,
        "launch": asdict(campaign.launch),
        "launched_at": campaign.launched_at,
        "totals": asdict(campaign.totals),
        "next_due": campaign.next_due,
        # MongoDB's field names are strings, so the ends are kept as pairs.
        "intake_ends": None if ends is None else [list(pair) for pair in ends.items()],
        "blocked_at": campaign.blocked_at,
        "verdict": asdict(campaign.verdict) if campaign.verdict else None,
        "cancellation": asdict(campaign.cancellation) if campaign.cancellation else None,
    }


def campaign_from(row: Document) -> Campaign:
    ends, cancellation = row["intake_ends"], row.get("cancellation")
    return Campaign(
        launch=_launch_from(row["launch"]),
        launched_at=row["launched_at"],
        state=CampaignState(row["state"]),
        totals=read_as(Totals, row["totals"]),
        next_due=row["next_due"],
        intake_ends=None if ends is None else dict(ends),
        blocked_at=row["blocked_at"],
        verdict=_verdict_from(row["verdict"]),
        cancellation=read_as(Cancellation, cancellation) if cancellation else None,
        version=row["version"],
    )


def _verdict_from(row: Document | None) -> Verdict | None:
    return read_as(Verdict, row, outcome=CampaignState(row["outcome"])) if row else None


def team_document(team: Team) -> Document:
    return {
        "_id": team.campaign_id,
        "version": team.version,
        # A person's id may hold a dot, which MongoDB reads as a path in a field's name.
        "members": [
            {"person_id": person, "roles": sorted(roles)} for person, roles in team.roles.items()
        ],
        "changed_by": team.changed_by,
        "changed_at": team.changed_at,
    }


def team_from(row: Document) -> Team:
    roles = {
        one["person_id"]: frozenset(TeamRole(role) for role in one["roles"])
        for one in row["members"]
    }
    return Team(row["_id"], roles, row["changed_by"], row["changed_at"], row["version"])


def held_document(held: Held) -> Document:
    return {
        "_id": held.campaign_id,
        "why": held.why,
        "since": held.since,
        "verdict": asdict(held.verdict) if held.verdict else None,
    }


def held_from(row: Document) -> Held:
    return Held(row["_id"], row["why"], row["since"], _verdict_from(row["verdict"]))


def _launch_from(row: Document) -> Launch:
    # MongoDB gives tuples back as lists; the times of errored pledges are newer than some terms.
    terms: Document = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in row["terms"].items()
    }
    rewards = tuple(read_as(Reward, reward) for reward in row["rewards"])
    return read_as(Launch, row, rewards=rewards, terms=read_as(Terms, terms))


def pledge_document(pledge: Pledge) -> Document:
    """Return the document, made field by field: `asdict` copies what needs no copy."""
    told = pledge.payment
    payment = {
        **_fields(told),
        "money": _fields(told.money),
        "status": told.status.value,
        "capture": _fields(told.capture) if told.capture else None,
        "method": told.method.value if told.method else None,
    }
    return {
        "_id": pledge.pledge_id,
        "campaign_id": pledge.payment.campaign_id,
        "state": pledge.state.value,
        "standing": pledge.standing.value if pledge.standing else None,
        "placed_at": pledge.placed_at,
        "steps_taken": pledge.steps_taken,
        "next_due": pledge.next_due,
        "raised": pledge.raised,
        "withdrawal": _withdrawal_document(pledge.withdrawal),
        "payment": payment,
    }


def _fields(value: Payment | Money | Capture) -> Document:
    return {name: getattr(value, name) for name in value.__slots__}


def _withdrawal_document(withdrawal: Withdrawal | None) -> Document | None:
    return asdict(withdrawal) | {"by": withdrawal.by.value} if withdrawal else None


def _withdrawal_from(row: Document | None) -> Withdrawal | None:
    return read_as(Withdrawal, row, by=WithdrawnBy(row["by"])) if row else None


def pledge_from(row: Document) -> Pledge:
    payment = row["payment"]
    # Methods and steps are newer than some pledges.
    capture, method = payment["capture"], payment.get("method")
    return Pledge(
        payment=read_as(
            Payment,
            payment,
            money=read_as(Money, payment["money"]),
            status=PaymentStatus(payment["status"]),
            capture=read_as(Capture, capture) if capture else None,
            method=PaymentMethod(method) if method else None,
        ),
        state=PledgeState(row["state"]),
        placed_at=row["placed_at"],
        standing=Standing(row["standing"]) if row["standing"] else None,
        steps_taken=row.get("steps_taken", 0),
        next_due=row.get("next_due"),
        raised=row.get("raised", True),
        withdrawal=_withdrawal_from(row.get("withdrawal")),
    )
