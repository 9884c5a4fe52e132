"""Free loopback ports, chosen once per data directory and then kept."""

import json
import random
import socket
from pathlib import Path
from threading import Lock

# Below the range from which the kernel takes ports for outgoing connections: a client
# that knocks on the port of a killed server could otherwise be given that very port.
LOWEST_PORT, HIGHEST_PORT = 15000, 32000
KERNELS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FEWEST_PORTS = 1000

# A chosen port stays free until its server starts, and while that server is down: no other
# server of this process may choose it meanwhile, which chance did once in a hundred starts.
_chosen: set[int] = set()
_choosing = Lock()


def kept_ports(file: Path, count: int) -> list[int]:
    """The ports written in `file`; chosen and written there at the first call.

    A server's clients and its stored metadata know its port, so that a restart on
    the same data must find the same one. Who needs more than were kept gets more.
    """
    ports = [int(port) for port in json.loads(file.read_text())] if file.exists() else []
    _chosen.update(ports)
    if len(ports) >= count:
        return ports
    while len(ports) < count:
        ports.append(_choose())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports))
    return ports


def _choose() -> int:
    with _choosing:
        while True:
            port = random.randint(LOWEST_PORT, _highest_port())
            if port not in _chosen and _is_free(port):
                _chosen.add(port)
                return port


def _highest_port() -> int:
    """Below the kernel's own range; inside it where that leaves next to nothing."""
    first = int(KERNELS_RANGE.read_text().split()[0]) if KERNELS_RANGE.exists() else HIGHEST_PORT
    return min(HIGHEST_PORT, first - 1) if first - LOWEST_PORT > FEWEST_PORTS else HIGHEST_PORT


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
