"""`make explore`: the property tests with examples that nobody has tried, a seed a round.

`make test` tries the same examples each time: what reddens it is a change, not luck.
"""

import argparse
import secrets
import subprocess
import sys
from collections.abc import Sequence

ROUNDS = 10
SEED_MAX = 2**32


def main(arguments: Sequence[str]) -> int:
    """Run rounds until one fails; return its exit code, and say how to have its seed again."""
    parser = argparse.ArgumentParser(prog="make explore")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, help="of one round that is run again")
    asked, words = parser.parse_known_args(arguments)
    rounds = asked.rounds if asked.seed is None else 1
    for number in range(1, rounds + 1):
        seed = secrets.randbelow(SEED_MAX) if asked.seed is None else asked.seed
        print(f"round {number} of {rounds}, seed {seed}", flush=True)
        if code := _explore(seed, words):
            print(f"again: make explore SEED={seed}")
            return code
    return 0


def _explore(seed: int, words: Sequence[str]) -> int:
    """Run what Hypothesis draws examples for; the plugin marks those tests."""
    chosen = ["-m", "hypothesis", "--hypothesis-profile=explore", f"--hypothesis-seed={seed}"]
    return subprocess.run([sys.executable, "-m", "pytest", *chosen, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
