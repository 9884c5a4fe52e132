"""A backer's claim about a reward: its states, its thread, and the facts that tell of it.

Backer and creator settle it between them, or staff do. What people write stays here; the facts
say who has the turn and how it is to end.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from updates.domain.claim_reason import Reason
from updates.domain.errors import Refused


class ClaimState(StrEnum):
    """Whose turn it is, or how it ended.

    `opened` and `escalated` wait for the creator, `answered` and `proposed` for the backer,
    `with_staff` for staff. `accepted` and `decided` wait for a replacement to be sent,
    `money_requested` for payouts.
    """

    OPENED = "opened"
    ANSWERED = "answered"
    PROPOSED = "proposed"
    ESCALATED = "escalated"
    WITH_STAFF = "with_staff"
    ACCEPTED = "accepted"
    DECIDED = "decided"
    MONEY_REQUESTED = "money_requested"
    RESOLVED = "resolved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


_S = ClaimState
TRANSITIONS: dict[ClaimState, frozenset[ClaimState]] = {
    _S.OPENED: frozenset(
        {_S.ANSWERED, _S.PROPOSED, _S.ESCALATED, _S.WITH_STAFF, _S.RESOLVED, _S.WITHDRAWN}
    ),
    _S.ANSWERED: frozenset({_S.OPENED, _S.PROPOSED, _S.ESCALATED, _S.RESOLVED, _S.WITHDRAWN}),
    _S.PROPOSED: frozenset(
        {
            _S.PROPOSED,
            _S.ACCEPTED,
            _S.MONEY_REQUESTED,
            _S.WITH_STAFF,
            _S.RESOLVED,
            _S.REFUSED,
            _S.WITHDRAWN,
        }
    ),
    _S.ESCALATED: frozenset({_S.PROPOSED, _S.WITH_STAFF, _S.RESOLVED, _S.WITHDRAWN}),
    _S.WITH_STAFF: frozenset(
        {_S.PROPOSED, _S.DECIDED, _S.MONEY_REQUESTED, _S.RESOLVED, _S.REFUSED, _S.WITHDRAWN}
    ),
    _S.ACCEPTED: frozenset({_S.WITH_STAFF, _S.RESOLVED, _S.WITHDRAWN}),
    _S.DECIDED: frozenset({_S.WITH_STAFF, _S.RESOLVED, _S.WITHDRAWN}),
    _S.MONEY_REQUESTED: frozenset({_S.WITH_STAFF, _S.RESOLVED}),
    _S.RESOLVED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.WITHDRAWN: frozenset(),
}
ENDED = frozenset(state for state, targets in TRANSITIONS.items() if not targets)
# When these are due nobody answered who should have, and the claim goes to staff.
SWEPT = frozenset({_S.OPENED, _S.ESCALATED, _S.ACCEPTED, _S.DECIDED})
# When these are due, staff or payouts are late.
ALARMED = frozenset({_S.WITH_STAFF, _S.MONEY_REQUESTED})


class Side(StrEnum):
    BACKER = "backer"
    CREATOR = "creator"
    STAFF = "staff"
    # What time or another service does.
    SUITE = "suite"


class Outcome(StrEnum):
    REPLACEMENT = "replacement"
    REFUND = "refund"
    COMPENSATION = "compensation"
    REFUSED = "refused"


MONEY = frozenset({Outcome.REFUND, Outcome.COMPENSATION})


class Payer(StrEnum):
    CAMPAIGN = "campaign"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a claim is to end; the amount in minor units of its pledge, 0 where no money is given."""

    outcome: Outcome
    amount: int = 0
    payer: Payer = Payer.CAMPAIGN


class EntryKind(StrEnum):
    OPENED = "opened"
    MESSAGE = "message"
    PROPOSAL = "proposal"
    ACCEPTANCE = "acceptance"
    ESCALATION = "escalation"
    DECISION = "decision"
    REPLACEMENT_SENT = "replacement_sent"
    WITHDRAWAL = "withdrawal"
    TIME_OVER = "time_over"
    MONEY_WAITS = "money_waits"
    MONEY_REFUSED = "money_refused"
    MONEY_GIVEN = "money_given"
    # What was written here is not in the backup that was restored.
    LOST = "lost"


class Because(StrEnum):
    """Why a claim needs staff."""

    BACKER_ASKED = "backer_asked"
    CREATOR_SILENT = "creator_silent"
    DECISION_ASKED = "decision_asked"
    REPLACEMENT_NOT_SENT = "replacement_not_sent"
    MONEY_REFUSED = "money_refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the thread; `name` is its writer's own id for it, `number` its place from 1."""

    number: int
    name: str
    kind: EntryKind
    side: Side
    by: str
    at: datetime
    text: str = ""
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class MoneyRequest:
    """What payouts was asked for; `request_id` is another one each time, for each is answered."""

    request_id: str
    settlement: Settlement
    decided_by: str
    requested_at: datetime
    pledges_sequence: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What a claim is about; `worth` is what was pledged, minor units."""

    pledge_id: str
    backer_id: str
    reward_id: str | None
    batch: str | None
    worth: int
    currency: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim; `version` is the compare-and-set guard of every save.

    `due_at` is until when whoever has the turn is to answer, shown to both sides. `on_table` is
    the number of the proposal that the backer may accept. `requests` counts what payouts was
    asked, `money` is the latest of it.
    """

    campaign_id: str
    claim_id: str
    subject: Subject
    reason: Reason
    state: ClaimState
    entries: tuple[Entry, ...]
    opened_at: datetime
    due_at: datetime | None
    on_table: int | None = None
    requests: int = 0
    money: MoneyRequest | None = None
    version: int = 0

    @property
    def open(self) -> bool:
        return self.state not in ENDED

    @property
    def proposal(self) -> Entry | None:
        """Return what the backer may accept."""
        return None if self.on_table is None else self.entries[self.on_table - 1]

    @property
    def last(self) -> Entry:
        return self.entries[-1]


@dataclass(frozen=True, slots=True)
class ClaimOpened:
    claim: Claim


@dataclass(frozen=True, slots=True)
class ClaimAnswered:
    """Somebody wrote the entry; the other side is to know."""

    claim: Claim
    entry: Entry


@dataclass(frozen=True, slots=True)
class ClaimEscalated:
    claim: Claim
    entry: Entry
    because: Because


@dataclass(frozen=True, slots=True)
class ClaimMoneyRequested:
    claim: Claim
    money: MoneyRequest


@dataclass(frozen=True, slots=True)
class ClaimResolved:
    """It ended; no settlement where the backer took it back."""

    claim: Claim
    settlement: Settlement | None
    by: str
    at: datetime


ClaimFact = ClaimOpened | ClaimAnswered | ClaimEscalated | ClaimMoneyRequested | ClaimResolved


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a claim, and what is told of it; no facts where nothing changed."""

    claim: Claim
    facts: tuple[ClaimFact, ...] = ()


def move(claim: Claim, state: ClaimState, due_at: datetime | None) -> Claim:
    """Move it on, the only way in which a state changes; raises `Refused` for any other move."""
    if state not in TRANSITIONS[claim.state]:
        raise Refused("impossible-transition", f"a claim that is {claim.state} is not {state} next")
    kept = claim.on_table if state is ClaimState.PROPOSED else None
    return replace(claim, state=state, due_at=due_at, on_table=kept)


def forget(claim: Claim, person_id: str, at: datetime) -> Claim:
    """Its backer was erased then: what they wrote before, and how they named it, is gone.

    That they wrote, when, and what was agreed stays, as does what everybody else wrote.
    """
    entries = tuple(_forgotten(one, person_id, at) for one in claim.entries)
    return claim if entries == claim.entries else replace(claim, entries=entries)


def _forgotten(entry: Entry, person_id: str, at: datetime) -> Entry:
    if entry.side is not Side.BACKER or entry.by != person_id or entry.at > at:
        return entry
    return replace(entry, name=f"erased-{entry.number}", text="")
