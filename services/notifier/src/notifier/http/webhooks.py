"""Routes of webhook endpoints: their owners register, turn and replay them and change secrets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Path, Response

from notifier.domain.webhook_endpoint import Cursor as FeedCursor
from notifier.domain.webhook_endpoint import SigningSecret, WantedFacts, WebhookEndpoint
from notifier.handlers.webhook_endpoints import (
    Act,
    Registration,
    delete_secret,
    put_secret,
    register_endpoint,
    replay_endpoint,
    turn_endpoint,
    unknown_endpoint,
)
from notifier.http.models import Identifier
from notifier.http.paths import Cursor, Limit
from notifier.http.refusals import problem_of
from notifier.http.webhook_models import (
    CursorBody,
    EndpointBody,
    EndpointPage,
    EndpointView,
    NewSecret,
    SecretView,
    StateBody,
)
from notifier.ports.unit import NotifierUnit
from notifier.ports.webhooks import EndpointQueries, Feed, WebhookSecrets
from servicekit.access import Guard, Ids, Owner
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

EndpointId = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]
SecretId = Annotated[Identifier, Path()]
FIRST_SECRET = "first"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What these routes stand on; `secrets` None: there are no webhooks here.

    `types` are the facts that there are in the feed.
    """

    queries: EndpointQueries
    feed: Feed
    secrets: WebhookSecrets | None
    types: frozenset[str]
    plain_http: bool = False

    def making_secrets(self) -> WebhookSecrets:
        if self.secrets is None:
            title = "This suite sends no webhooks"
            detail = "its operators turn them on by the setting NOTIFIER_WEBHOOK_KEYS"
            raise Problem(409, "webhooks-off", title, detail)
        return self.secrets

    def owner(self) -> Owner:
        """Return the ground on which a service is let in: an endpoint is whose who registered it.

        One that is not there yet is anybody's.
        """

        async def owns(caller: Principal, ids: Ids) -> bool:
            endpoint = await self.queries.endpoint(ids["endpoint_id"])
            return endpoint is None or endpoint.owner_id == caller.subject

        return Owner("service that registered it", Role.SERVICE, owns)


def add_webhook_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[NotifierUnit],
    webhooks: Webhooks,
    clock: Clock,
) -> None:
    """Add them."""
    allowed = guard.allow(Role.STAFF, webhooks.owner(), unknown=_unknown_endpoint)
    Caller = Annotated[Principal, allowed]

    @api.put("/webhook-endpoints/{endpoint_id}", responses={201: {"model": EndpointView}})
    async def put_endpoint(
        endpoint_id: EndpointId, body: EndpointBody, caller: Caller, response: Response
    ) -> EndpointView:
        """Register an endpoint, or change where it is and what it wants; the same again is one."""
        secrets = webhooks.making_secrets()
        said = _registration(endpoint_id, body, webhooks)
        act = Act(caller.subject, clock.now())
        drawn = secrets.draw(FIRST_SECRET, act.by, act.at)
        cursor = await _cursor(webhooks.feed, body.begin)
        endpoint, is_new = await units.run(
            lambda unit: register_endpoint(unit, said, drawn, cursor, act)
        )
        response.status_code = 201 if is_new else 200
        shown = _shown(secrets, endpoint_id, endpoint.secrets[0], act)
        return _view(endpoint, shown)

    @api.get("/webhook-endpoints", dependencies=[guard.allow(Role.STAFF)])
    async def list_endpoints(cursor: Cursor = "", limit: Limit = 50) -> EndpointPage:
        """List endpoints by id."""
        found = await webhooks.queries.endpoints(cursor, limit)
        last = found[-1].endpoint_id if len(found) == limit else None
        return EndpointPage(items=[_view(one) for one in found], next_cursor=last)

    @api.get("/webhook-endpoints/{endpoint_id}", dependencies=[allowed])
    async def read_endpoint(endpoint_id: EndpointId) -> EndpointView:
        """Show an endpoint, how it does, and never its secrets."""
        endpoint = await webhooks.queries.endpoint(endpoint_id)
        if endpoint is None:
            raise _unknown_endpoint()
        return _view(endpoint)

    @api.put(
        "/webhook-endpoints/{endpoint_id}/secrets/{secret_id}",
        responses={201: {"model": NewSecret}},
    )
    async def add_endpoint_secret(
        endpoint_id: EndpointId, secret_id: SecretId, caller: Caller, response: Response
    ) -> NewSecret:
        """Add a secret, shown in this answer only; all sign, the newest first."""
        secrets = webhooks.making_secrets()
        act = Act(caller.subject, clock.now())
        drawn = secrets.draw(secret_id, act.by, act.at)
        added = await units.run(lambda unit: put_secret(unit, endpoint_id, drawn, act))
        response.status_code = 201 if added == drawn else 200
        shown = _shown(secrets, endpoint_id, added, act)
        return NewSecret(secret_id=secret_id, made_at=added.made_at, secret=shown)

    @api.delete("/webhook-endpoints/{endpoint_id}/secrets/{secret_id}")
    async def take_endpoint_secret_away(
        endpoint_id: EndpointId, secret_id: SecretId, caller: Caller
    ) -> EndpointView:
        """Sign no more with this secret; the last one stays."""
        act = Act(caller.subject, clock.now())
        work = units.run(lambda unit: delete_secret(unit, endpoint_id, secret_id, act))
        return _view(await work)

    @api.put("/webhook-endpoints/{endpoint_id}/state")
    async def put_endpoint_state(
        endpoint_id: EndpointId, body: StateBody, caller: Caller
    ) -> EndpointView:
        """Enable or disable an endpoint; enabled again it goes on where it stopped."""
        act = Act(caller.subject, clock.now(), body.why)
        return _view(
            await units.run(lambda unit: turn_endpoint(unit, endpoint_id, body.enabled, act))
        )

    @api.put("/webhook-endpoints/{endpoint_id}/cursor")
    async def put_endpoint_cursor(
        endpoint_id: EndpointId, body: CursorBody, caller: Caller
    ) -> EndpointView:
        """Send everything from there on, again too, each fact under the id that it has."""
        act = Act(caller.subject, clock.now(), body.why)
        cursor = await _cursor(webhooks.feed, body.begin)
        return _view(await units.run(lambda unit: replay_endpoint(unit, endpoint_id, cursor, act)))


def _shown(secrets: WebhookSecrets, endpoint_id: str, drawn: SigningSecret, act: Act) -> str | None:
    """Return the secret for an answer, None once it is too late to be shown again."""
    return secrets.secret(endpoint_id, drawn) if drawn.is_shown_to(act.by, act.at) else None


async def _cursor(feed: Feed, begin: str | datetime) -> FeedCursor:
    if isinstance(begin, datetime):
        return await feed.at(begin)
    return await (feed.end() if begin == "now" else feed.beginning())


def _registration(endpoint_id: str, body: EndpointBody, webhooks: Webhooks) -> Registration:
    url = body.url
    if url.scheme != "https" and not webhooks.plain_http:
        detail = "give a `url` that begins with https://"
        raise Problem(422, "url-not-https", "An endpoint is reached by https", detail)
    if url.username or url.password or url.fragment:
        title = "An address has no user, password or fragment"
        detail = "leave them out of `url`; what is posted is proven by its signature"
        raise Problem(422, "url-odd", title, detail)
    unknown = set(body.types or ()) - webhooks.types
    if unknown:
        title = "There are no such facts in the feed"
        detail = "take those of `unknown` out of `types`, or leave `types` out for all facts"
        raise Problem(422, "type-unknown", title, detail, unknown=sorted(unknown))
    campaigns, types = _set(body.campaigns), _set(body.types)
    return Registration(endpoint_id, str(url), WantedFacts(campaigns, types))


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _unknown_endpoint() -> Problem:
    return problem_of(unknown_endpoint())


def _view(endpoint: WebhookEndpoint, secret: str | None = None) -> EndpointView:
    wanted, because, last = endpoint.wanted, endpoint.disabled_because, endpoint.last_failure
    return EndpointView(
        endpoint_id=endpoint.endpoint_id,
        owner_id=endpoint.owner_id,
        url=endpoint.url,
        campaigns=None if wanted.campaigns is None else sorted(wanted.campaigns),
        types=None if wanted.types is None else sorted(wanted.types),
        state=endpoint.state.value,
        disabled_because=because.value if because else None,
        failing_since=endpoint.failing_since,
        failures=endpoint.failures,
        last_failure=last.value if last else None,
        secrets=[_secret(one) for one in endpoint.secrets],
        secret=secret,
    )


def _secret(one: SigningSecret) -> SecretView:
    return SecretView(secret_id=one.secret_id, made_at=one.made_at)
