"""Rules of access: who comes in, what the others are told, and that no route is without one."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import (
    DEVELOPMENT_AUDIENCE,
    SERVICE,
    STAFF,
    Caller,
    backer,
    creator,
)
from servicekit.access import (
    BODY_BYTES_MAX,
    Guard,
    Ids,
    Owner,
    RouteWithoutRule,
    guarded_api,
    guarded_routes,
)
from servicekit.auth import DEVELOPMENT_ISSUER, Principal, Role, TokenVerifier
from servicekit.issuer_keys import PublishedKeys
from servicekit.problems import Problem, install_problems

LAMPS = {"lit": "anna", "dark": "ben"}


async def owns(caller: Principal, ids: Ids) -> bool:
    return LAMPS.get(ids["lamp"]) == caller.subject


def unknown() -> Problem:
    return Problem(404, "lamp-unknown", "There is no such lamp")


@pytest.fixture
def api() -> FastAPI:
    """A lamp that its owner and staff may read, everybody may see, and services may make."""
    app, guard = guarded_api("lamp"), unit_guard()
    install_problems(app)
    owner = Owner("owner of the lamp", Role.CREATOR, owns)

    @app.get("/lamps/{lamp}")
    async def read(
        caller: Annotated[Principal, guard.allow(Role.STAFF, owner, unknown=unknown)], lamp: str
    ) -> dict[str, str]:
        if lamp not in LAMPS:
            raise unknown()
        return {"caller": caller.subject}

    @app.get("/shine")
    async def see(caller: Annotated[Principal | None, guard.anybody()]) -> dict[str, str | None]:
        return {"caller": caller.subject if caller else None}

    @app.post("/lamps", dependencies=[guard.allow(Role.SERVICE)])
    async def make(body: dict[str, int]) -> None: ...

    @app.post("/knocks", dependencies=[guard.proven_by("a knock")])
    async def knock() -> None: ...

    return app


async def ask(
    api: FastAPI, method: str, path: str, headers: Mapping[str, str], **options: object
) -> httpx.Response:
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://lamp") as client:
        return await client.request(method, path, headers=headers, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caller", "status", "name"),
    [
        (creator("anna"), 200, None),
        (STAFF, 200, None),
        (Caller("ben", ("creator", "staff")), 200, None),
        (creator("ben"), 404, "lamp-unknown"),
        (backer("anna"), 403, "role-missing"),
        (SERVICE, 403, "role-missing"),
        (Caller("anna"), 403, "role-missing"),
    ],
    ids=str,
)
async def test_a_rule_lets_in_roles_and_owners(
    api: FastAPI, caller: Caller, status: int, name: str | None
) -> None:
    """Each of several roles is enough; the owner needs the owner's role too."""
    answer = await ask(api, "GET", "/lamps/lit", bearer(caller))
    assert answer.status_code == status
    if name is not None:
        assert answer.json()["type"] == f"/problems/{name}"


async def test_somebody_elses_is_told_like_what_is_not_there(api: FastAPI) -> None:
    """Byte for byte, headers included, so that nobody learns what there is."""
    elses = await ask(api, "GET", "/lamps/dark", bearer(creator("anna")))
    absent = await ask(api, "GET", "/lamps/none", bearer(creator("anna")))
    for_staff = await ask(api, "GET", "/lamps/none", bearer(STAFF))
    assert elses.content == absent.content == for_staff.content
    assert elses.headers == absent.headers == for_staff.headers


async def test_a_missing_role_says_which_would_do(api: FastAPI) -> None:
    """403 with the rule in words and the challenge of RFC 6750."""
    answer = await ask(api, "GET", "/lamps/lit", bearer(SERVICE))
    assert answer.json()["detail"] == "allowed: owner of the lamp, staff"
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_everybody_may_see_but_a_bad_token_is_not_nobody(api: FastAPI) -> None:
    """Whose token has expired hears of it, and is not quietly shown less."""
    assert (await ask(api, "GET", "/shine", {})).json() == {"caller": None}
    assert (await ask(api, "GET", "/shine", bearer(STAFF))).json() == {"caller": "staff-1"}
    answer = await ask(api, "GET", "/shine", {"Authorization": "Bearer a.b.c"})
    assert answer.status_code == 401 and "www-authenticate" in answer.headers


async def test_who_may_not_is_refused_before_what_is_wrong(api: FastAPI) -> None:
    """A caller without a token learns nothing about the shape of a request."""
    assert (await ask(api, "POST", "/lamps", {}, json={"x": "tall"})).status_code == 401
    broken = {"content-type": "application/json"}
    assert (await ask(api, "POST", "/lamps", broken, content=b"{")).status_code == 401
    assert (await ask(api, "POST", "/lamps", bearer(STAFF), json=[])).status_code == 403
    assert (await ask(api, "POST", "/lamps", bearer(SERVICE), json=[])).status_code == 422


async def test_nobodys_body_is_not_read(api: FastAPI) -> None:
    """Who has no token is refused before the first byte of what they send."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1_000

    assert (await ask(api, "POST", "/lamps", {}, content=endless())).status_code == 401
    assert read == 0


async def test_no_body_is_read_beyond_the_largest(api: FastAPI) -> None:
    """413 as a problem, also for one that does not say how long it is."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    headers = bearer(SERVICE) | {"content-type": "application/json"}
    for body in (endless(), b"x" * (BODY_BYTES_MAX + 1)):
        answer = await ask(api, "POST", "/lamps", headers, content=body)
        assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


async def test_a_route_may_declare_how_much_it_takes() -> None:
    """A stream beyond the common limit is read where the route says so, and no byte beyond that."""
    app, guard = guarded_api("lamp"), unit_guard()
    install_problems(app)
    large = guard.allow(Role.SERVICE, body_bytes_max=2 * BODY_BYTES_MAX)

    @app.put("/films", dependencies=[large])
    async def film(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    async def sent(chunks: int) -> AsyncIterator[bytes]:
        for _ in range(chunks):
            yield bytes(BODY_BYTES_MAX // 4)

    taken = await ask(app, "PUT", "/films", bearer(SERVICE), content=sent(8))
    assert taken.json() == 2 * BODY_BYTES_MAX
    assert (await ask(app, "PUT", "/films", bearer(SERVICE), content=sent(9))).status_code == 413


async def test_without_any_key_of_the_issuer_it_is_503() -> None:
    """A caller with a token is asked to come again; one without is told what is missing."""
    keys = PublishedKeys("http://127.0.0.1:9/keys")
    guard = Guard(TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, keys))
    app = guarded_api("lamp")
    install_problems(app)
    app.get("/shine", dependencies=[guard.allow(Role.STAFF)])(lambda: None)
    away = await ask(app, "GET", "/shine", bearer(STAFF))
    assert (away.status_code, away.json()["type"]) == (503, "/problems/dependency-away")
    assert away.headers["retry-after"] == "1"
    assert (await ask(app, "GET", "/shine", {})).status_code == 401


async def test_another_proof_needs_no_token_and_reads_none(api: FastAPI) -> None:
    """The route checks its own proof; a token beside it is nobody's business."""
    headers = {"Authorization": "Bearer a.b.c"}
    assert (await ask(api, "POST", "/knocks", headers)).status_code == 200


def test_rules_are_read_from_the_routes(api: FastAPI) -> None:
    """Method, path, and who may, in words."""
    rules = {(r.method, r.path): str(r.rule) for r in guarded_routes(api)}
    assert rules == {
        ("GET", "/lamps/{lamp}"): "owner of the lamp, staff",
        ("GET", "/shine"): "anybody",
        ("POST", "/lamps"): "service",
        ("POST", "/knocks"): "a knock",
    }


@pytest.mark.parametrize("count", [0, 2])
def test_a_route_has_exactly_one_rule(api: FastAPI, count: int) -> None:
    """A route that nobody gave a rule, or two, is found before the process serves it."""
    guard = unit_guard()
    api.get("/open", dependencies=[guard.anybody() for _ in range(count)])(lambda: None)
    with pytest.raises(RouteWithoutRule, match="/open"):
        list(guarded_routes(api))


async def test_a_route_that_does_not_ask_is_found_and_fails() -> None:
    """A rule on an application that is not guarded lets nobody in, and stops the start."""
    app = FastAPI()
    app.get("/open", dependencies=[unit_guard().allow(Role.STAFF)])(lambda: None)
    with pytest.raises(RouteWithoutRule, match="guarded_api"):
        list(guarded_routes(app))
    with pytest.raises(AttributeError, match="caller"):
        await ask(app, "GET", "/open", bearer(STAFF))
