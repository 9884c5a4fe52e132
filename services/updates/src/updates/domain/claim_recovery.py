"""A claim after a restored backup: as far on as its own facts say, what was written is lost.

A claim that people moved since is staff's, who see that something is missing. Money that was
asked for stays asked for, so that it is asked for once; what ended has ended.
"""

from dataclasses import replace
from datetime import datetime

from updates.domain.claim import (
    ENDED,
    Claim,
    ClaimState,
    Entry,
    EntryKind,
    MoneyRequest,
    Side,
    Subject,
)
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import SUITE


def opened_before(
    campaign_id: str,
    claim_id: str,
    subject: Subject,
    reason: Reason,
    due_at: datetime,
    opened_at: datetime,
) -> Claim:
    """Make a claim anew that the backup does not have; its first words are lost."""
    backer = subject.backer_id
    entry = Entry(1, claim_id, EntryKind.OPENED, Side.BACKER, backer, opened_at)
    state = ClaimState.OPENED
    return Claim(campaign_id, claim_id, subject, reason, state, (entry,), opened_at, due_at)


def moved_since(claim: Claim, entries: int, due_at: datetime | None, at: datetime) -> Claim:
    """Hand it to staff, with as many entries as were told of: no number is used a second time."""
    if claim.state in ENDED:
        return claim
    padded = _padded(claim, entries, at)
    return replace(padded, state=ClaimState.WITH_STAFF, due_at=due_at or at, on_table=None)


def written_since(claim: Claim, entries: int, due_at: datetime | None, at: datetime) -> Claim:
    """The same for words and proposals, which change nothing while money is asked for."""
    if claim.state is ClaimState.MONEY_REQUESTED:
        return _padded(claim, entries, at)
    return moved_since(claim, entries, due_at, at)


def asked_since(claim: Claim, money: MoneyRequest, due_at: datetime) -> Claim:
    """Money was asked for: payouts' answer, which is read again, says how it goes on."""
    if claim.state in ENDED or claim.money == money:
        return claim
    number = int(money.request_id.partition("~")[2] or 1)
    state = ClaimState.MONEY_REQUESTED
    asked = replace(claim, state=state, due_at=due_at, on_table=None, money=money)
    return replace(asked, requests=max(claim.requests, number))


def ended_since(claim: Claim, state: ClaimState) -> Claim:
    if claim.state in ENDED:
        return claim
    return replace(claim, state=state, due_at=None, on_table=None)


def _padded(claim: Claim, entries: int, at: datetime) -> Claim:
    lost = [
        Entry(number, f"lost-{number}", EntryKind.LOST, Side.SUITE, SUITE, at)
        for number in range(len(claim.entries) + 1, entries + 1)
    ]
    return replace(claim, entries=(*claim.entries, *lost))
