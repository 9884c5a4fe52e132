"""Writers are strict: what no reader may meet is refused before it is a record."""

from datetime import datetime

import pytest
from pydantic import ValidationError

from contracts.tests.records import HAPPENED_AT, VERDICT, draft_of, record_of, value_of
from sosst_contracts.codec import VALUE_BYTES_MAX, Decoded, Draft, OversizedEvent, decode
from sosst_contracts.funding import CampaignLaunched, PledgePlaced, VerdictReached
from sosst_contracts.platform import CampaignApproved, PaymentCaptured
from sosst_contracts.testing import sample


def test_headers() -> None:
    """The headers are those of `architecture.md`; the sequence orders as a plain string."""
    assert dict(VERDICT.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"funding.campaigns:campaign-1:7",
        "ce_type": b"sosst.funding.verdict-reached.v1",
        "ce_source": b"/sosst/funding",
        "ce_time": b"2026-03-01T12:00:00.250000Z",
        "ce_subject": b"campaign-1",
        "ce_dataschema": b"urn:sosst:event:funding.verdict-reached:1.2",
        "ce_sequence": b"00000000000000000007",
        "content-type": b"application/json",
    }


def test_optional_headers() -> None:
    """Correlation, causation and trace context travel with the event."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    draft = Draft(
        sample(VerdictReached),
        HAPPENED_AT,
        correlation_id="request-1",
        causation_id="funding.pledges:campaign-1:500",
        traceparent=trace,
    )
    found = decode(draft.seal(1))
    assert isinstance(found, Decoded)
    assert found.envelope.correlation_id == "request-1"
    assert found.envelope.causation_id == "funding.pledges:campaign-1:500"
    assert found.envelope.traceparent == trace


def test_optional_fields_are_absent() -> None:
    """An optional field without a value is absent on the wire, never null."""
    assert "reward_id" not in value_of(record_of(sample(PledgePlaced)))
    assert value_of(record_of(sample(PledgePlaced, reward_id="lamp")))["reward_id"] == "lamp"


@pytest.mark.parametrize(
    "shares", [[2000, 3000, 4999], [10_000], [5000, 5000, 0, 0], [-1, 1, 10_000]]
)
def test_refused_shares(shares: list[int]) -> None:
    """The three stage shares are a whole together, in given and in fixed terms."""
    terms = sample(CampaignLaunched).terms.model_dump() | {"stage_shares_basis_points": shares}
    with pytest.raises(ValidationError):
        sample(CampaignLaunched, terms=terms)
    with pytest.raises(ValidationError):
        sample(CampaignApproved, terms={"stage_shares_basis_points": shares})


def test_events_do_not_change() -> None:
    """A fact that was made stays as it is."""
    with pytest.raises(ValidationError):
        sample(VerdictReached).count = 1  # type: ignore[misc]


@pytest.mark.parametrize("sequence", [None, 0, -1, 2**63])
def test_refused_sequences(sequence: int | None) -> None:
    """On a topic with sequence, a record has one from 1 to 2^63 - 1."""
    with pytest.raises(ValueError, match="sequence"):
        draft_of(sample(VerdictReached)).seal(sequence)


def test_refused_drafts() -> None:
    """A topic without sequence takes none and asks for the natural key; times carry a zone."""
    payment = sample(PaymentCaptured)
    with pytest.raises(ValueError, match="has no sequence"):
        Draft(payment, HAPPENED_AT, identity="ch_1").seal(1)
    with pytest.raises(ValueError, match="natural key"):
        Draft(payment, HAPPENED_AT).seal()
    with pytest.raises(ValueError, match="zone"):
        Draft(sample(VerdictReached), datetime(2026, 3, 1)).seal(1)


def test_the_largest_event() -> None:
    """A value of exactly 256 KiB is written and read; one byte more is refused."""
    many = [{"reward_id": "r" * 200, "title": "t" * 140} for _ in range(1_000)]
    event = sample(CampaignLaunched, rewards=many[:700])
    written = record_of(event).value
    assert written is not None
    room, rewards = VALUE_BYTES_MAX - len(written), list(many[:700])
    while room > 400:
        rewards.append(many[0])
        room -= len('{"reward_id":"","title":""},') + 340
    short = len('{"reward_id":"","title":""},')
    rewards.append({"reward_id": "r" * min(200, room - short - 1), "title": "t"})
    left = room - short - 1 - len(rewards[-1]["reward_id"])
    rewards[-1]["title"] += "t" * left
    largest = record_of(sample(CampaignLaunched, rewards=rewards))
    assert largest.value is not None
    assert len(largest.value) == VALUE_BYTES_MAX
    assert isinstance(decode(largest), Decoded)
    longer = sample(CampaignLaunched, rewards=rewards, campaign_id="campaign-12")
    with pytest.raises(OversizedEvent):
        record_of(longer)
