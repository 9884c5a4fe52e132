"""Where a creator's money goes: given by the creator, verified at the provider, versioned."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payouts.domain.errors import Refused


class DestinationState(StrEnum):
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    REFUSED = "refused"


# An account that the provider once refused may be completed there, and the other way round.
TRANSITIONS: dict[DestinationState, frozenset[DestinationState]] = {
    DestinationState.UNVERIFIED: frozenset({DestinationState.VERIFIED, DestinationState.REFUSED}),
    DestinationState.VERIFIED: frozenset({DestinationState.REFUSED}),
    DestinationState.REFUSED: frozenset({DestinationState.VERIFIED}),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A connected account at a provider; every change makes a new, unverified version."""

    campaign_id: str
    provider: str
    account: str
    version: int
    state: DestinationState
    changed_at: datetime
    verified_at: datetime | None = None
    reason: str | None = None

    @property
    def usable(self) -> bool:
        return self.state is DestinationState.VERIFIED


def give(
    current: Destination | None, campaign_id: str, provider: str, account: str, now: datetime
) -> Destination:
    """Take a destination; the same again is the same version, anything else the next one."""
    if not provider or not account:
        raise Refused("invalid-destination", "a destination names a provider and an account")
    if current is not None and (current.provider, current.account) == (provider, account):
        return current
    return Destination(
        campaign_id=campaign_id,
        provider=provider,
        account=account,
        version=1 if current is None else current.version + 1,
        state=DestinationState.UNVERIFIED,
        changed_at=now,
    )


def move(
    destination: Destination, state: DestinationState, reason: str | None = None
) -> Destination:
    """Return the destination in its new state: the only way in which a state changes."""
    if state not in TRANSITIONS[destination.state]:
        raise Refused("impossible-transition", f"{destination.state} does not become {state}")
    return replace(destination, state=state, reason=reason)


def verify(destination: Destination, now: datetime) -> Destination:
    """The provider says the account can receive payouts; the same again changes nothing."""
    if destination.state is DestinationState.VERIFIED:
        return destination
    return replace(move(destination, DestinationState.VERIFIED), verified_at=now)


def refuse(destination: Destination, reason: str) -> Destination:
    """The provider says it cannot; the reason is the provider's word."""
    if destination.state is DestinationState.REFUSED:
        return replace(destination, reason=reason)
    return replace(move(destination, DestinationState.REFUSED, reason), verified_at=None)
