"""Addresses given by hand win over the native stack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.native import Addresses, NativeStackError, given_addresses

KAFKA, MONGODB = "SOSST_KAFKA_BOOTSTRAP_SERVERS", "SOSST_MONGODB_URI"
GIVEN = {KAFKA: "kafka.example:9092", MONGODB: "mongodb://mongo.example/"}


def test_both_given() -> None:
    """Both addresses of the environment are taken as they are."""
    assert given_addresses(GIVEN) == Addresses(GIVEN[KAFKA], GIVEN[MONGODB])


def test_none_given() -> None:
    """Without addresses, or with empty ones, the native stack is wanted."""
    assert given_addresses({}) is None
    assert given_addresses({KAFKA: "", MONGODB: ""}) is None


@pytest.mark.parametrize("present", [KAFKA, MONGODB])
def test_half_given(present: str) -> None:
    """One address without the other is refused with the name of the missing one."""
    (absent,) = GIVEN.keys() - {present}
    with pytest.raises(NativeStackError, match=f"{absent} is not"):
        given_addresses({present: GIVEN[present]})


def test_up_starts_nothing_when_given(tmp_path: Path) -> None:
    """`up` prints given addresses, starts nothing and writes nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.native", "up"],
        env=os.environ | GIVEN | {"SOSST_STATE": str(tmp_path), "SOSST_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Addresses(GIVEN[KAFKA], GIVEN[MONGODB]).exports() in done.stdout
    assert list(tmp_path.iterdir()) == []
