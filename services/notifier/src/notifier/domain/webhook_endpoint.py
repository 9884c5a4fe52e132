"""An endpoint of another team: which facts it is sent, from where on, and when it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.domain.errors import Refused

# Where each partition of each topic of the feed is read next.
Cursor = Mapping[tuple[str, int], int]

SECRETS_MAX = 4
# A new secret is shown to who made it; asked the same again, because the answer got lost, too.
SHOWN = timedelta(minutes=10)
# After so many failures in a row it is tried again after so long; then every six hours.
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 2 * 60, 10 * 60, 30 * 60, 3_600, 2 * 3_600, 4 * 3_600, 6 * 3_600)
)


class EndpointState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


TRANSITIONS: dict[EndpointState, frozenset[EndpointState]] = {
    EndpointState.ENABLED: frozenset({EndpointState.DISABLED}),
    EndpointState.DISABLED: frozenset({EndpointState.ENABLED}),
}


class SendOutcome(StrEnum):
    """What came of one attempt; the words are ours, never the receiver's."""

    DELIVERED = "delivered"
    GONE = "gone"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    FORBIDDEN_ADDRESS = "forbidden-address"
    UNREACHABLE = "unreachable"
    SLOW = "slow"


class DisabledBecause(StrEnum):
    GONE = "gone"
    FAILING = "failing"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One of an endpoint's secrets by its owner's name; the secret itself is kept nowhere.

    It is made of the key that `key_id` names and of the salt, whenever it is needed.
    """

    secret_id: str
    key_id: str
    salt: str
    made_by: str
    made_at: datetime

    def is_shown_to(self, person: str, now: datetime) -> bool:
        """Whether an answer may hold it: to who made it, for as long as an answer may get lost."""
        return person == self.made_by and now - self.made_at < SHOWN


@dataclass(frozen=True, slots=True)
class WantedFacts:
    """Which facts an endpoint is sent; None stands for all."""

    campaigns: frozenset[str] | None = None
    types: frozenset[str] | None = None

    def takes(self, campaign_id: str, type_name: str) -> bool:
        """Whether a fact is among them."""
        of_campaign = self.campaigns is None or campaign_id in self.campaigns
        return of_campaign and (self.types is None or type_name in self.types)


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """One receiver and how far it has come; `version` guards every save.

    `failing_since` is the first failure of those in a row, `failures` their number.
    `sent_before` are facts behind the cursor that it has all the same: a restored backup says
    less than what was sent.
    """

    endpoint_id: str
    owner_id: str
    url: str
    wanted: WantedFacts
    secrets: tuple[SigningSecret, ...]
    cursor: Cursor
    state: EndpointState = EndpointState.ENABLED
    disabled_because: DisabledBecause | None = None
    failing_since: datetime | None = None
    failures: int = 0
    last_failure: SendOutcome | None = None
    sent_before: frozenset[str] = frozenset()
    version: int = 0

    @property
    def is_enabled(self) -> bool:
        return self.state is EndpointState.ENABLED

    @property
    def recipient_id(self) -> str:
        """Return its name among those who are told."""
        return f"webhook:{self.endpoint_id}"


def delivered(endpoint: WebhookEndpoint, cursor: Cursor) -> WebhookEndpoint:
    """Everything before this cursor was taken, or was not for this endpoint."""
    return replace(endpoint, cursor=dict(cursor), failing_since=None, failures=0, last_failure=None)


def failed(
    endpoint: WebhookEndpoint, outcome: SendOutcome, now: datetime, given_up_after: timedelta
) -> WebhookEndpoint:
    """One attempt failed; 410 disables at once, all others once they have lasted too long."""
    since = endpoint.failing_since or now
    failing = replace(
        endpoint, failing_since=since, failures=endpoint.failures + 1, last_failure=outcome
    )
    if outcome is SendOutcome.GONE:
        return disable(failing, DisabledBecause.GONE)
    if now - since >= given_up_after:
        return disable(failing, DisabledBecause.FAILING)
    return failing


def next_attempt(endpoint: WebhookEndpoint, now: datetime) -> datetime:
    """Return when a failing endpoint is tried again."""
    return now + PAUSES[min(endpoint.failures, len(PAUSES)) - 1]


def disable(endpoint: WebhookEndpoint, because: DisabledBecause) -> WebhookEndpoint:
    """Send nothing more; the cursor stays where it is."""
    return replace(_move(endpoint, EndpointState.DISABLED), disabled_because=because)


def enable(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Go on where it stopped, as if nothing had failed."""
    enabled = replace(_move(endpoint, EndpointState.ENABLED), disabled_because=None)
    return delivered(enabled, endpoint.cursor)


def replay(endpoint: WebhookEndpoint, cursor: Cursor) -> WebhookEndpoint:
    """Send from this cursor on, what was sent before too; a failure is forgotten."""
    return replace(delivered(endpoint, cursor), sent_before=frozenset())


def add_secret(endpoint: WebhookEndpoint, secret: SigningSecret) -> WebhookEndpoint:
    """The new secret signs first; those before it sign beside it until they are taken away."""
    if len(endpoint.secrets) >= SECRETS_MAX:
        detail = f"an endpoint has at most {SECRETS_MAX} secrets; take one of them away first"
        raise Refused("too-many-secrets", detail)
    return replace(endpoint, secrets=(secret, *endpoint.secrets))


def take_secret_away(endpoint: WebhookEndpoint, secret_id: str) -> WebhookEndpoint:
    """Sign no more with this one; the last one stays, since nothing is sent unsigned."""
    left = tuple(one for one in endpoint.secrets if one.secret_id != secret_id)
    if not left:
        raise Refused("last-secret", "an endpoint keeps one secret; add the next one first")
    return replace(endpoint, secrets=left)


def _move(endpoint: WebhookEndpoint, state: EndpointState) -> WebhookEndpoint:
    if state not in TRANSITIONS[endpoint.state]:
        raise Refused("impossible-transition", f"{endpoint.state} does not become {state}")
    return replace(endpoint, state=state)
