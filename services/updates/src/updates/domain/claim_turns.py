"""Whose turn a claim is: what each side may do, what time does, and what payouts' answers do.

Each act carries its writer's own name; the same act again changes nothing, other words under the
same name are refused.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from updates.domain.claim import (
    ENDED,
    MONEY,
    SWEPT,
    Because,
    Claim,
    ClaimAnswered,
    ClaimEscalated,
    ClaimMoneyRequested,
    ClaimOpened,
    ClaimResolved,
    ClaimState,
    Entry,
    EntryKind,
    MoneyRequest,
    Moved,
    Outcome,
    Payer,
    Settlement,
    Side,
    Subject,
    move,
)
from updates.domain.claim_reason import Reason
from updates.domain.errors import Refused

ENTRIES_MAX = 300
TEXT_CHARACTERS_MAX = 5_000
AMOUNT_MAX = 900_000_000
# Who acts where nobody does: time, and other services.
SUITE = "suite"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each turn may take, and how long after its receipt a reward may be claimed."""

    answer: timedelta = timedelta(days=7)
    escalated: timedelta = timedelta(days=3)
    replacement: timedelta = timedelta(days=30)
    money: timedelta = timedelta(days=14)
    window: timedelta = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Moment:
    """What an act is judged by: the time, who stands for the campaign, and our N of the pledges.

    `team` are the people who work on the campaign besides its creator.
    """

    now: datetime
    patience: Patience
    creator_id: str = ""
    team: frozenset[str] = frozenset()
    pledges_sequence: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """One act of one person: `name` is the person's own id for it."""

    name: str
    by: str
    side: Side
    text: str = ""


def open_claim(
    campaign_id: str, claim_id: str, subject: Subject, reason: Reason, text: str, moment: Moment
) -> Moved:
    """Open it; the creator has the turn."""
    now = moment.now
    entry = Entry(1, claim_id, EntryKind.OPENED, Side.BACKER, subject.backer_id, now, _text(text))
    due = now + moment.patience.answer
    state = ClaimState.OPENED
    claim = Claim(campaign_id, claim_id, subject, reason, state, (entry,), now, due)
    return Moved(claim, (ClaimOpened(claim),))


def opened_again(claim: Claim, subject: Subject, reason: Reason, text: str) -> Claim:
    """Return the claim that is known by this id; raises `Refused` where it says something else."""
    same = (claim.subject.pledge_id, claim.subject.backer_id, claim.reason, claim.entries[0].text)
    if same != (subject.pledge_id, subject.backer_id, reason, text):
        raise Refused("claim-known", f"claim {claim.claim_id} says something else")
    return claim


def write(claim: Claim, said: Said, moment: Moment) -> Moved:
    """Write to the other side; an answer passes the turn, unless something else is awaited."""
    if _done_before(claim, EntryKind.MESSAGE, said):
        return Moved(claim)
    _check_open(claim)
    _check_staff(claim, said, moment)
    entry = _entry(claim, EntryKind.MESSAGE, said, moment.now, text=_text(said.text))
    moved = _with(claim, entry)
    due = moment.now + moment.patience.answer
    if said.side is Side.CREATOR and claim.state is ClaimState.OPENED:
        moved = move(moved, ClaimState.ANSWERED, due)
    elif said.side is Side.BACKER and claim.state is ClaimState.ANSWERED:
        moved = move(moved, ClaimState.OPENED, due)
    return Moved(moved, (ClaimAnswered(moved, entry),))


def propose(claim: Claim, said: Said, settlement: Settlement, moment: Moment) -> Moved:
    """Put on the table how it is to end, in place of what lay there."""
    if _done_before(claim, EntryKind.PROPOSAL, said, settlement):
        return Moved(claim)
    _check_open(claim)
    _check_staff(claim, said, moment)
    _check_settlement(claim, said, settlement, moment)
    if said.side is Side.STAFF and claim.state is not ClaimState.WITH_STAFF:
        theirs = claim.proposal is not None and claim.proposal.side is Side.STAFF
        if not theirs:
            raise Refused("creators-turn", "staff propose once the creator has not answered")
    entry = _entry(claim, EntryKind.PROPOSAL, said, moment.now, settlement)
    due = moment.now + moment.patience.answer
    moved = replace(_with(claim, entry), on_table=entry.number)
    moved = move(moved, ClaimState.PROPOSED, due)
    return Moved(moved, (ClaimAnswered(moved, entry),))


def accept(claim: Claim, proposal: int, by: str, moment: Moment) -> Moved:
    """Agree to the proposal of this number: what it says begins, or the claim ends with it."""
    said = Said(str(proposal), by, Side.BACKER)
    if _done_before(claim, EntryKind.ACCEPTANCE, said):
        return Moved(claim)
    on_table = claim.proposal
    if on_table is None or on_table.number != proposal or on_table.settlement is None:
        raise Refused("not-on-table", f"proposal {proposal} can be accepted no more")
    settlement = on_table.settlement
    entry = _entry(claim, EntryKind.ACCEPTANCE, said, moment.now, settlement)
    agreed = _with(claim, entry)
    settled = _settle(agreed, settlement, on_table.by, ClaimState.ACCEPTED, moment)
    return Moved(settled.claim, (ClaimAnswered(settled.claim, entry), *settled.facts))


def escalate(claim: Claim, said: Said, moment: Moment) -> Moved:
    """Ask for staff: at once where a proposal is declined, else the creator has a last chance."""
    if _done_before(claim, EntryKind.ESCALATION, said):
        return Moved(claim)
    entry = _entry(claim, EntryKind.ESCALATION, said, moment.now, text=_words(said))
    due = moment.now + moment.patience.escalated
    asked = _with(claim, entry)
    if claim.state is ClaimState.PROPOSED:
        moved = move(asked, ClaimState.WITH_STAFF, due)
        return Moved(moved, (ClaimEscalated(moved, entry, Because.DECISION_ASKED),))
    moved = move(asked, ClaimState.ESCALATED, due)
    return Moved(moved, (ClaimEscalated(moved, entry, Because.BACKER_ASKED),))


def decide(claim: Claim, said: Said, settlement: Settlement, moment: Moment) -> Moved:
    """Say as staff how it ends, whatever the sides think of it."""
    if _done_before(claim, EntryKind.DECISION, said, settlement):
        return Moved(claim)
    _check_staff(claim, said, moment)
    _check_settlement(claim, said, settlement, moment)
    if claim.state is not ClaimState.WITH_STAFF:
        raise Refused("not-with-staff", f"a claim that is {claim.state} is not decided by staff")
    entry = _entry(claim, EntryKind.DECISION, said, moment.now, settlement)
    return _settle(_with(claim, entry), settlement, said.by, ClaimState.DECIDED, moment)


def send_replacement(claim: Claim, said: Said, moment: Moment) -> Moved:
    """Say that the replacement that was agreed on has left: the claim ends with it."""
    if _done_before(claim, EntryKind.REPLACEMENT_SENT, said):
        return Moved(claim)
    _check_staff(claim, said, moment)
    if claim.state not in (ClaimState.ACCEPTED, ClaimState.DECIDED):
        raise Refused("no-replacement-owed", "no replacement was agreed on")
    entry = _entry(claim, EntryKind.REPLACEMENT_SENT, said, moment.now, text=_words(said))
    return _end(
        _with(claim, entry),
        ClaimState.RESOLVED,
        Settlement(Outcome.REPLACEMENT),
        said.by,
        moment.now,
    )


def withdraw(claim: Claim, said: Said, moment: Moment) -> Moved:
    """Take it back; what payouts was asked for is not taken back any more."""
    if claim.state is ClaimState.WITHDRAWN:
        return Moved(claim)
    entry = _entry(claim, EntryKind.WITHDRAWAL, said, moment.now, text=_words(said))
    return _end(_with(claim, entry), ClaimState.WITHDRAWN, None, said.by, moment.now)


def run_out(claim: Claim, moment: Moment) -> Moved:
    """Hand it to staff where whoever had the turn let it pass; unchanged while it is not due."""
    if claim.state not in SWEPT or claim.due_at is None or moment.now < claim.due_at:
        return Moved(claim)
    sent = claim.state in (ClaimState.ACCEPTED, ClaimState.DECIDED)
    because = Because.REPLACEMENT_NOT_SENT if sent else Because.CREATOR_SILENT
    entry = _entry(claim, EntryKind.TIME_OVER, _suite(because.value), moment.now)
    due = moment.now + moment.patience.escalated
    moved = move(_with(claim, entry), ClaimState.WITH_STAFF, due)
    return Moved(moved, (ClaimEscalated(moved, entry, because),))


def money_given(claim: Claim, settlement: Settlement, by: str, moment: Moment) -> Moved:
    """End it: payouts gave the money, also where staff said so there and not here."""
    if claim.state in ENDED:
        return Moved(claim)
    name = f"given-{len(claim.entries)}"
    entry = _entry(claim, EntryKind.MONEY_GIVEN, _suite(name), moment.now, settlement)
    return _end(_with(claim, entry), ClaimState.RESOLVED, settlement, by, moment.now)


def money_refused(claim: Claim, request_id: str, reason: str, moment: Moment) -> Moved:
    """Bring back to the table, with payouts' reason, the request that waits; no other one."""
    if not _awaits(claim, request_id):
        return Moved(claim)
    entry = _entry(claim, EntryKind.MONEY_REFUSED, _suite(request_id), moment.now, text=reason)
    due = moment.now + moment.patience.escalated
    moved = move(_with(claim, entry), ClaimState.WITH_STAFF, due)
    return Moved(moved, (ClaimEscalated(moved, entry, Because.MONEY_REFUSED),))


def money_waits(claim: Claim, request_id: str, reason: str, moment: Moment) -> Moved:
    """Note that the money waits to be claimed by its backer: nobody is late then."""
    if not _awaits(claim, request_id):
        return Moved(claim)
    if any(one.kind is EntryKind.MONEY_WAITS and one.name == request_id for one in claim.entries):
        return Moved(claim)
    entry = _entry(claim, EntryKind.MONEY_WAITS, _suite(request_id), moment.now, text=reason)
    return Moved(replace(_with(claim, entry), due_at=None))


def _awaits(claim: Claim, request_id: str) -> bool:
    """Whether the money of this very request is what the claim waits for."""
    asked = claim.money if claim.state is ClaimState.MONEY_REQUESTED else None
    return asked is not None and asked.request_id == request_id


def _settle(
    claim: Claim, settlement: Settlement, by: str, agreed: ClaimState, moment: Moment
) -> Moved:
    """Begin what was agreed or decided: a replacement is awaited, money is asked for."""
    if settlement.outcome is Outcome.REFUSED:
        return _end(claim, ClaimState.REFUSED, settlement, by, moment.now)
    if settlement.outcome is Outcome.REPLACEMENT:
        return Moved(move(claim, agreed, moment.now + moment.patience.replacement))
    number = claim.requests + 1
    # No id of a person's own holds a tilde, so that no other claim's request has this name.
    request_id = claim.claim_id if number == 1 else f"{claim.claim_id}~{number}"
    money = MoneyRequest(request_id, settlement, by, moment.now, moment.pledges_sequence)
    due = moment.now + moment.patience.money
    moved = replace(move(claim, ClaimState.MONEY_REQUESTED, due), money=money, requests=number)
    return Moved(moved, (ClaimMoneyRequested(moved, money),))


def _end(
    claim: Claim, state: ClaimState, settlement: Settlement | None, by: str, now: datetime
) -> Moved:
    ended = move(claim, state, None)
    return Moved(ended, (ClaimResolved(ended, settlement, by, now),))


def _check_open(claim: Claim) -> None:
    """Raise `Refused` where nothing more is said; an end is always possible."""
    if not claim.open:
        raise Refused("claim-ended", f"the claim is {claim.state}")
    if len(claim.entries) >= ENTRIES_MAX:
        raise Refused("thread-full", f"after {ENTRIES_MAX} entries a claim is settled or escalated")


def _check_staff(claim: Claim, said: Said, moment: Moment) -> None:
    """Staff are neither of the two sides."""
    sides = {claim.subject.backer_id, moment.creator_id, *moment.team}
    if said.side is Side.STAFF and said.by in sides:
        raise Refused("same-person", "who is a side of the claim does not act for the platform")


def _check_settlement(claim: Claim, said: Said, settlement: Settlement, moment: Moment) -> None:
    money = settlement.outcome in MONEY
    if money != (settlement.amount > 0):
        raise Refused("invalid-settlement", "money has an amount, and nothing else has one")
    if settlement.outcome is Outcome.REFUND and settlement.amount > claim.subject.worth:
        raise Refused("invalid-settlement", f"a refund is at most {claim.subject.worth}")
    if settlement.amount > AMOUNT_MAX:
        raise Refused("invalid-settlement", f"an amount is at most {AMOUNT_MAX}")
    if settlement.outcome is Outcome.REFUSED and not said.text.strip():
        raise Refused("reason-missing", "a refusal says why")
    _words(said)
    staff_gift = said.side is Side.STAFF and settlement.outcome is Outcome.COMPENSATION
    if settlement.payer is Payer.PLATFORM and not staff_gift:
        raise Refused("payer-impossible", "the platform pays compensations that staff propose")
    if money and said.side is Side.CREATOR and said.by != moment.creator_id:
        raise Refused("owner-decides", "the campaign's money is given by its owner")


def _done_before(
    claim: Claim, kind: EntryKind, said: Said, settlement: Settlement | None = None
) -> bool:
    """Whether this very act is in the thread; raises `Refused` for other words of that name."""
    for one in claim.entries:
        if (one.kind, one.by, one.name) == (kind, said.by, said.name):
            other = settlement is not None and one.settlement != settlement
            if other or one.text != said.text:
                raise Refused("entry-known", f"{kind} {said.name} says something else")
            return True
    return False


def _entry(
    claim: Claim,
    kind: EntryKind,
    said: Said,
    now: datetime,
    settlement: Settlement | None = None,
    text: str = "",
) -> Entry:
    words = text or said.text
    number = len(claim.entries) + 1
    return Entry(number, said.name, kind, said.side, said.by, now, words, settlement)


def _with(claim: Claim, entry: Entry) -> Claim:
    return replace(claim, entries=(*claim.entries, entry))


def _suite(name: str) -> Said:
    return Said(name, SUITE, Side.SUITE)


def _words(said: Said) -> str:
    """Return what may be said beside an act, or nothing."""
    return _text(said.text) if said.text else ""


def _text(text: str) -> str:
    if not 1 <= len(text.strip()) <= TEXT_CHARACTERS_MAX:
        raise Refused("invalid-text", f"a text has 1 to {TEXT_CHARACTERS_MAX} characters")
    return text
