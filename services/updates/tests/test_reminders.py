"""When a creator is asked about a promised day, where the terms change between two questions."""

from datetime import UTC, date, datetime

from updates.domain.reminders import next_question, question_due

DAY, PROMISED = date(2027, 6, 1), datetime(2027, 1, 1, tzinfo=UTC)


def test_days_that_are_new_in_the_terms_ask_nothing_that_was_asked_nearer_to_the_day() -> None:
    """Seven days before was asked; fourteen, new in the terms, would be due at once and repeat."""
    now = datetime(2027, 5, 25, 12, tzinfo=UTC)
    assert question_due(DAY, [7], PROMISED, "UTC", now, (14, 0)) is None
    assert next_question(DAY, [7], PROMISED, "UTC", (14, 0)) == datetime(2027, 6, 1, 8, tzinfo=UTC)


def test_days_that_are_new_in_the_terms_are_asked_where_nothing_nearer_was() -> None:
    """Three days before is still ahead."""
    at = datetime(2027, 5, 29, 8, tzinfo=UTC)
    assert next_question(DAY, [7], PROMISED, "UTC", (14, 3, 0)) == at
    due = question_due(DAY, [7], PROMISED, "UTC", at, (14, 3, 0))
    assert due is not None and (due.days_before, due.asked) == (3, frozenset({7, 3}))
