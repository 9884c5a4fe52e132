"""Ports are chosen once, kept, and given to one server only."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.native import ports
from infra.native.ports import kept_ports


def test_ports_are_kept_over_restarts(tmp_path: Path) -> None:
    """The second call finds what the first wrote; who needs more keeps what there was."""
    file = tmp_path / "ports.json"
    first = kept_ports(file, 2)
    assert kept_ports(file, 2) == first
    assert kept_ports(file, 3)[:2] == first


def test_no_two_servers_are_given_one_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few free ports, chosen by many threads before any is bound, none is given twice."""
    monkeypatch.setattr(ports, "_highest_port", lambda: ports.LOWEST_PORT + 400)
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda n: kept_ports(tmp_path / f"{n}.json", 3), range(40)))
    chosen = [port for some in given for port in some]
    assert len(set(chosen)) == len(chosen) == 120


def test_the_kernels_own_range_is_kept_clear_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outgoing connection can never have taken a chosen port."""
    kernel = tmp_path / "range"
    monkeypatch.setattr(ports, "KERNELS_RANGE", kernel)
    kernel.write_text("18000\t60999\n")
    assert ports._highest_port() == 17999
    kernel.write_text("1024\t65535\n")
    assert ports._highest_port() == ports.HIGHEST_PORT
