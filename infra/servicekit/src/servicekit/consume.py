"""A batch of records becomes one transaction: decode, order, load, decide, save (decision 0004).

This module knows no Kafka: `subscribe.py` feeds it and commits positions after it returned.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import structlog

from servicekit import causes, metrics, traces
from servicekit.clock import Clock
from servicekit.errors import Conflict, ConsumerStopped, DependencyAway
from servicekit.loops import Pulse
from servicekit.ordering import GAP, Arrival, Incoming, Kept, KeyPlan, Outcome, plan_key
from servicekit.set_aside import Search, SetAsideFact
from servicekit.streams import Move
from servicekit.units import U, UnitsOfWork
from sosst_contracts.codec import (
    Decoded,
    Erased,
    Record,
    UnknownMajor,
    UnknownType,
    Unusable,
    decode,
)

log = structlog.get_logger()

# So many refusals with nothing accepted between them mean a wrong deploy, not wrong facts.
REFUSALS_IN_A_ROW_MAX = 1_000
RETRYABLE_PAGE = 500
DETAIL_LENGTH_MAX = 2_000
# A fact's key and sequence.
Place = tuple[str | None, int | None]
OUTCOMES = ("applied", "repeated", "skipped", "set_aside")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handler's word that a fact cannot be used.

    `retryable` says that another fact may heal it: it is tried again until it is accepted, with
    all that waits behind it where facts have a sequence (decision 0010).
    """

    fact: Decoded
    reason: str
    detail: str
    retryable: bool = False


@dataclass(frozen=True)
class Subscription(Generic[U]):
    """One topic read by one group.

    `handle` runs inside the unit of work with new facts only, in order within each key, skips
    the types it does not want, and returns the facts that it refuses. With `erase` the topic is a
    compacted one: of each key only the latest record counts, and where that is a tombstone its
    key is erased, never refused: a save that fails is tried until it holds.
    """

    topic: str
    group: str
    sequenced: bool
    handle: Callable[[U, Sequence[Decoded]], Awaitable[Sequence[Refusal]]]
    erase: Callable[[U, Sequence[str]], Awaitable[None]] | None = None


class _Refused(Exception):
    """Undoes the transaction, so that the batch is planned again around the refused facts."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = refusals


@dataclass(slots=True)
class _Plan:
    """The whole batch, sorted into what the handler gets and what is kept."""

    keys: dict[str, KeyPlan] = field(default_factory=dict)
    parked: dict[str, SetAsideFact] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    loose: list[Arrival] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    keep: list[Kept] = field(default_factory=list)
    skipped: int = 0

    def applied(self) -> list[Arrival]:
        return [arrival for key in self.keys.values() for arrival in key.apply]


class BatchConsumer(Generic[U]):
    """Applies batches of one subscription."""

    def __init__(
        self, subscription: Subscription[U], units: UnitsOfWork[U], clock: Clock, pulse: Pulse
    ) -> None:
        self.subscription = subscription
        self._units = units
        self._clock = clock
        self._pulse = pulse
        self._refusals_in_a_row = 0
        self._retried_up_to: SetAsideFact | None = None
        for outcome in OUTCOMES:
            metrics.CONSUMER_RECORDS.labels(subscription.group, subscription.topic, outcome)

    async def process(self, incoming: Sequence[Incoming]) -> None:
        """Save everything that the records say; return only when all of it is saved.

        While a dependency is away it retries in place, without bound. Raises `ConsumerStopped`
        when a person must act; what stands before the offending record in its partition, and
        everything in the other partitions, is saved by then.
        """
        arrivals, unknown_major = self._decode(incoming)
        name = f"process {self.subscription.topic}"
        links = (fact.envelope.traceparent for fact in _facts(arrivals))
        with traces.span(name, "consumer", links=links, records=len(incoming)):
            await self._save(arrivals)
        if unknown_major is not None:
            raise ConsumerStopped("unknown-major", unknown_major.type)
        if self._refusals_in_a_row > REFUSALS_IN_A_ROW_MAX:
            raise ConsumerStopped("refusals", f"{self._refusals_in_a_row} in a row")

    async def retry_set_aside(self) -> int:
        """Try a page of the facts again that another fact may have healed; return how many.

        Each call goes on behind the page before and at the end begins anew, so that facts which
        nothing heals do not keep younger ones from being tried.
        """
        topic, group, after = self.subscription.topic, self.subscription.group, self._retried_up_to
        facts = await self._units.run(
            lambda unit: unit.plumbing.set_aside.retryable(group, topic, RETRYABLE_PAGE, after)
        )
        await self._save([self._taken_up(fact) for fact in facts])
        self._retried_up_to = facts[-1] if len(facts) == RETRYABLE_PAGE else None
        return len(facts)

    async def replay(self, facts: Sequence[SetAsideFact]) -> None:
        """Try these set-aside facts again as they are, also those whose save had failed.

        Order per key and the waiting flag hold: what stands behind a fact that is still refused
        stays, what stands behind a healed one goes on with it, in one transaction.
        """
        await self._save([self._taken_up(fact) for fact in facts])

    async def give_up(self, key: str, sequence: int) -> None:
        """Pass over one sequence of a key, set aside or never come; the facts behind it go on.

        Its handler never sees it. The caller makes sure that the key waits for this sequence.
        """
        group, topic = self.subscription.group, self.subscription.topic
        parked = await self._units.run(
            lambda unit: unit.plumbing.set_aside.waiting(group, topic, [key])
        )
        given_up = UnknownType("given up", key, sequence)
        record = Record(topic, key.encode(), None, ())
        arrival = Arrival(Incoming(record, -1, -1), given_up, key, sequence)
        mine = [_taken_up(fact) for fact in parked[key] if fact.sequence == sequence]
        refused = {
            one.outcome.envelope.id: Refusal(one.outcome, "given-up", "")
            for one in mine
            if isinstance(one.outcome, Decoded)
        }
        await self._save([arrival], refused)

    def _taken_up(self, fact: SetAsideFact) -> Arrival:
        arrival = _taken_up(fact)
        placed = fact.key is not None and fact.sequence is not None
        # One that has a place is loaded with its key; this copy of it heals it there.
        return (
            replace(arrival, parked_id=None) if self.subscription.sequenced and placed else arrival
        )

    def _decode(self, incoming: Sequence[Incoming]) -> tuple[list[Arrival], UnknownMajor | None]:
        arrivals: list[Arrival] = []
        stopped: dict[int, UnknownMajor] = {}
        for one in incoming:
            if one.partition in stopped:
                continue
            outcome = decode(one.record)
            if isinstance(outcome, UnknownMajor):
                stopped[one.partition] = outcome
            else:
                arrivals.append(_arrival(one, outcome, None))
        return arrivals, next(iter(stopped.values()), None)

    async def _save(
        self, arrivals: Sequence[Arrival], refused: Mapping[str, Refusal] | None = None
    ) -> None:
        """Save the batch; narrow down to keys and then to single facts what cannot be saved."""
        with causes.because_of(_facts(arrivals)):
            await self._save_or_narrow(arrivals, dict(refused or {}))

    async def _save_or_narrow(
        self, arrivals: Sequence[Arrival], refused: dict[str, Refusal]
    ) -> None:
        attempt = 0
        released: list[Arrival] = []
        healing: set[Place] = set()
        held_back: Arrival | None = None
        while arrivals:
            self._pulse.beat()
            attempt += 1
            try:
                self._count(
                    await self._units.run(self._applying(arrivals, refused, released, healing))
                )
                break
            except _Refused as error:
                refused |= {refusal.fact.envelope.id: refusal for refusal in error.refusals}
                healing |= {_place(one.fact) for one in error.refusals if one.retryable}
            except DependencyAway as error:
                log.warning("retried in place", topic=self.subscription.topic, error=repr(error))
                await _back_off(attempt)
            except Exception as error:
                parts = _narrower(arrivals)
                if len(parts) > 1:
                    for part in parts:
                        await self._save(part)
                    return
                if isinstance(error, Conflict):
                    await _back_off(attempt)
                elif released:
                    # A fact that fills a gap is not to blame for one that waited behind it.
                    held_back = released[len(released) // 2]
                    log.warning(
                        "saved without what waited behind it",
                        topic=self.subscription.topic,
                        key=held_back.key,
                        sequence=held_back.sequence,
                        error=repr(error),
                    )
                    refused |= _held_back(held_back)
                elif refused.keys() >= _refuse_all(parts[0], error).keys():
                    await _back_off(attempt)
                else:
                    log.exception("set aside, its save failed", topic=self.subscription.topic)
                    refused |= _refuse_all(parts[0], error)
        if held_back is not None:
            await self._save([replace(held_back, parked_id=None)])

    def _applying(
        self,
        arrivals: Sequence[Arrival],
        refused: Mapping[str, Refusal],
        released: list[Arrival],
        healing: Collection[Place],
    ) -> Callable[[U], Awaitable[Counter[str]]]:
        return lambda unit: self._apply(unit, arrivals, refused, released, healing)

    async def _apply(
        self,
        unit: U,
        arrivals: Sequence[Arrival],
        refused: Mapping[str, Refusal],
        released: list[Arrival],
        healing: Collection[Place],
    ) -> Counter[str]:
        """Save the batch; `released` says what else it took up, whatever comes of it."""
        released.clear()
        plan = await self._plan(unit, arrivals, refused)
        facts = plan.applied()
        own = {_fact_id(arrival) for arrival in arrivals}
        released += [a for a in facts if a.parked_id is not None and _fact_id(a) not in own]
        accepted = [a for a in plan.loose if _fact_id(a) not in refused]
        if facts or accepted:
            handed = _facts(facts + accepted)
            with causes.because_of(handed):
                refusals = await self.subscription.handle(unit, handed)
            if refusals:
                raise _Refused(refusals)
        await self._erase(unit, plan.erased)
        fresh = await self._keep(unit, plan, refused, healing)
        await unit.plumbing.streams.advance(
            self.subscription.group, self.subscription.topic, plan.moves
        )
        return Counter(
            applied=len(facts) + len(accepted) + len(plan.erased),
            repeated=sum(len(key.repeat) for key in plan.keys.values()),
            skipped=plan.skipped + sum(len(key.skip) for key in plan.keys.values()),
            set_aside=len(fresh),
            # What only waits for the fact before it says nothing about the deploy.
            refused=sum(1 for one in fresh if one.reason != GAP),
        )

    async def _erase(self, unit: U, keys: Sequence[str]) -> None:
        """Erase what is known of these keys, also what of theirs could not be used."""
        if self.subscription.erase is None or not keys:
            return
        await self.subscription.erase(unit, keys)
        for key in keys:
            wanted = Search(topic=self.subscription.topic, key=key)
            kept = await unit.plumbing.set_aside.search(wanted, "", RETRYABLE_PAGE)
            await unit.plumbing.set_aside.remove([fact.id for fact in kept])

    async def _plan(
        self, unit: U, arrivals: Sequence[Arrival], refused: Mapping[str, Refusal]
    ) -> _Plan:
        plan = _Plan()
        keyed: dict[str, list[Arrival]] = defaultdict(list)
        latest = _latest(arrivals) if self.subscription.erase is not None else arrivals
        plan.skipped = len(arrivals) - len(latest)
        for arrival in latest:
            self._sort(arrival, refused, keyed, plan)
        topic, group = self.subscription.topic, self.subscription.group
        rows = await unit.plumbing.streams.load(group, topic, keyed)
        waiting = [key for key, row in rows.items() if row.waiting]
        parked = await unit.plumbing.set_aside.waiting(group, topic, waiting) if waiting else {}
        plan.parked = {fact.id: fact for facts in parked.values() for fact in facts}
        for key, fresh in keyed.items():
            known = [_override(_from_set_aside(fact), refused) for fact in parked.get(key, [])]
            plan.keys[key] = plan_key(rows[key], known + fresh)
            if plan.keys[key].after != rows[key]:
                plan.moves.append(Move(key, rows[key], plan.keys[key].after))
        return plan

    def _sort(
        self,
        arrival: Arrival,
        refused: Mapping[str, Refusal],
        keyed: dict[str, list[Arrival]],
        plan: _Plan,
    ) -> None:
        outcome = arrival.outcome
        placed = arrival.key is not None and arrival.sequence is not None
        if self.subscription.sequenced and placed:
            keyed[arrival.key or ""].append(_override(arrival, refused))
        elif isinstance(outcome, Unusable):
            plan.keep.append(Kept(arrival, outcome.reason, outcome.detail))
        elif isinstance(outcome, Erased):
            plan.erased.append(outcome.key)
        elif isinstance(outcome, UnknownType):
            plan.skipped += 1
        elif self.subscription.sequenced:
            plan.keep.append(Kept(arrival, "missing-header", "ce_sequence"))
        else:
            plan.loose.append(arrival)

    async def _keep(
        self,
        unit: U,
        plan: _Plan,
        refused: Mapping[str, Refusal],
        healing: Collection[Place],
    ) -> list[SetAsideFact]:
        """Set aside what is new to it, forget what was healed; return the new ones.

        New is also what waited until now and is itself what cannot be used.
        """
        kept = [one for key in plan.keys.values() for one in key.keep] + plan.keep
        new = [one for one in kept if one.arrival.parked_id is None]
        facts = [self._fact(one, retryable=_is_healing(one, healing)) for one in new]
        renewed = [_renewed(one, plan, healing) for one in kept]
        facts += [one for one in renewed if one is not None]
        healed = [parked_id for key in plan.keys.values() for parked_id in key.healed_ids()]
        for arrival in plan.loose:
            refusal = refused.get(_fact_id(arrival))
            if refusal is not None and arrival.parked_id is None:
                one = Kept(arrival, refusal.reason, refusal.detail)
                facts.append(self._fact(one, retryable=refusal.retryable))
            elif refusal is None and arrival.parked_id is not None:
                healed.append(arrival.parked_id)
        await unit.plumbing.set_aside.remove(healed)
        await unit.plumbing.set_aside.add(facts)
        for fact in facts:
            metrics.SET_ASIDE.labels(fact.reason.split(":")[0]).inc()
            with causes.because_of([causes.of_record(fact.record)]):
                log.warning(
                    "set aside",
                    topic=fact.topic,
                    key=fact.key,
                    sequence=fact.sequence,
                    reason=fact.reason,
                    detail=fact.detail,
                )
        return facts

    def _fact(self, one: Kept, *, retryable: bool) -> SetAsideFact:
        arrival, incoming = one.arrival, one.arrival.incoming
        group, topic = self.subscription.group, self.subscription.topic
        if arrival.key is not None and arrival.sequence is not None:
            place = f"{arrival.key}|{arrival.sequence}"
        else:
            # No key looks like this, so it takes the place of no other fact.
            place = _fact_id(arrival) or f"|{incoming.partition}|{incoming.offset}"
        return SetAsideFact(
            id=f"{group}|{topic}|{place}",
            group=group,
            topic=topic,
            key=arrival.key,
            sequence=arrival.sequence,
            record=incoming.record,
            partition=incoming.partition,
            offset=incoming.offset,
            reason=one.reason,
            detail=one.detail[:DETAIL_LENGTH_MAX],
            retryable=retryable,
            set_aside_at=self._clock.now(),
        )

    def _count(self, outcomes: Counter[str]) -> None:
        group, topic = self.subscription.group, self.subscription.topic
        for outcome in OUTCOMES:
            metrics.CONSUMER_RECORDS.labels(group, topic, outcome).inc(outcomes[outcome])
        if outcomes["applied"]:
            self._refusals_in_a_row = 0
        self._refusals_in_a_row += outcomes["refused"]


def _latest(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Leave out what a later record of the same key says anew; what cannot be used stays."""
    said = (Decoded, Erased)
    last = {a.key: a for a in arrivals if isinstance(a.outcome, said)}
    return [a for a in arrivals if not isinstance(a.outcome, said) or last[a.key] is a]


def _arrival(incoming: Incoming, outcome: Outcome, parked_id: str | None) -> Arrival:
    if isinstance(outcome, Decoded):
        sequence = outcome.envelope.sequence
    else:
        sequence = None if isinstance(outcome, Erased) else outcome.sequence
    return Arrival(incoming, outcome, outcome.key, sequence, parked_id)


def _from_set_aside(fact: SetAsideFact) -> Arrival:
    arrival = _taken_up(fact)
    if not fact.reason.startswith("unsaveable:"):
        return arrival
    # Tried again beside a later fact of its key, it would take that one's save with it.
    return replace(arrival, outcome=Unusable(fact.reason, fact.detail, fact.key, fact.sequence))


def _taken_up(fact: SetAsideFact) -> Arrival:
    incoming = Incoming(fact.record, fact.partition, fact.offset)
    outcome = decode(fact.record)
    if isinstance(outcome, UnknownMajor):
        outcome = Unusable("unknown-major", outcome.type, fact.key, fact.sequence)
    return Arrival(incoming, outcome, fact.key, fact.sequence, fact.id)


def _override(arrival: Arrival, refused: Mapping[str, Refusal]) -> Arrival:
    refusal = refused.get(_fact_id(arrival))
    if refusal is None:
        return arrival
    unusable = Unusable(refusal.reason, refusal.detail, arrival.key, arrival.sequence)
    return Arrival(arrival.incoming, unusable, arrival.key, arrival.sequence, arrival.parked_id)


def _renewed(one: Kept, plan: _Plan, healing: Collection[Place]) -> SetAsideFact | None:
    """Return a fact that is kept already with what is wrong with it now, None for the same."""
    known = plan.parked.get(one.arrival.parked_id or "")
    if known is None or known.reason == one.reason:
        return None
    retryable, detail = _is_healing(one, healing), one.detail[:DETAIL_LENGTH_MAX]
    return replace(known, reason=one.reason, detail=detail, retryable=retryable)


def _is_healing(one: Kept, healing: Collection[Place]) -> bool:
    """Whether a fact of another topic may heal it; what waits behind another one has no turn."""
    return one.reason != GAP and _place(one.arrival) in healing


def _place(fact: Decoded | Arrival) -> Place:
    sequence = fact.envelope.sequence if isinstance(fact, Decoded) else fact.sequence
    return fact.key, sequence


def _fact_id(arrival: Arrival) -> str:
    return arrival.outcome.envelope.id if isinstance(arrival.outcome, Decoded) else ""


def _facts(arrivals: Sequence[Arrival]) -> list[Decoded]:
    return [a.outcome for a in arrivals if isinstance(a.outcome, Decoded)]


def _narrower(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Split a batch into its keys, one key into its facts, one fact into itself."""
    keys: dict[str | None, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        keys[arrival.key].append(arrival)
    return list(keys.values()) if len(keys) > 1 else [[arrival] for arrival in arrivals]


def _held_back(arrival: Arrival) -> dict[str, Refusal]:
    """Let it go on waiting, and all behind it with it; nothing is wrong with it so far."""
    facts = _facts([arrival])
    return {fact.envelope.id: Refusal(fact, GAP, "held back") for fact in facts}


def _refuse_all(arrivals: Sequence[Arrival], error: Exception) -> dict[str, Refusal]:
    reason = f"unsaveable:{type(error).__name__}"
    return {
        a.outcome.envelope.id: Refusal(a.outcome, reason, str(error))
        for a in arrivals
        if isinstance(a.outcome, Decoded)
    }


async def _back_off(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0.5, 1) * min(5.0, 0.05 * 2 ** min(attempt, 10)))
