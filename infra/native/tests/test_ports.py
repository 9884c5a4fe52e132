"""Ports are chosen once, kept, and given to one server only."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.native import ports
from infra.native.errors import NativeStackError
from infra.native.folders import REPOSITORY
from infra.native.ports import kept_ports

CHOOSE = "from infra.native import ports; print(*(ports._choose() for _ in range({})))"


def test_ports_are_kept_over_restarts(tmp_path: Path) -> None:
    """The second call finds what the first wrote; who needs more keeps what there was."""
    file = tmp_path / "ports.json"
    first = kept_ports(file, 2)
    assert kept_ports(file, 2) == first
    assert kept_ports(file, 3)[:2] == first


def test_no_two_servers_are_given_one_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few free ports, chosen by many threads before any is bound, none is given twice."""
    few_blocks(monkeypatch, tmp_path, 8)
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda n: kept_ports(tmp_path / f"{n}.json", 3), range(40)))
    chosen = [port for some in given for port in some]
    assert len(set(chosen)) == len(chosen) == 120


def few_blocks(monkeypatch: pytest.MonkeyPatch, folder: Path, count: int) -> None:
    """Have so many blocks of ports, which are nobody's yet."""
    highest = ports.LOWEST_PORT + count * ports.BLOCK_PORTS - 1
    monkeypatch.setattr(ports, "_highest_port", lambda: highest)
    monkeypatch.setattr(ports, "BLOCKS", folder / "blocks")
    monkeypatch.setattr(ports, "_blocks", [])
    monkeypatch.setattr(ports, "_chosen", set())


def test_no_two_processes_choose_one_port(tmp_path: Path) -> None:
    """Two thousand that another one chooses, none of them bound, are outside this one's blocks."""
    kept_ports(tmp_path / "ports.json", 1)
    command = [sys.executable, "-c", CHOOSE.format(2_000)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    others = {int(port) for port in done.stdout.split()}
    assert len(others) == 2_000
    assert others.isdisjoint(port for block in ports._blocks for port in block)


def test_without_a_block_nothing_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has them all is named by the folder of their locks."""
    few_blocks(monkeypatch, tmp_path, 2)
    kept_ports(tmp_path / "all.json", 2 * ports.BLOCK_PORTS - 20)
    monkeypatch.setattr(ports, "_blocks", [])
    monkeypatch.setattr(ports, "_chosen", set())
    with pytest.raises(NativeStackError, match="blocks"):
        kept_ports(tmp_path / "more.json", 1)


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
