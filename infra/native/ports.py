"""Free loopback ports, chosen once per data directory and then kept."""

import fcntl
import json
import os
import random
import socket
import tempfile
from pathlib import Path
from threading import Lock

from infra.native.errors import NativeStackError

# Below the range from which the kernel takes ports for outgoing connections: a client
# that knocks on the port of a killed server could otherwise be given that very port.
LOWEST_PORT, HIGHEST_PORT = 15000, 32000
KERNELS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FEWEST_PORTS = 1000

# A chosen port stays free until its server starts, and while that server is down: no other
# server of this process may choose it meanwhile, which chance did once in a hundred starts.
_chosen: set[int] = set()
_choosing = Lock()
# Nor one of another process, where groups of tests run beside each other: each process chooses
# from blocks of its own, which it has locked until it ends.
BLOCK_PORTS = 50
BLOCKS = Path(tempfile.gettempdir()) / f"sosst-ports-{os.getuid()}"
_blocks: list[range] = []


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
            for port in (port for block in _blocks for port in block if port not in _chosen):
                # Also one that somebody has bound is not looked at again.
                _chosen.add(port)
                if _is_free(port):
                    return port
            _blocks.append(_locked_block())


def _locked_block() -> range:
    """Return ports that no other process chooses from; their file stays locked until this ends.

    Raises:
        NativeStackError: other processes have every block.
    """
    BLOCKS.mkdir(mode=0o700, exist_ok=True)
    firsts = list(range(LOWEST_PORT, _highest_port() - BLOCK_PORTS + 2, BLOCK_PORTS))
    random.shuffle(firsts)
    for first in firsts:
        lock = os.open(BLOCKS / str(first), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return range(first, first + BLOCK_PORTS)
    raise NativeStackError(f"no port is left: other processes have locked all of {BLOCKS}")


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
