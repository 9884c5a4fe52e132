"""Who allowed a stage to be paid, and what exactly they signed (`money.md` 8).

An approval signs amount, currency, destination version, milestone revision and evidence. It falls
when any of them changes, and after seven days.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from payouts.domain.errors import Refused
from payouts.domain.two_people import VALID

VERDICT = "verdict"
# After a restored backup the ledger says that there was one, and nobody knows whose.
LEDGER = "ledger"
# Over this time one person's approvals of a campaign count together against the limit.
COUNTED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Signed:
    """What is approved; `amount` in minor units, revision 0 and no evidence on a first stage."""

    amount: int
    currency: str
    destination_version: int
    milestone_revision: int = 0
    evidence: str = ""

    @property
    def hash(self) -> str:
        """SHA-256 over all of it, in one form only."""
        parts = [
            self.amount,
            self.currency,
            self.destination_version,
            self.milestone_revision,
            self.evidence,
        ]
        text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Approval:
    """Who allowed which amount to go where; `second_by` where two people were needed.

    `approved_at` is when the first of them did; from then on it holds for seven days. `second_at`
    is when the second did. `signed` is the hash of what was approved, empty for the verdict, which
    stands as long as its destination.
    """

    by: str
    amount: int
    destination_version: int
    approved_at: datetime
    second_by: str | None = None
    signed: str = ""
    second_at: datetime | None = None

    def given_by(self, person: str) -> bool:
        return person in (self.by, self.second_by)

    def counts(self, person: str, now: datetime) -> bool:
        """Whether it counts against what this person may allow alone."""
        given_at = self.second_at if person == self.second_by else self.approved_at
        return self.given_by(person) and (given_at is None or now < given_at + COUNTED)

    def expired(self, now: datetime) -> bool:
        return self.by != VERDICT and now >= self.approved_at + VALID


@dataclass(frozen=True, slots=True)
class Concerned:
    """Who may not approve: whoever has an interest in it, or decided about it before."""

    creator: str | None
    milestone_decided_by: str | None
    is_backer: bool


def check_person(by: str, concerned: Concerned, before: Collection[str] = ()) -> None:
    """Raise `Refused` unless this person may approve; `before` are those who did already."""
    if by == concerned.creator:
        raise Refused("creator-approves", "the creator does not approve a payment to the creator")
    if by == concerned.milestone_decided_by:
        raise Refused("same-person", "who approved the milestone does not approve the payment")
    if concerned.is_backer:
        raise Refused("backer-approves", "a backer of the campaign does not approve its payments")
    if by in before:
        raise Refused("same-person", "two different people must approve")
