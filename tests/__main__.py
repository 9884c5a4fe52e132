"""`make test`: every test; what those showed that cover rows is kept for `make rows`."""

import sys
from collections.abc import Sequence

from tests.groups import run_groups
from tests.rows import run_and_keep


def main(arguments: Sequence[str]) -> int:
    """Run all groups with pytest's `arguments`; return the first exit code that is not 0."""
    if arguments:  # Perhaps not every test: nothing to be shown later as if it were.
        return run_groups(lambda group: arguments)
    return run_and_keep("make test")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
