"""Who may call a route: a rule declared beside it, checked before it, and read by generators.

    guard.allow(Role.STAFF, creator, unknown=_unknown_campaign)

A caller without a valid token gets 401, one without any of the roles 403. One who has the role
of an owner, but is not the owner of this object, gets what is said of an object that is not there.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import Message

from servicekit.auth import Principal, Role, TokenVerifier, forbidden
from servicekit.descriptions import PROBLEMS
from servicekit.problems import Problem

Ids = Mapping[str, str]
Unknown = Callable[[], Problem]
# An update of twenty languages at their longest, every character escaped.
BODY_BYTES_MAX = 16 * 1024 * 1024
# Only for the page that describes the API: tokens are read by the verifier.
_DESCRIBED = HTTPBearer(auto_error=False, description="A token of the platform's issuer.")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever an object belongs to, by what this service itself knows.

    `owns` is asked with the ids of the path. A `role` of None asks for no role.
    """

    who: str
    role: Role | None
    owns: Callable[[Principal, Ids], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route, in words and as it is checked."""

    roles: frozenset[Role] = frozenset()
    owners: tuple[Owner, ...] = ()
    otherwise: str = ""

    def __str__(self) -> str:
        """Return the rule as a person reads it."""
        who = [owner.who for owner in self.owners] + sorted(self.roles)
        return self.otherwise or ", ".join(who)


class Access:
    """The dependency that carries a route's rule; it gives the route who is calling.

    `admit` was asked before: a route of `guarded_api` does so before it reads a body. A route
    elsewhere finds no caller and fails.
    """

    def __init__(self, rule: Rule, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self.rule = rule
        self.body_bytes_max = body_bytes_max

    async def admit(self, request: Request) -> Principal | None:
        """Return who is calling, None for nobody, or raise the problem that says why not."""
        raise NotImplementedError


class _Open(Access):
    async def __call__(self, request: Request) -> Principal | None:
        caller: Principal | None = request.state.caller
        return caller


class _Unchecked(_Open):
    async def admit(self, request: Request) -> Principal | None:
        """Let everybody pass: the route itself asks for another proof than a token."""
        return None


class _Anybody(_Open):
    def __init__(
        self, rule: Rule, verifier: TokenVerifier, paced: Callable[[Request], None] | None
    ) -> None:
        super().__init__(rule)
        self._verifier = verifier
        self._paced = paced

    async def admit(self, request: Request) -> Principal | None:
        """Let everybody pass who does not come too often; a token that is given must be good."""
        if self._paced is not None:
            self._paced(request)
        given = request.headers.getlist("authorization")
        return await self._verifier.principal(given) if given else None


class _Allowed(Access):
    def __init__(
        self, rule: Rule, verifier: TokenVerifier, unknown: Unknown | None, body_bytes_max: int
    ) -> None:
        super().__init__(rule, body_bytes_max)
        self._verifier = verifier
        self._unknown = unknown

    async def __call__(
        self, request: Request, _: Annotated[object, Security(_DESCRIBED)]
    ) -> Principal:
        caller: Principal = request.state.caller
        return caller

    async def admit(self, request: Request) -> Principal:
        """Let holders of the roles pass, and owners."""
        caller = await self._verifier.principal(request.headers.getlist("authorization"))
        if caller.roles & self.rule.roles:
            return caller
        may_own = [o for o in self.rule.owners if o.role is None or o.role in caller.roles]
        for owner in may_own:
            if await owner.owns(caller, request.path_params):
                return caller
        if may_own and self._unknown is not None:
            raise self._unknown()
        raise forbidden(str(self.rule))


class Guard:
    """Makes the dependencies of one application."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def allow(
        self,
        *grounds: Role | Owner,
        unknown: Unknown | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> Any:
        """Let in holders of these roles, and owners; `unknown` is what other owners are told.

        A route that reads its body as a stream may say how much of it may come.
        """
        roles = frozenset(ground for ground in grounds if isinstance(ground, Role))
        owners = tuple(ground for ground in grounds if isinstance(ground, Owner))
        return Depends(_Allowed(Rule(roles, owners), self._verifier, unknown, body_bytes_max))

    def anybody(self, more: str = "", paced: Callable[[Request], None] | None = None) -> Any:
        """Let in everybody; `more` says what the route shows to whom beyond that.

        `paced` is asked first, with or without a token, and raises the problem of who comes too
        often: what makes something for whoever has no account is given one (`guests.py`).
        """
        words = f"anybody; {more}" if more else "anybody"
        return Depends(_Anybody(Rule(otherwise=words), self._verifier, paced))

    def proven_by(self, proof: str) -> Any:
        """Leave the check to the route, whose callers have no token but this proof."""
        return Depends(_Unchecked(Rule(otherwise=proof)))


class _AskedFirst(APIRoute):
    """A route that asks who is calling before it reads a body: nobody's body is nobody's work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def asked_first(request: Request) -> Response:
            access = access_of(self)
            request.state.caller = await access.admit(request)
            return await handle(_bounded(request, access.body_bytes_max))

        return asked_first


def _bounded(request: Request, bytes_max: int) -> Request:
    """Return the request with a body that ends in 413 where it is larger than its route takes."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > bytes_max:
            raise HTTPException(413, "The body is too large")
        return message

    return Request(request.scope, receive)


def guarded_api(title: str) -> FastAPI:
    """Return an application whose routes ask who is calling before they read a bounded body."""
    api = FastAPI(title=title, version="0.1.0", responses=PROBLEMS)
    api.router.route_class = _AskedFirst
    return api


@dataclass(frozen=True, slots=True)
class GuardedRoute:
    """One method of one route with its rule."""

    method: str
    path: str
    rule: Rule


class RouteWithoutRule(Exception):
    """A route was declared and nobody said who may call it."""


def access_of(route: APIRoute) -> Access:
    """Return the access of a route; raises `RouteWithoutRule` unless there is exactly one."""
    calls: list[object] = [dependency.call for dependency in route.dependant.dependencies]
    found = [call for call in calls if isinstance(call, Access)]
    if len(found) != 1:
        raise RouteWithoutRule(f"{route.path} has {len(found)} rules of access")
    return found[0]


def guarded_routes(api: FastAPI) -> Iterator[GuardedRoute]:
    """Yield every route of the application; raises `RouteWithoutRule` for one without a rule."""
    for route in api.routes:
        if isinstance(route, APIRoute):
            rule = access_of(route).rule
            if not isinstance(route, _AskedFirst):
                raise RouteWithoutRule(f"{route.path} does not ask: it is not of `guarded_api`")
            for method in sorted(route.methods or ()):
                yield GuardedRoute(method, route.path, rule)
