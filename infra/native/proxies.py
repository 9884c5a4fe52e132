"""A fault proxy (toxiproxy) in front of the servers: the network as it can be.

Each server that clients reach has a proxy of its own, whose port is the one that clients are told.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from infra.native import fetch
from infra.native.plain_http import NO_AUTHORITIES
from infra.native.ports import kept_ports
from infra.native.processes import Process
from infra.native.server import Server

START_TIMEOUT_SECONDS = 30.0


class Direction(StrEnum):
    """Which half of a connection is meant; the values are toxiproxy's names."""

    TO_SERVER = "upstream"
    TO_CLIENT = "downstream"


BOTH = (Direction.TO_SERVER, Direction.TO_CLIENT)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The way to one server. A fault holds, also for new connections, until `heal()`."""

    name: str
    address: str
    _api: str

    def cut(self, *directions: Direction) -> None:
        """Let nothing pass and keep connections open: packets that vanish. Default: both ways."""
        self._make_worse("timeout", {"timeout": 0}, directions or BOTH)

    def slow(self, milliseconds: int, *directions: Direction) -> None:
        """Delay everything by this much. Default: both ways."""
        self._make_worse("latency", {"latency": milliseconds}, directions or BOTH)

    def reset(self, *directions: Direction) -> None:
        """Answer traffic of these directions with a reset (RST). Default: both ways."""
        self._make_worse("reset_peer", {"timeout": 0}, directions or BOTH)

    def refuse(self) -> None:
        """Close all connections and refuse new ones, as if nobody listened."""
        self._ask("POST", f"/proxies/{self.name}", {"enabled": False})

    def heal(self) -> None:
        """End every fault; connections that lost bytes are closed, new ones are whole."""
        for toxic in self._ask("GET", f"/proxies/{self.name}/toxics").json():
            self._ask("DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")
        self._ask("POST", f"/proxies/{self.name}", {"enabled": True})

    def _make_worse(
        self, kind: str, attributes: Mapping[str, int], directions: tuple[Direction, ...]
    ) -> None:
        for direction in directions:
            toxic = {"type": kind, "stream": direction.value, "attributes": dict(attributes)}
            self._ask("POST", f"/proxies/{self.name}/toxics", toxic)

    def _ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        with httpx.Client(
            base_url=self._api, trust_env=False, verify=NO_AUTHORITIES, timeout=10
        ) as client:
            answer = client.request(method, path, json=body)
        answer.raise_for_status()
        return answer


class FaultProxy(Server):
    """One toxiproxy for all servers of a stack; started anew it has forgotten every fault.

    `servers` are the names of what stands behind it, `upstream` gives a name's real address.
    """

    name = "fault proxy"

    def __init__(
        self, folder: Path, detached: bool, servers: list[str], upstream: Callable[[str], str]
    ) -> None:
        super().__init__(folder, detached)
        self._servers = servers
        self._upstream = upstream

    def __getitem__(self, server: str) -> Proxy:
        """The proxy in front of this server."""
        return Proxy(server, self.address(server), self._api)

    def address(self, server: str) -> str:
        """`host:port` at which clients find the server."""
        return f"127.0.0.1:{self._ports()[1 + self._servers.index(server)]}"

    def heal(self) -> None:
        """End every fault of every proxy."""
        for server in self._servers:
            self[server].heal()

    def _prepare(self) -> None:
        proxies = [
            {"name": name, "listen": self.address(name), "upstream": self._upstream(name)}
            for name in self._servers
        ]
        enabled = [proxy | {"enabled": True} for proxy in proxies]
        (self._folder / "proxies.json").write_text(json.dumps(enabled))

    def _command(self) -> list[str]:
        place = ["-host", "127.0.0.1", "-port", str(self._ports()[0])]
        return [str(fetch.toxiproxy()), *place, "-config", str(self._folder / "proxies.json")]

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._has_all_proxies():
            if not process.is_running():
                raise self._did_not_start("ended while starting")
            if time.monotonic() > deadline:
                raise self._did_not_start(f"was not ready in {START_TIMEOUT_SECONDS:.0f} seconds")
            time.sleep(0.02)

    def _has_all_proxies(self) -> bool:
        try:
            answer = httpx.get(
                f"{self._api}/proxies", trust_env=False, verify=NO_AUTHORITIES, timeout=5
            )
        except httpx.HTTPError:
            return False
        known: dict[str, object] = answer.json()
        return set(self._servers) <= known.keys()

    @property
    def _api(self) -> str:
        return f"http://127.0.0.1:{self._ports()[0]}"

    def _ports(self) -> list[int]:
        return kept_ports(self._folder / "ports.json", count=1 + len(self._servers))
