"""A batch of records becomes one transaction: decode, order, load, decide, save (decision 0004).

This module knows no Kafka: `subscribe.py` feeds it and commits positions after it returned.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic

import structlog

from servicekit import causes, metrics, traces
from servicekit.clock import Clock
from servicekit.errors import Conflict, ConsumerStopped, Outlasted, is_away
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
class _Tries:
    """What the tries to save one batch have shown so far.

    `handed` is what the last of them gave to the handler. `held` is where it has to stop: of its
    key that fact and all behind it wait, as if the one before it had not come.
    """

    refused: dict[str, Refusal] = field(default_factory=dict)
    healing: set[Place] = field(default_factory=set)
    handed: list[Arrival] = field(default_factory=list)
    held: Arrival | None = None
    reached: int = 0

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        for one in refusals:
            self.refused[one.fact.envelope.id] = one
            if one.retryable:
                self.healing.add(_place(one.fact))

    def halve(self) -> Arrival:
        """Stop before the second half of what was handed on, and return its first fact."""
        self.held = self.handed[len(self.handed) // 2]
        return self.held

    def next_turn(self) -> list[Arrival]:
        """Return the held fact if all before it is applied by now: nobody else brings it on."""
        if self.held is None or not self._is_next(self.held):
            return []
        return [replace(self.held, parked=None)]

    def marks(self, one: Kept) -> bool:
        """Whether it is to be tried again by itself.

        A fact of another topic may heal it; or its turn has come, and the process may end before
        it is taken on. What waits behind another one has no turn.
        """
        if one.reason == GAP:
            return self.held is not None and self._is_next(one.arrival)
        return _place(one.arrival) in self.healing

    def _is_next(self, arrival: Arrival) -> bool:
        return arrival.sequence == self.reached + 1


@dataclass(slots=True)
class _Plan:
    """The whole batch, sorted into what the handler gets and what is kept."""

    keys: dict[str, KeyPlan] = field(default_factory=dict)
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
        return replace(arrival, parked=None) if self.subscription.sequenced and placed else arrival

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
                arrivals.append(_arrival(one, outcome))
        return arrivals, next(iter(stopped.values()), None)

    async def _save(
        self, arrivals: Sequence[Arrival], refused: Mapping[str, Refusal] | None = None
    ) -> None:
        """Save the batch; narrow down to keys and then to single facts what cannot be saved."""
        with causes.because_of(_facts(arrivals)):
            await self._save_or_narrow(arrivals, _Tries(dict(refused or {})))

    async def _save_or_narrow(self, arrivals: Sequence[Arrival], tries: _Tries) -> None:
        """Try until it is saved.

        Each try that fails leaves less to the next one, until the fault is with a single fact: a
        part of the batch, half of what its key would be taken on by, or one more fact refused.
        Only what no fact is to blame for is tried again as it was, after a pause.
        """
        attempt = 0
        while arrivals:
            self._pulse.beat()
            attempt += 1
            try:
                outcomes = await self._units.run(partial(self._apply, arrivals, tries))
            except _Refused as error:
                tries.refuse(error.refusals)
            except Exception as error:
                if is_away(error):
                    await self._back_off(attempt, error)
                    continue
                crowded = isinstance(error, (Conflict, Outlasted))
                parts = _halves(arrivals) if crowded else _narrower(arrivals)
                if len(parts) > 1:
                    for part in parts:
                        await self._save(part)
                    return
                if len(tries.handed) > 1:
                    held = tries.halve()
                    log.warning(
                        "saved without what waits behind it",
                        topic=self.subscription.topic,
                        key=held.key,
                        sequence=held.sequence,
                        error=repr(error),
                    )
                elif crowded or not tries.handed:
                    await self._back_off(attempt, error)
                else:
                    log.exception("set aside, its save failed", topic=self.subscription.topic)
                    tries.refuse(_refuse_all(tries.handed, error))
            else:
                self._count(outcomes)
                arrivals, tries = tries.next_turn(), _Tries()

    async def _back_off(self, attempt: int, error: Exception) -> None:
        log.warning("retried in place", topic=self.subscription.topic, error=repr(error))
        await asyncio.sleep(random.uniform(0.5, 1) * min(5.0, 0.05 * 2 ** min(attempt, 10)))

    async def _apply(self, arrivals: Sequence[Arrival], tries: _Tries, unit: U) -> Counter[str]:
        """Save the batch; `tries` says what of it was handed on, whatever comes of it."""
        tries.handed = []
        plan = await self._plan(unit, arrivals, tries)
        facts = plan.applied()
        accepted = [a for a in plan.loose if _fact_id(a) not in tries.refused]
        tries.handed = facts + accepted
        if tries.handed:
            await self._hand_on(unit, _facts(tries.handed))
        await self._erase(unit, plan.erased)
        fresh = await self._keep(unit, plan, tries)
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

    async def _hand_on(self, unit: U, facts: Sequence[Decoded]) -> None:
        with causes.because_of(facts):
            refusals = await self.subscription.handle(unit, facts)
        if not refusals:
            return
        given = {fact.envelope.id for fact in facts}
        if any(refusal.fact.envelope.id not in given for refusal in refusals):
            # Planned again without it, the batch would be what it was, without end.
            raise ValueError("the handler refused a fact that it was not given")
        raise _Refused(refusals)

    async def _erase(self, unit: U, keys: Sequence[str]) -> None:
        """Erase what is known of these keys, also what of theirs could not be used."""
        if self.subscription.erase is None or not keys:
            return
        await self.subscription.erase(unit, keys)
        for key in keys:
            wanted = Search(topic=self.subscription.topic, key=key)
            kept = await unit.plumbing.set_aside.search(wanted, "", RETRYABLE_PAGE)
            await unit.plumbing.set_aside.remove([fact.id for fact in kept])

    async def _plan(self, unit: U, arrivals: Sequence[Arrival], tries: _Tries) -> _Plan:
        plan = _Plan()
        keyed: dict[str, list[Arrival]] = defaultdict(list)
        latest = _latest(arrivals) if self.subscription.erase is not None else arrivals
        plan.skipped = len(arrivals) - len(latest)
        for arrival in latest:
            self._sort(arrival, tries.refused, keyed, plan)
        topic, group = self.subscription.topic, self.subscription.group
        rows = await unit.plumbing.streams.load(group, topic, keyed)
        waiting = [key for key, row in rows.items() if row.waiting]
        parked = await unit.plumbing.set_aside.waiting(group, topic, waiting) if waiting else {}
        before = tries.held.sequence if tries.held is not None else None
        for key, fresh in keyed.items():
            known = [_from_set_aside(fact) for fact in parked.get(key, [])]
            known = [_override(one, tries.refused) for one in known]
            plan.keys[key] = plan_key(rows[key], known + fresh, before)
            tries.reached = plan.keys[key].after.last_sequence
            # What is kept anew moves the row too, to where it is: a retry of the same key that is
            # saved at this moment has not seen it, and would leave it behind a gap that is filled.
            kept = plan.keys[key].keep
            fresh_kept = any(_is_changed(one, retryable=tries.marks(one)) for one in kept)
            if fresh_kept or plan.keys[key].after != rows[key]:
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

    async def _keep(self, unit: U, plan: _Plan, tries: _Tries) -> list[SetAsideFact]:
        """Set aside what is new to it, forget what was healed; return the new ones.

        New is also what waited until now and is itself what cannot be used. What is only marked
        otherwise, as one that another fact may heal, was set aside before.
        """
        kept = [one for key in plan.keys.values() for one in key.keep] + plan.keep
        marked = [(one, tries.marks(one)) for one in kept]
        healed = [parked_id for key in plan.keys.values() for parked_id in key.healed_ids()]
        for arrival in plan.loose:
            refusal = tries.refused.get(_fact_id(arrival))
            if refusal is not None:
                one = Kept(arrival, refusal.reason, refusal.detail)
                marked.append((one, refusal.retryable))
            elif arrival.parked is not None:
                healed.append(arrival.parked.id)
        changed = [(one, mark) for one, mark in marked if _is_changed(one, retryable=mark)]
        facts = [self._fact(one, retryable=mark) for one, mark in changed]
        await unit.plumbing.set_aside.remove(healed)
        await unit.plumbing.set_aside.add(facts)
        known = [one.arrival.parked for one, _ in changed]
        facts = [
            fact
            for fact, before in zip(facts, known, strict=True)
            if before is None or before.reason != fact.reason
        ]
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
        """Return it as it is kept from now on; what is kept already stays where it was."""
        arrival, incoming = one.arrival, one.arrival.incoming
        if arrival.parked is not None:
            detail = one.detail[:DETAIL_LENGTH_MAX]
            return replace(arrival.parked, reason=one.reason, detail=detail, retryable=retryable)
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


def _arrival(incoming: Incoming, outcome: Outcome) -> Arrival:
    if isinstance(outcome, Decoded):
        sequence = outcome.envelope.sequence
    else:
        sequence = None if isinstance(outcome, Erased) else outcome.sequence
    return Arrival(incoming, outcome, outcome.key, sequence)


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
    return Arrival(incoming, outcome, fact.key, fact.sequence, fact)


def _override(arrival: Arrival, refused: Mapping[str, Refusal]) -> Arrival:
    refusal = refused.get(_fact_id(arrival))
    if refusal is None:
        return arrival
    unusable = Unusable(refusal.reason, refusal.detail, arrival.key, arrival.sequence)
    return replace(arrival, outcome=unusable)


def _is_changed(one: Kept, *, retryable: bool) -> bool:
    """Whether it is not kept yet, or not with this reason or this mark."""
    known = one.arrival.parked
    return known is None or (known.reason, known.retryable) != (one.reason, retryable)


def _place(fact: Decoded | Arrival) -> Place:
    sequence = fact.envelope.sequence if isinstance(fact, Decoded) else fact.sequence
    return fact.key, sequence


def _fact_id(arrival: Arrival) -> str:
    return arrival.outcome.envelope.id if isinstance(arrival.outcome, Decoded) else ""


def _facts(arrivals: Sequence[Arrival]) -> list[Decoded]:
    return [a.outcome for a in arrivals if isinstance(a.outcome, Decoded)]


def _narrower(arrivals: Sequence[Arrival]) -> Sequence[Sequence[Arrival]]:
    """Split a batch into its keys, one key into its facts, one fact into itself."""
    keys: dict[str | None, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        keys[arrival.key].append(arrival)
    return list(keys.values()) if len(keys) > 1 else [[arrival] for arrival in arrivals]


def _halves(arrivals: Sequence[Arrival]) -> list[Sequence[Arrival]]:
    """Split a batch that was too much at once; single facts would meet as many conflicts each."""
    middle = len(arrivals) // 2
    return [half for half in (arrivals[:middle], arrivals[middle:]) if half]


def _refuse_all(arrivals: Sequence[Arrival], error: Exception) -> list[Refusal]:
    reason = f"unsaveable:{type(error).__name__}"
    return [Refusal(fact, reason, str(error)) for fact in _facts(arrivals)]
