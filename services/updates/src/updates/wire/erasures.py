"""Who was erased, as notifier tells it."""

from collections.abc import Sequence

from sosst_contracts import notifier
from sosst_contracts.codec import Decoded
from updates.handlers.erasures import Erasure

ERASURES_TOPIC = notifier.PersonErased.topic


def erasures_from(facts: Sequence[Decoded]) -> list[Erasure]:
    """Read erasures; any other fact is none."""
    told = [fact.event for fact in facts]
    return [
        Erasure(event.person_id, event.erased_at)
        for event in told
        if isinstance(event, notifier.PersonErased)
    ]
