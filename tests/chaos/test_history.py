"""What no topic may ever say: each offence is found, and what is no offence is not."""

from datetime import UTC, datetime

from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.notifier import BackerNotified
from sosst_contracts.payouts import StageDue
from tests.chaos.history import History

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def fact(sequence: int, amount: int = 1) -> Decoded:
    event = StageDue(
        campaign_id="c", stage=1, kind="first", amount=amount, currency="EUR", due_at=NOW
    )
    read = decode(Draft(event, NOW).seal(sequence))
    assert isinstance(read, Decoded)
    return read


def notification(recipient: str, told_id: str) -> Decoded:
    event = BackerNotified(
        notification_id=told_id,
        cause="verdict-reached/c",
        campaign_id="c",
        recipient_id=recipient,
        kind="verdict-reached",
        role="backer",
        notified_at=NOW,
    )
    read = decode(Draft(event, NOW, identity=told_id).seal())
    assert isinstance(read, Decoded)
    return read


def rules_of(*facts: Decoded) -> list[str]:
    history = History()
    return [found.rule for one in facts for found in history.take(one.event.topic, one)]


def test_facts_in_order_and_late_repeats_are_no_offence() -> None:
    """A relay that woke up says again what was said, as often as it likes."""
    assert rules_of(fact(1), fact(2), fact(1), fact(3), fact(2), fact(1)) == []


def test_a_fact_before_the_one_it_follows_is_found() -> None:
    """3 after 1 is a gap, whether or not 2 comes later."""
    assert rules_of(fact(1), fact(3)) == ["sequence-gap"]
    assert rules_of(fact(2)) == ["sequence-gap"]


def test_a_sequence_with_other_content_is_found() -> None:
    """A number that was given out twice (trap 23) is two different facts in one place."""
    assert rules_of(fact(1, amount=1), fact(1, amount=2)) == ["sequence-reused"]


def test_one_person_with_two_ids_for_one_cause_is_found() -> None:
    """The same id again is a repeat; another id for the same person is told twice."""
    assert rules_of(notification("ann", "1"), notification("ann", "1")) == []
    assert rules_of(notification("ann", "1"), notification("bob", "2")) == []
    assert rules_of(notification("ann", "1"), notification("ann", "2")) == ["told-twice"]
