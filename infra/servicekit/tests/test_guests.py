"""Callers without an account are limited by their address, whatever they say of themselves."""

from contextlib import nullcontext
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict
from starlette.requests import Request
from structlog.testing import capture_logs

from infra.sandbox.issuer.testing import bearer, unit_guard
from infra.sandbox.issuer.tokens import STAFF
from infra.servicekit.tests.test_settings import GIVEN
from servicekit.access import guarded_api
from servicekit.guests import GuestPace, GuestSettings, caller_address
from servicekit.problems import Problem, install_problems
from servicekit.settings import load_settings

HEADER = "X-Forwarded-For"


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def request_of(peer: str | None, *said: str) -> Request:
    headers = [(HEADER.lower().encode(), one.encode()) for one in said]
    client = (peer, 4711) if peer is not None else None
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.mark.parametrize("requests", [1, 3, 7, 20])
def test_an_address_has_so_many_at_once_and_as_many_again_over_the_window(requests: int) -> None:
    """The next is let in when one has grown again, by the second that was said."""
    seconds = Seconds()
    pace = GuestPace(requests, 600, monotonic=seconds)
    assert [pace.spend("a") for _ in range(requests)] == [0.0] * requests
    wait = pace.spend("a")
    assert wait == pytest.approx(600 / requests) and pace.spend("a") == wait
    assert pace.spend("b") == 0.0, "another address is another caller"
    seconds.now += wait
    assert pace.spend("a") == 0.0 and pace.spend("a") > 0
    seconds.now += 600
    assert [pace.spend("a") for _ in range(requests)] == [0.0] * requests and pace.spend("a") > 0


def test_who_has_rested_is_forgotten_and_nobody_fills_the_memory() -> None:
    """Of more addresses than are kept the one that was not seen for longest goes first."""
    seconds = Seconds()
    pace = GuestPace(1, 600, monotonic=seconds, addresses_max=3)
    for address in ("a", "b", "c"):
        seconds.now += 1
        assert pace.spend(address) == 0.0
    assert pace.spend("d") == 0.0 and len(pace) == 3
    assert pace.spend("b") > 0 and pace.spend("a") == 0.0
    seconds.now += 600
    assert pace.spend("e") == 0.0 and len(pace) == 1


def test_who_asks_again_is_not_the_one_that_was_not_seen_for_longest() -> None:
    """Nobody has all requests anew by letting others push them out."""
    pace = GuestPace(2, 600, monotonic=Seconds(), addresses_max=3)
    for address in ("a", "b", "c", "a", "d"):
        assert pace.spend(address) == 0.0
    assert pace.spend("a") > 0


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (("198.51.100.7",), "198.51.100.7"),
        (("10.0.0.1, 198.51.100.7",), "198.51.100.7"),
        (("10.0.0.1", "198.51.100.7"), "198.51.100.7"),
        (("198.51.100.7:4711",), "198.51.100.7"),
        (("::ffff:198.51.100.7",), "198.51.100.7"),
        (("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        (("[2001:db8:1:2::9]:443",), "2001:db8:1:2::/64"),
        (("unknown",), "192.0.2.1"),
        (("198.51.100.7, ",), "192.0.2.1"),
        (("",), "192.0.2.1"),
        ((), "192.0.2.1"),
    ],
)
def test_the_last_word_of_the_header_is_the_proxys(said: tuple[str, ...], known: str) -> None:
    """All before it is the caller's own; what is no address is nobody's."""
    assert caller_address(request_of("192.0.2.1", *said), HEADER) == known


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (("198.51.100.7, 10.0.0.1",), "198.51.100.7"),
        (("198.51.100.7", "10.0.0.1"), "198.51.100.7"),
        (("203.0.113.1, 198.51.100.7, 10.0.0.1",), "198.51.100.7"),
        (("203.0.113.1", "203.0.113.2, 198.51.100.7:4711", "10.0.0.1"), "198.51.100.7"),
        (("198.51.100.7",), "192.0.2.1"),
        (("unknown, 10.0.0.1",), "192.0.2.1"),
        ((", 10.0.0.1",), "192.0.2.1"),
        ((), "192.0.2.1"),
    ],
)
def test_of_two_proxies_in_a_row_the_outer_one_names_the_caller(
    said: tuple[str, ...], known: str
) -> None:
    """Nothing before its word is read; where it said none, the connection's address counts."""
    assert caller_address(request_of("192.0.2.1", *said), HEADER, 2) == known


@pytest.mark.parametrize("proxies", [1, 2, 3])
def test_nobody_is_freed_by_addresses_that_they_made_up(proxies: int) -> None:
    """However many there are, each time others, in one line or in several."""
    pace = GuestPace(1, 600, HEADER, Seconds(), proxies=proxies)
    added = ("198.51.100.7", "10.0.0.1", "10.0.0.2")[:proxies]
    pace(request_of("10.0.0.3", ", ".join(added)))
    for number in range(20):
        made_up = f"203.0.113.{number}, 2001:db8:{number}::1"
        for lines in ((made_up, *added), (", ".join((made_up, *added)),)):
            with pytest.raises(Problem):
                pace(request_of("10.0.0.3", *lines))
    pace(request_of("10.0.0.3", "203.0.113.1", "198.51.100.8", *added[1:]))


def test_a_header_counts_only_where_it_is_set() -> None:
    """Else whoever says another address each time would be another caller each time."""
    assert caller_address(request_of("192.0.2.1", "198.51.100.7")) == "192.0.2.1"
    assert caller_address(request_of(None)) == ""


class LampGuests(GuestSettings):
    model_config = SettingsConfigDict(env_prefix="LAMP_")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guest_requests", "-1"),
        ("guest_window_seconds", "0"),
        ("guest_address_header", "X-Forwarded-For: a"),
        ("guest_address_header", "1"),
        ("guest_address_header", "forwarded"),
        ("guest_proxies", "0"),
        ("guest_proxies", "11"),
    ],
)
def test_what_limits_nobody_is_refused_at_the_start(name: str, value: str) -> None:
    """By the name of what is wrong; no limit at all is said by 0."""
    given = {key.removeprefix("LAMP_").lower(): value for key, value in GIVEN.items()}
    with pytest.raises(ValidationError) as refusal:
        LampGuests(**given | {name: value})  # type: ignore[arg-type]
    assert [error["loc"] for error in refusal.value.errors()] == [(name,)]
    assert load_settings(LampGuests, GIVEN).guest_pace() is not None
    assert load_settings(LampGuests, GIVEN | {"LAMP_GUEST_REQUESTS": "0"}).guest_pace() is None


def test_as_many_proxies_are_trusted_as_the_settings_say() -> None:
    """One unless it is said, which is right for one, and frees nobody behind two."""
    set_header = GIVEN | {"LAMP_GUEST_REQUESTS": "1", "LAMP_GUEST_ADDRESS_HEADER": HEADER}
    for more, second_is_let_in in (({}, False), ({"LAMP_GUEST_PROXIES": "2"}, True)):
        pace = load_settings(LampGuests, set_header | more).guest_pace()
        assert pace is not None
        pace(request_of("10.0.0.2", "198.51.100.7, 10.0.0.1"))
        with nullcontext() if second_is_let_in else pytest.raises(Problem):
            pace(request_of("10.0.0.2", "198.51.100.8, 10.0.0.1"))


@pytest.mark.parametrize(
    ("header", "proxies", "said", "named"),
    [
        ("", 1, True, ["GUEST_ADDRESS_HEADER"]),
        ("", 1, False, []),
        (HEADER, 1, True, []),
        (HEADER, 2, True, ["GUEST_PROXIES"]),
        (HEADER, 2, False, []),
        ("X-Real-IP", 1, True, ["GUEST_ADDRESS_HEADER"]),
    ],
    ids=["not set", "no proxy", "set", "too many", "too many, no proxy", "another one"],
)
def test_a_proxy_that_names_nobody_is_named_once_somebody_is_refused(
    header: str, proxies: int, said: bool, named: list[str]
) -> None:
    """Everybody behind it is one caller then, and who runs the service would never know."""
    pace = GuestPace(1, 600, header, Seconds(), proxies=proxies)
    request = request_of("192.0.2.1", *(["198.51.100.7"] if said else []))
    pace(request)
    with capture_logs() as logged:
        for _ in range(2):
            with pytest.raises(Problem):
                pace(request)
    assert [line["setting"] for line in logged] == named and "198.51.100.7" not in repr(logged)


@pytest.fixture
def api() -> FastAPI:
    """A route for guests, two an address, behind a proxy; and one that reads."""
    api, guard = guarded_api("lamp"), unit_guard()
    pace = GuestPace(2, 600, HEADER, Seconds())

    @api.put("/wishes", dependencies=[guard.anybody(paced=pace)])
    async def wish(body: Annotated[dict[str, str], "any"]) -> str:
        return "taken"

    @api.get("/wishes", dependencies=[guard.anybody()])
    async def wishes() -> str:
        return "none"

    install_problems(api)
    return api


async def test_a_flood_is_told_when_to_come_again(api: FastAPI) -> None:
    """429 with Retry-After, before a body is read or a token looked at; reading goes on."""
    transport = httpx.ASGITransport(api, client=("192.0.2.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://lamp") as client:

        async def wish(address: str, **headers: str) -> httpx.Response:
            said = {HEADER: address, **headers}
            return await client.put("/wishes", json={}, headers=said)

        assert [(await wish("10.9.9.9, 198.51.100.7")).status_code for _ in range(2)] == [200] * 2
        refused = await wish(f"10.9.9.{3}, 198.51.100.7")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
        assert refused.json()["type"] == "/problems/too-many-requests"
        unread = await client.put("/wishes", content=b"{", headers={HEADER: "198.51.100.7"})
        assert unread.status_code == 429
        assert (await wish("198.51.100.7", **bearer(STAFF))).status_code == 429
        assert (await wish("198.51.100.8")).status_code == 200
        assert (await client.get("/wishes", headers={HEADER: "198.51.100.7"})).status_code == 200
