"""Events in and out: what is read, and that splicing writes what pydantic would."""

import pytest

from notifier.domain.cause import Cause, CauseKind, CauseState, Origin, Told, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.notification import notification_id
from notifier.wire.heard import (
    campaign_wide_from,
    creators_from,
    for_some_from,
    membership_from,
    withdrawals_from,
)
from notifier.wire.told import completed, planned
from services.notifier.tests.builders import (
    CAMPAIGN,
    NOW,
    collected,
    event_of,
    records_of,
    refunded,
    update,
    verdict,
)
from sosst_contracts import funding, payouts
from sosst_contracts.codec import Decoded, Draft, Record, decode
from sosst_contracts.event import Event
from sosst_contracts.notifier import BackerNotified
from sosst_contracts.testing import sample

TOLD = Told(CauseKind.UPDATE_PUBLISHED, "campaign-1:update-1", CAMPAIGN, NOW)
ODD_PEOPLE = ['quote"s', "back\\slash", "Zoé Müller", "日本", "line\nbreak", "😀", "x" * 200]


def decoded(record: Record) -> Decoded:
    outcome = decode(record)
    assert isinstance(outcome, Decoded)
    return outcome


def sealed(recipient_id: str) -> Record:
    """The event as the contract's strict writer makes it, one by one."""
    told_id = notification_id(TOLD.cause, NOW, recipient_id)
    event = BackerNotified(
        notification_id=told_id,
        cause=TOLD.cause,
        campaign_id=CAMPAIGN,
        recipient_id=recipient_id,
        kind=TOLD.kind.value,
        role="backer",
        notified_at=NOW,
    )
    return Draft(event, NOW, identity=told_id).seal()


@pytest.mark.parametrize("recipient_id", ["backer-1", *ODD_PEOPLE])
def test_splicing_writes_the_same_record(recipient_id: str) -> None:
    """A spliced record equals the strictly written one in key, value and headers."""
    [spliced] = records_of(Chunk("chunk", TOLD, (recipient_id,), 0))
    strict = sealed(recipient_id)
    assert (spliced.topic, spliced.key, spliced.value) == (strict.topic, strict.key, strict.value)
    assert dict(spliced.headers) == dict(strict.headers)


def test_all_of_a_chunk_can_be_read() -> None:
    """Every record of a chunk decodes to its own recipient, whatever the ids contain."""
    chunk = Chunk("chunk", TOLD, ("backer-1", *ODD_PEOPLE), 0)
    events = [event_of(record) for record in records_of(chunk)]
    told = [e.recipient_id for e in events if isinstance(e, BackerNotified)]
    assert sorted(told) == sorted(chunk.recipients)


def test_rendering_twice_is_equal() -> None:
    """The same chunk rendered again gives equal records: a repeat keeps its ids."""
    chunk = Chunk("chunk", TOLD, ("a", "b"), 0)
    assert records_of(chunk) == records_of(chunk)


def test_each_reader_takes_its_own_facts() -> None:
    """Each fact is read by one reader and skipped by the other two."""
    readers = (membership_from, campaign_wide_from, for_some_from)
    for record, place in ((collected(1, "b"), 0), (verdict(1), 1), (update(1, 1), 1)):
        read = [reader(decoded(record)) is not None for reader in readers]
        assert read == [index == place for index in range(3)]
    assert [reader(decoded(refunded("b", 1))) is not None for reader in readers] == [0, 0, 1]


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (sample(funding.PledgeErrored, pledge_id="p1"), "pledge-errored/p1"),
        (sample(funding.PledgeReminderDue, pledge_id="p:1"), "pledge-reminder-due/p%3A1:1"),
        (sample(funding.PledgeDropped, pledge_id="p1"), "pledge-dropped/p1"),
    ],
)
def test_a_backer_is_told_what_becomes_of_an_errored_pledge(event: Event, cause: str) -> None:
    """One person, once per pledge and reminder; the checkout's last try is nobody's notice."""
    heard = for_some_from(decoded(Draft(event, NOW).seal(1)))
    assert heard is not None and heard.told.cause == cause and heard.recipients == ("backer-1",)
    assert heard.told.content["amount"] == 1_999
    assert for_some_from(decoded(Draft(sample(funding.PledgeLastTryDue), NOW).seal(1))) is None


SINCE = int(sample(payouts.RefundClaimable).claimable_at.timestamp())


@pytest.mark.parametrize(
    ("event", "cause", "content"),
    [
        (sample(payouts.RefundFailed, attempt=2), "refund-failed/rf_1:2", {"reason"}),
        (sample(payouts.RefundFailed, attempt=None), "refund-failed/rf_1:", {"reason"}),
        (sample(payouts.RefundClaimable), f"refund-claimable/rf_1:{SINCE}", {"reason"}),
        (
            sample(payouts.ClaimableReminderDue, days=30),
            f"claimable-reminder-due/rf_1:30-{SINCE}",
            {"days", "claimable_at"},
        ),
        (sample(payouts.RefundPaidOtherwise), "refund-paid-otherwise/rf_1", {"method"}),
    ],
)
def test_a_backer_is_told_what_becomes_of_a_refund(
    event: Event, cause: str, content: set[str]
) -> None:
    """Once per attempt, per time that it waits, per reminder; amount and refund, never a link."""
    heard = for_some_from(decoded(Draft(event, NOW).seal(1)))
    assert heard is not None and heard.told.cause == cause and heard.recipients == ("backer-1",)
    said = {"refund_id", "amount", "currency"} | content
    assert heard.told.content.keys() == said and heard.told.content["refund_id"] == "rf_1"


@pytest.mark.parametrize(
    ("event", "beginnings"),
    [
        (one, ["refund-claimable/rf_1:", "claimable-reminder-due/rf_1:"])
        for one in (
            sample(payouts.RefundSucceeded),
            sample(payouts.RefundPaidOtherwise),
            sample(payouts.RefundBlocked),
            sample(payouts.RefundRefused),
        )
    ]
    + [
        (one, ["pledge-errored/pledge-1", "pledge-reminder-due/pledge-1:"])
        for one in (sample(funding.PledgeCollected), sample(funding.PledgeDropped))
    ]
    + [(one, []) for one in (sample(payouts.RefundFailed), sample(payouts.RefundCreated))],
)
def test_what_ends_the_reason_of_reminders(event: Event, beginnings: list[str]) -> None:
    """Money that arrived is not waited for; a failure ends nothing."""
    found = withdrawals_from(decoded(Draft(event, NOW).seal(1)))
    assert [one.beginning for one in found] == beginnings


def test_joined_is_the_sequence() -> None:
    """A membership is joined at the sequence of its fact."""
    membership = membership_from(decoded(collected(41, "b")))
    assert membership is not None and membership.joined == 41


def test_a_cancellation_is_told_to_everybody_as_of_n() -> None:
    """With its reason, under a cause of its own."""
    event = sample(funding.CampaignCancelled, reason="It is over.", pledges_sequence=7)
    heard = campaign_wide_from(decoded(Draft(event, NOW).seal(2)))
    assert heard is not None and (heard.pledges_sequence, heard.expected) == (7, None)
    assert heard.told.cause == "campaign-cancelled/campaign-1"
    assert heard.told.content["reason"] == "It is over."


def test_only_the_maker_who_counts_is_compared() -> None:
    """An update carries its audience, a verdict does not: it counts pledges."""
    heard = campaign_wide_from(decoded(update(7, 3)))
    assert heard is not None and (heard.pledges_sequence, heard.expected) == (7, 3)
    heard = campaign_wide_from(decoded(verdict(7)))
    assert heard is not None and (heard.pledges_sequence, heard.expected) == (7, None)


def test_updates_of_two_campaigns_are_two_causes() -> None:
    """Update ids are unique within a campaign only, so the cause's name holds both."""
    causes = [
        campaign_wide_from(decoded(update(1, 1, campaign=campaign))) for campaign in ("c1", "c2")
    ]
    assert len({one.told.cause for one in causes if one is not None}) == 2


def test_whatever_is_told_names_the_fact_and_keeps_its_story() -> None:
    """A notification, a plan and an end carry the id, story and trace of what they tell of."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    origin = Origin("updates.posts:campaign-1:1", "story", trace)
    told = Told(CauseKind.UPDATE_PUBLISHED, "campaign-1:u1", CAMPAIGN, NOW, {}, origin)
    cause = Cause(told, 1, 1, CauseState.COMPLETED, NOW, 1, NOW, NOW)
    ends = [planned(cause).seal(1), completed(cause, Totals(1, 0), {}).seal(2)]
    for record in (*records_of(Chunk("chunk", told, ("a",), 0)), *ends):
        envelope = decoded(record).envelope
        said = envelope.causation_id, envelope.correlation_id, envelope.traceparent
        assert said == (origin.fact_id, "story", trace)


def test_a_fact_that_is_heard_becomes_the_origin() -> None:
    """One without a story is the first of its own."""
    for record, reader in ((verdict(1), campaign_wide_from), (refunded("b", 1), for_some_from)):
        fact, heard = decoded(record), reader(decoded(record))
        assert heard is not None and heard.told.origin is not None
        assert heard.told.origin.fact_id == heard.told.origin.correlation_id == fact.envelope.id


def test_launch_and_verdict_say_whose_campaign_it_is() -> None:
    """Either is enough, and of two in one batch the first holds; other facts say nothing of it."""
    events = (
        sample(funding.CampaignLaunched, campaign_id="c1", creator_id="anna"),
        sample(funding.VerdictReached, campaign_id="c1", creator_id="mallory"),
        sample(funding.VerdictReached, campaign_id="c2", creator_id="ben"),
        sample(funding.PledgeCollected, campaign_id="c3"),
    )
    facts = [decoded(Draft(event, NOW).seal(1)) for event in events]
    assert creators_from(facts) == {"c1": "anna", "c2": "ben"}
