"""`make test` draws the same examples each time, `make explore` others, each of them again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.structure.repository import ROOT

PLANTED = '''
from hypothesis import given, settings
from hypothesis import strategies as st

def test_draws_nothing():
    """Not asked: it would fail."""
    assert False

@given(st.integers())
def test_draws(number):
    """Holds for the examples of the profile that draws the same ones each time."""
    assert settings().derandomize
'''


def drawn(profile: str, of_seed: int) -> list[int]:
    numbers: list[int] = []

    @seed(of_seed)
    @settings(settings.get_profile(profile), max_examples=20, database=None)
    @given(st.integers())
    def draw(number: int) -> None:
        numbers.append(number)

    draw()
    return numbers


def explore(folder: Path, surroundings: str, *words: str) -> subprocess.CompletedProcess[str]:
    planted = folder / "test_planted.py"
    planted.write_text(PLANTED)
    ours = ["-p", "conftest", f"--rootdir={folder}", str(planted)]
    command = [sys.executable, "-m", "tests.explore", *words, *ours]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    if surroundings == "in a CI":
        environment["CI"] = "true"
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_these_tests_draw_the_same_each_time() -> None:
    """The profile that every test runs under knows no luck."""
    assert settings.get_current_profile_name() in ("same examples", "explore")
    assert settings.get_profile("same examples").derandomize
    assert settings.get_profile("same examples").database is None


def test_a_seed_draws_its_own_examples_and_the_same_again() -> None:
    """What a round found is found again by its seed."""
    assert drawn("explore", 1) == drawn("explore", 1) != drawn("explore", 2)


@pytest.mark.parametrize("surroundings", ["at a desk", "in a CI"])
def test_it_runs_what_draws_until_a_round_fails_and_says_how_to_have_it_again(
    tmp_path: Path, surroundings: str
) -> None:
    """The planted test fails under any profile but that of `make test`: of nine rounds one runs."""
    done = explore(tmp_path, surroundings, "--rounds=9")
    assert done.returncode == 1
    assert "1 failed, 1 deselected" in done.stdout
    assert done.stdout.count("round ") == 1
    found = done.stdout.split("round 1 of 9, seed ")[1].split()[0]
    assert done.stdout.endswith(f"again: make explore SEED={found}\n")
