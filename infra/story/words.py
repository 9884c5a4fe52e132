"""A fact in one line that a person understands, and as an object for programs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.story.facts import Fact
from sosst_contracts.codec import Decoded
from sosst_contracts.money import exponent

# Fields that say how much, the more telling first.
AMOUNTS = ("amount", "collected", "base", "goal")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say, for people and for programs."""

    kind: str
    text: str
    fields: Mapping[str, Any]

    def as_json(self) -> str:
        return json.dumps({"kind": self.kind} | dict(self.fields), ensure_ascii=False)


def lines_of(facts: Iterable[Fact]) -> list[Line]:
    """Return a line for each fact, in the order given."""
    every = list(facts)
    known = {fact.fact_id: fact for fact in every}
    return [_line(fact, known) for fact in every]


def _line(fact: Fact, known: Mapping[str, Fact]) -> Line:
    when = fact.time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    number = "-" if fact.sequence is None else str(fact.sequence)
    text = (
        f"{when}  {fact.topic:22} {number:>6}  {name_of(fact):18} "
        f"{printable(_subject(fact)):36} {_amount(fact):>16}  {_because(fact, known)}"
    )
    return Line("fact", text.rstrip(), _fields(fact))


def name_of(fact: Fact) -> str:
    """Return what happened, in the word of its event."""
    return fact.read.event.name if isinstance(fact.read, Decoded) else "CANNOT BE READ"


def _subject(fact: Fact) -> str:
    """Return what it is about within the campaign."""
    if not isinstance(fact.read, Decoded):
        return fact.read.reason
    event = fact.read.event
    things = [value for field, value in event.things if field != "campaign_id"]
    return " ".join(things[:2]) or "the campaign"


def _amount(fact: Fact) -> str:
    amount, currency = _money(fact)
    if amount is None or currency is None:
        return ""
    digits = exponent(currency)
    whole, rest = divmod(amount, 10**digits)
    return f"{whole:,}{f'.{rest:0{digits}d}' if digits else ''} {currency}"


def _money(fact: Fact) -> tuple[int | None, str | None]:
    event = fact.read.event if isinstance(fact.read, Decoded) else None
    amounts = (getattr(event, name, None) for name in AMOUNTS)
    return next((a for a in amounts if a is not None), None), getattr(event, "currency", None)


def _because(fact: Fact, known: Mapping[str, Fact]) -> str:
    if fact.causation_id is None:
        return ""
    cause = known.get(fact.causation_id)
    if cause is None:
        return f"because of {printable(fact.causation_id)}, which is not on the topics"
    number = "" if cause.sequence is None else f" {cause.sequence}"
    return f"because of {name_of(cause)}{number}"


def _fields(fact: Fact) -> dict[str, Any]:
    amount, currency = _money(fact)
    envelope = fact.read.envelope if isinstance(fact.read, Decoded) else None
    return {
        "id": fact.fact_id,
        "topic": fact.topic,
        "partition": fact.partition,
        "offset": fact.offset,
        "sequence": fact.sequence,
        "type": envelope.type if envelope else None,
        "time": fact.time.isoformat(),
        "subject": _subject(fact),
        "amount": amount,
        "currency": currency,
        "causation_id": fact.causation_id,
        "correlation_id": envelope.correlation_id if envelope else None,
        "traceparent": envelope.traceparent if envelope else None,
    }


def printable(text: str) -> str:
    """Return the text with what could steer a terminal made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
