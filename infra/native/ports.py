"""Free loopback ports, chosen once per data directory and then kept."""

import json
import random
import socket
from pathlib import Path

# Below the range from which the kernel takes ports for outgoing connections: a client
# that knocks on the port of a killed server could otherwise be given that very port.
LOWEST_PORT, HIGHEST_PORT = 15000, 32000


def kept_ports(file: Path, count: int) -> list[int]:
    """The ports written in `file`; chosen and written there at the first call.

    A server's clients and its stored metadata know its port, so that a restart on
    the same data must find the same one. Who needs more than were kept gets more.
    """
    ports = [int(port) for port in json.loads(file.read_text())] if file.exists() else []
    if len(ports) >= count:
        return ports
    while len(ports) < count:
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)
        if port not in ports and _is_free(port):
            ports.append(port)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports))
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
