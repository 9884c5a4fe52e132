"""Made-up facts for the measurements: valid events, sealed as their owners would seal them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sosst_contracts import funding, payouts, platform, updates
from sosst_contracts.codec import Draft, Record
from sosst_contracts.testing import sample

CURRENCY = "EUR"
# To the millisecond, as databases keep it.
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GivenPledge:
    """A pledge whose money was captured; the amount in minor units."""

    campaign_id: str
    pledge_id: str
    backer_id: str
    amount: int


def pledges(campaign_id: str, backers: int) -> list[GivenPledge]:
    """Return pledges of so many people; every tenth pledges twice, amounts differ."""
    people = [f"{campaign_id}-backer-{number:06}" for number in range(backers)]
    return [
        GivenPledge(campaign_id, f"{campaign_id}-pledge-{number:06}", person, 1_000 + number % 977)
        for number, person in enumerate(people + people[::10])
    ]


def collected(given: Sequence[GivenPledge]) -> Iterator[Record]:
    """Tell as funding would that the money of one campaign's pledges was captured."""
    valid = sample(funding.PledgeCollected, currency=CURRENCY)
    for sequence, one in enumerate(given, start=1):
        yield Draft(valid.model_copy(update=_fields(one)), AT).seal(sequence)


def single_pledges(campaign_id: str, backers: int) -> list[GivenPledge]:
    """Return one pledge of each of so many people."""
    return pledges(campaign_id, backers)[:backers]


def refunded(given: Sequence[GivenPledge]) -> Iterator[Record]:
    """Tell as payouts would that these pledges' money went back."""
    valid = sample(payouts.RefundSucceeded, campaign_id=given[0].campaign_id, currency=CURRENCY)
    now = datetime.now(UTC)
    for sequence, one in enumerate(given, start=1):
        fields = {
            "refund_id": f"refund-{one.pledge_id}",
            "pledge_id": one.pledge_id,
            "backer_id": one.backer_id,
            "amount": one.amount,
            # Nobody is told of what is old.
            "succeeded_at": now,
        }
        yield Draft(valid.model_copy(update=fields), now).seal(sequence)


def described(people: Sequence[str]) -> Iterator[Record]:
    """Tell as the platform would who these people are; half of them read French."""
    for number, person in enumerate(people):
        french = number % 2 == 0
        event = platform.PersonDescribed(
            person_id=person,
            address=address_of(person),
            display_name=f"Zoé Nº {number}" if french else f"Ben {number}",
            language="fr" if french else "en",
            zone="Europe/Paris" if french else "Europe/London",
            roles=[],
            described_at=AT,
        )
        yield Draft(event, AT, identity=f"described/{person}").seal()


def address_of(person: str) -> str:
    """Return where a made-up person is written to."""
    return f"{person}@readers.example"


def captured(given: Sequence[GivenPledge]) -> Iterator[Record]:
    """Tell as the platform would that payments were captured."""
    valid = sample(platform.PaymentCaptured, currency=CURRENCY)
    for one in given:
        event = valid.model_copy(update=_fields(one))
        yield Draft(event, AT, identity=f"captured/{one.pledge_id}").seal()


def _fields(one: GivenPledge) -> dict[str, str | int]:
    return {
        "campaign_id": one.campaign_id,
        "pledge_id": one.pledge_id,
        "backer_id": one.backer_id,
        "amount": one.amount,
        "payment_reference": f"ch-{one.pledge_id}",
        "balance_transaction": f"txn-{one.pledge_id}",
    }


def payment_body(one: GivenPledge) -> bytes:
    """Return the body that tells funding over HTTP of a captured payment."""
    return json.dumps(
        {
            "status": "captured",
            "provider": "sandbox",
            "payment_reference": f"ch-{one.pledge_id}",
            "pledge_id": one.pledge_id,
            "backer_id": one.backer_id,
            "money": {"amount": one.amount, "currency": CURRENCY},
            "occurred_at": AT.isoformat(),
            "provider_fee": 88,
            "balance_transaction": f"txn-{one.pledge_id}",
        }
    ).encode()


def approved(campaign_id: str) -> Record:
    """Tell as the platform would that a campaign starts; it stays open for the measurement."""
    event = sample(
        platform.CampaignApproved,
        campaign_id=campaign_id,
        currency=CURRENCY,
        deadline=datetime.now(UTC) + timedelta(days=1),
    )
    return Draft(event, AT, identity=f"approved/{campaign_id}").seal()


def goal_missed(given: Sequence[GivenPledge]) -> Record:
    """Tell as funding would that a campaign missed its goal, as of all its pledges."""
    event = sample(
        funding.VerdictReached,
        campaign_id=given[0].campaign_id,
        verdict="goal_missed",
        collected=sum(one.amount for one in given),
        count=len(given),
        currency=CURRENCY,
        pledges_sequence=len(given),
    )
    return Draft(event, AT).seal(1)


def published(update_id: str, number: int, given: Sequence[GivenPledge]) -> Record:
    """Tell as updates would that an update was published, as of all the campaign's pledges."""
    event = sample(
        updates.UpdatePublished,
        campaign_id=given[0].campaign_id,
        update_id=update_id,
        pledges_sequence=len(given),
        audience_count=len({one.backer_id for one in given}),
        # Nobody is told of what is old.
        published_at=datetime.now(UTC),
    )
    return Draft(event, AT).seal(number)
