"""From deadline to verdict: the lines that must all be green (`domain.md` 4, settling)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from funding.domain.campaign import Campaign, CampaignState, Verdict, move
from funding.domain.pledge import PaymentMethod
from funding.domain.terms import Terms

# How soon a campaign with a missing line is looked at again.
RECHECK = timedelta(seconds=1)


class Line(StrEnum):
    CLOCK = "clock"
    PENDING = "pending"
    INTAKE = "intake"
    SET_ASIDE = "set-aside"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class SettlingLine:
    """One condition of the verdict: whether it is met, and what is missing in words."""

    line: Line
    met: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known outside the campaign document when the lines are looked at.

    `pending_until` is when the last window of a pending pledge ends, None if nothing is pending.
    `committed` is the intake's own position per partition, None if it could not be asked.
    `set_aside` counts the facts of this campaign that wait for a person or another fact. `held`
    says why a person must look at its history first, None if nobody must.
    """

    pending_until: datetime | None
    committed: Mapping[int, int] | None
    set_aside: int
    held: str | None = None


def pending_until(
    terms: Terms, pending: Mapping[PaymentMethod | None, datetime]
) -> datetime | None:
    """Return when the last window of a pending pledge ends, by when and how each was paid."""
    ends = [placed_at + window_of(terms, method) for method, placed_at in pending.items()]
    return max(ends, default=None)


def window_of(terms: Terms, method: PaymentMethod | None) -> timedelta:
    """Return how long a pending payment may hold up the verdict; untold methods are cards."""
    card = method in (None, PaymentMethod.CARD)
    seconds = terms.pending_window_seconds if card else terms.other_pending_window_seconds
    return timedelta(seconds=seconds)


def settling_lines(campaign: Campaign, evidence: Evidence, now: datetime) -> list[SettlingLine]:
    """Return all five lines, met or not, in the order in which people ask for them."""
    return [
        _clock(campaign, now),
        _pending(evidence, now),
        _intake(campaign, evidence),
        SettlingLine(
            Line.SET_ASIDE,
            evidence.set_aside == 0,
            f"{evidence.set_aside} facts of this campaign are set aside",
        ),
        SettlingLine(
            Line.HELD,
            evidence.held is None,
            f"a person must look: {evidence.held}" if evidence.held else "nobody holds it",
        ),
    ]


def _clock(campaign: Campaign, now: datetime) -> SettlingLine:
    detail = f"not before {campaign.settles_at.isoformat()}"
    return SettlingLine(Line.CLOCK, now >= campaign.settles_at, detail)


def _pending(evidence: Evidence, now: datetime) -> SettlingLine:
    until = evidence.pending_until
    if until is None or until <= now:
        return SettlingLine(Line.PENDING, True, "no payment is pending within its window")
    return SettlingLine(Line.PENDING, False, f"a payment is pending until {until.isoformat()}")


def _intake(campaign: Campaign, evidence: Evidence) -> SettlingLine:
    if campaign.intake_ends is None:
        return SettlingLine(Line.INTAKE, False, "the end of the payments intake is not read yet")
    if not campaign.intake_ends:
        return SettlingLine(Line.INTAKE, True, "nothing was left in the payments intake")
    if evidence.committed is None:
        return SettlingLine(Line.INTAKE, False, "the payments intake cannot be asked")
    behind = sum(
        max(0, end - evidence.committed.get(partition, 0))
        for partition, end in campaign.intake_ends.items()
    )
    return SettlingLine(Line.INTAKE, behind == 0, f"{behind} records of the intake are unread")


def begin_settling(campaign: Campaign, now: datetime) -> Campaign:
    """Close the campaign at its deadline; the verdict is looked for after the settle time."""
    settling = move(campaign, CampaignState.SETTLING)
    return replace(settling, next_due=max(campaign.settles_at, now))


def wait(campaign: Campaign, now: datetime) -> Campaign:
    """Note that a line was missing, and look again soon."""
    due = max(now + RECHECK, campaign.settles_at)
    return replace(campaign, blocked_at=now, next_due=due)


def decide(campaign: Campaign, pledges_sequence: int, now: datetime) -> Campaign:
    """Reach the verdict; collected equal to the goal is success. Totals are read, never summed."""
    totals = campaign.totals
    met = totals.counted >= campaign.launch.goal
    outcome = CampaignState.GOAL_MET if met else CampaignState.GOAL_MISSED
    green_since = max(campaign.settles_at, campaign.blocked_at or campaign.settles_at)
    verdict = Verdict(
        outcome=outcome,
        collected=totals.counted,
        count=totals.count,
        pledges_sequence=pledges_sequence,
        late_by_seconds=max(0, int((now - green_since).total_seconds())),
        reached_at=now,
    )
    return replace(move(campaign, outcome), verdict=verdict, next_due=None)


def stand(campaign: Campaign, verdict: Verdict, now: datetime) -> Campaign:
    """Take a verdict that was told before as it was told: it falls once, whatever is known now."""
    if campaign.state is CampaignState.LIVE:
        campaign = begin_settling(campaign, now)
    return replace(move(campaign, verdict.outcome), verdict=verdict, next_due=None)
