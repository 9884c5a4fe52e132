"""What the owners of endpoints ask for: each act is saved with its audit record."""

from dataclasses import dataclass, replace
from datetime import datetime

from notifier.domain.errors import Refused
from notifier.domain.webhook_endpoint import (
    Cursor,
    DisabledBecause,
    SigningSecret,
    WantedFacts,
    WebhookEndpoint,
    add_secret,
    disable,
    enable,
    replay,
    take_secret_away,
)
from notifier.ports.unit import NotifierUnit
from servicekit.audit import AuditEntry
from servicekit.work import WorkItem

WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Act:
    """Who does it, when, and why."""

    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """What a caller says of an endpoint."""

    endpoint_id: str
    url: str
    wanted: WantedFacts


async def register_endpoint(
    unit: NotifierUnit, said: Registration, secret: SigningSecret, cursor: Cursor, act: Act
) -> tuple[WebhookEndpoint, bool]:
    """Register an endpoint, or change where it is and what it wants; say whether it is new.

    The same again is the same. What one that is known is sent next does not change.
    """
    known = await unit.endpoints.load(said.endpoint_id)
    if known is None:
        new = WebhookEndpoint(
            said.endpoint_id, act.by, said.url, said.wanted, (secret,), dict(cursor)
        )
        await unit.endpoints.save(new)
        await _note(unit, said, act, "registered")
        await unit.plumbing.work.offer([webhook_work(said.endpoint_id, act.at)])
        return new, True
    changed = replace(known, url=said.url, wanted=said.wanted)
    if changed != known:
        await unit.endpoints.save(changed)
        await _note(unit, said, act, "changed")
    return changed, False


async def put_secret(
    unit: NotifierUnit, endpoint_id: str, secret: SigningSecret, act: Act
) -> SigningSecret:
    """Add a secret and return it; where one of this name is there, that one, which stays."""
    known = await _load(unit, endpoint_id)
    there = [one for one in known.secrets if one.secret_id == secret.secret_id]
    if there:
        return there[0]
    await unit.endpoints.save(add_secret(known, secret))
    await _audit(unit, endpoint_id, act, "add webhook secret", secret.secret_id)
    return secret


async def delete_secret(
    unit: NotifierUnit, endpoint_id: str, secret_id: str, act: Act
) -> WebhookEndpoint:
    """Take a secret away; one that is not there is away."""
    known = await _load(unit, endpoint_id)
    left = take_secret_away(known, secret_id)
    if left != known:
        await unit.endpoints.save(left)
        await _audit(unit, endpoint_id, act, "take webhook secret away", secret_id)
    return left


async def turn_endpoint(
    unit: NotifierUnit, endpoint_id: str, enabled: bool, act: Act
) -> WebhookEndpoint:
    """Enable or disable an endpoint; one that is so already stays as it is."""
    known = await _load(unit, endpoint_id)
    if known.is_enabled == enabled:
        return known
    turned = enable(known) if enabled else disable(known, DisabledBecause.ASKED)
    await unit.endpoints.save(turned)
    await _audit(unit, endpoint_id, act, "turn webhook endpoint", turned.state.value)
    await _awaken(unit, endpoint_id, act.at)
    return turned


async def replay_endpoint(
    unit: NotifierUnit, endpoint_id: str, cursor: Cursor, act: Act
) -> WebhookEndpoint:
    """Send from this cursor on, under the ids that the facts have always had."""
    moved = replay(await _load(unit, endpoint_id), cursor)
    await unit.endpoints.save(moved)
    await _audit(unit, endpoint_id, act, "replay webhook endpoint", "cursor moved")
    await _awaken(unit, endpoint_id, act.at)
    return moved


def webhook_work(endpoint_id: str, due: datetime) -> WorkItem:
    """Return the work that sends to an endpoint; it lasts as long as the endpoint is enabled."""
    return WorkItem(f"webhook/{endpoint_id}", WEBHOOK, due, payload={"endpoint_id": endpoint_id})


async def _awaken(unit: NotifierUnit, endpoint_id: str, now: datetime) -> None:
    item = webhook_work(endpoint_id, now)
    await unit.plumbing.work.offer([item])
    await unit.plumbing.work.hasten([item.id], now)


async def _load(unit: NotifierUnit, endpoint_id: str) -> WebhookEndpoint:
    known = await unit.endpoints.load(endpoint_id)
    if known is None:
        raise unknown_endpoint()
    return known


def unknown_endpoint() -> Refused:
    """What whoever may not see an endpoint is told too: in the same words there is none."""
    detail = "there is no such webhook endpoint that you may see; check its id, or take another one"
    return Refused("endpoint-unknown", detail)


async def _note(unit: NotifierUnit, said: Registration, act: Act, outcome: str) -> None:
    await _audit(unit, said.endpoint_id, act, "register webhook endpoint", outcome)


async def _audit(
    unit: NotifierUnit, endpoint_id: str, act: Act, command: str, outcome: str
) -> None:
    what = {"endpoint": endpoint_id}
    await unit.plumbing.audit.add(AuditEntry(act.at, act.by, command, what, act.why, outcome))
