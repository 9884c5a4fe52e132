"""What the topics have said so far, and what no topic may ever say. Pure; `watch.py` feeds it."""

from collections import defaultdict
from dataclasses import dataclass, field

from sosst_contracts.codec import Decoded
from sosst_contracts.event import Event
from sosst_contracts.funding import VerdictReached
from sosst_contracts.notifier import BackerNotified, DeliverySucceeded, PersonNotified
from tests.chaos.findings import Finding

Stream = tuple[str, str]
# Who was told under which ids, by cause.
Told = dict[str, dict[str, set[str]]]
DELIVERIES = DeliverySucceeded.topic


@dataclass
class History:
    """Facts by (topic, key) in order of their sequences, and who was told of what under which id.

    `told` are backers, `others_told` creators, teams, staff and followers.

    `early` are the sequences of facts that stand on their topic before one that they follow.
    A relay that woke up may repeat old facts late, so a repeat is no offence; a fact that stands
    on its topic before the one it follows is, and so is other content under a known sequence.
    """

    facts: dict[Stream, list[Event]] = field(default_factory=lambda: defaultdict(list))
    early: dict[Stream, set[int]] = field(default_factory=lambda: defaultdict(set))
    told: Told = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    others_told: Told = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    repeats: int = 0

    def take(self, topic: str, read: Decoded) -> list[Finding]:
        """Take the next record of a partition; return what is wrong with it."""
        if isinstance(read.event, BackerNotified):
            return self._notified(read.event, self.told)
        if isinstance(read.event, PersonNotified):
            return self._notified(read.event, self.others_told)
        if read.envelope.sequence is None:
            # What became of a mail: asked again after a crash it may stand there again.
            assert topic == DELIVERIES, f"{topic} has a fact without a sequence"
            return []
        return self._sequenced(topic, read.key, read.envelope.sequence, read.event)

    def has(self, stream: Stream, sequence: int) -> bool:
        """Whether the fact with this sequence stands on its topic."""
        there = len(self.facts[stream]) if stream in self.facts else 0
        return sequence <= there or (stream in self.early and sequence in self.early[stream])

    def _sequenced(self, topic: str, key: str, sequence: int, event: Event) -> list[Finding]:
        known = self.facts[topic, key]
        where = f"{topic} {key} {sequence}"
        if sequence > len(known) + 1:
            self.early[topic, key].add(sequence)
            return [Finding("sequence-gap", f"{where} stands there after {len(known)}")]
        if sequence <= len(known):
            self.repeats += 1
            if known[sequence - 1] != event:
                return [Finding("sequence-reused", f"{where}: {known[sequence - 1]} and {event}")]
            return []
        known.append(event)
        return self._verdicts(topic, key) if isinstance(event, VerdictReached) else []

    def _verdicts(self, topic: str, key: str) -> list[Finding]:
        fallen = [one for one in self.facts[topic, key] if isinstance(one, VerdictReached)]
        return [Finding("second-verdict", f"{key}: {fallen}")] if len(fallen) > 1 else []

    def _notified(self, event: BackerNotified | PersonNotified, told: Told) -> list[Finding]:
        ids = told[event.cause][event.recipient_id]
        self.repeats += event.notification_id in ids
        ids.add(event.notification_id)
        if len(ids) > 1:
            return [Finding("told-twice", f"{event.recipient_id} of {event.cause}: {sorted(ids)}")]
        return []
