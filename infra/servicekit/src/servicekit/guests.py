"""Callers without an account, of whom only the address is known: each has so many requests.

Each process counts for itself and forgets at its end: this is a brake on a flood, and no promise
to anybody. What it stands on is in memory, and bounded.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from pydantic import Field, field_validator
from starlette.requests import Request

from servicekit.problems import Problem
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

# By these a proxy says whom it speaks for, one or the other.
SAID_BY_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip")

# Some ten MB. Beyond it whoever was not seen for longest is forgotten.
ADDRESSES_MAX = 100_000


class GuestPace:
    """Lets an address ask `requests` times at once, and as many again over `window_seconds`.

    `header` is where the `proxies` in front say the address of a caller; empty: the connection's.
    """

    def __init__(
        self,
        requests: int,
        window_seconds: float,
        header: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        addresses_max: int = ADDRESSES_MAX,
        *,
        proxies: int = 1,
    ) -> None:
        self._window = window_seconds
        self._each = window_seconds / requests
        self._header = header
        self._proxies = proxies
        self._monotonic = monotonic
        self._most = addresses_max
        self._warned = False
        # When each address has all its requests again; who asked last stands last.
        self._rested_at: OrderedDict[str, float] = OrderedDict()

    def __call__(self, request: Request) -> None:
        """Count a request, or raise the problem that says when its address may ask again."""
        wait = self.spend(caller_address(request, self._header, self._proxies))
        if wait > 0:
            self._warn(request)
            raise Problem(
                429,
                "too-many-requests",
                "Too many requests from this address",
                "try the same request again later",
                retry_after=timedelta(seconds=wait),
            )

    def spend(self, address: str) -> float:
        """Count a request of an address; return 0, or in how many seconds one will be let in."""
        now = self._monotonic()
        rested_at = max(self._rested_at.get(address, now), now) + self._each
        # A quotient that cannot be written down does not cost anybody the last request.
        wait = rested_at - now - self._window
        if wait > self._each * 1e-6:
            return wait
        self._rested_at[address] = rested_at
        self._rested_at.move_to_end(address)
        self._forget(now)
        return 0.0

    def _warn(self, request: Request) -> None:
        """Say once that somebody is refused who may be many: all that a proxy speaks for."""
        said = any(name in request.headers for name in SAID_BY_PROXIES)
        if self._warned or not said or address_said(request, self._header, self._proxies):
            return
        self._warned = True
        # The header that is named holds too few addresses; or it is not the one that the proxy
        # writes, and more proxies would only let callers make addresses up once it is.
        wrong = "GUEST_ADDRESS_HEADER"
        if self._header and self._header in request.headers:
            wrong = "GUEST_PROXIES"
        log.warning("callers behind a proxy are limited as one", setting=wrong)

    def __len__(self) -> int:
        """Return how many addresses are known."""
        return len(self._rested_at)

    def _forget(self, now: float) -> None:
        while self._rested_at:
            address, rested_at = next(iter(self._rested_at.items()))
            if rested_at > now and len(self._rested_at) <= self._most:
                return
            del self._rested_at[address]


def caller_address(request: Request, header: str = "", proxies: int = 1) -> str:
    """Return by what a caller without an account is known: an IPv4 address, or a network of IPv6.

    Where the header does not say it, the connection's address counts, which nobody can forge.
    """
    peer = request.client.host if request.client else ""
    return address_said(request, header, proxies) or _known(peer) or peer


def address_said(request: Request, header: str, proxies: int) -> str:
    """Return what the outermost of so many trusted `proxies` says in the header, empty for none.

    Each adds at the end by whom it was asked. So as many from the end are theirs, and all before
    is the caller's own word. Fewer than that came past one of them: nobody vouches for it.
    """
    lines = request.headers.getlist(header) if header else []
    said = [one for line in lines for one in line.split(",")]
    return _known(said[-proxies]) if len(said) >= proxies else ""


def _known(said: str) -> str:
    """Return the address or network, empty where it is none; some proxies add a port to it."""
    said = said.strip()
    if said.startswith("["):
        said = said[1:].split("]", 1)[0]
    elif said.count(":") == 1:
        said = said.split(":", 1)[0]
    try:
        address = ip_address(said)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    # Whoever has one address of IPv6 has as a rule a whole network of 64 bits.
    return str(ip_network((int(address), 64), strict=False))


class GuestSettings(ServiceSettings):
    """Of a service with routes for callers without an account."""

    guest_requests: int = Field(
        20,
        ge=0,
        le=1_000_000,
        description="So many requests an address has at once on routes that make something without "
        "an account, in each process; 0: no limit, since what stands in front has one.",
    )
    guest_window_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Time in which it has as many again."
    )
    guest_address_header: str = Field(
        "",
        pattern=r"^([A-Za-z][A-Za-z0-9-]*)?$",
        description="Header in which the proxy in front says a caller's address, of several the "
        "last (`X-Forwarded-For`). Empty: the connection's own; behind a proxy all are one then. "
        "Set it only where nobody comes past the proxy, else callers say any address.",
    )
    guest_proxies: int = Field(
        1,
        ge=1,
        le=10,
        description="How many proxies stand in front in a row, each of which adds to that header "
        "by what address it was asked: the caller's is this one from the end. With more than there "
        "are callers say any address; with fewer all behind the outer proxy are one.",
    )

    @field_validator("guest_address_header")
    @classmethod
    def _holds_addresses_alone(cls, header: str) -> str:
        # Nothing of it would be read as an address, and everybody would be one caller.
        if header.casefold() == "forwarded":
            raise ValueError("one that holds addresses alone: Forwarded (RFC 7239) is not read")
        return header

    def guest_pace(self) -> GuestPace | None:
        """Return what limits callers without an account, None where nothing here does."""
        if not self.guest_requests:
            return None
        return GuestPace(
            self.guest_requests,
            self.guest_window_seconds,
            self.guest_address_header,
            proxies=self.guest_proxies,
        )
