"""`make test` and `make test-all`: what one waits for while working, and everything (0044).

What everything showed of rows and traps is kept for `make rows`.
"""

import sys
from collections.abc import Sequence

from tests.groups import GROUPS, LEFT, NOT_LONG, WHILE_ONE_WAITS, run_groups
from tests.rows import run_and_keep

ALL = "--all"


def main(arguments: Sequence[str]) -> int:
    """Run the groups with pytest's `arguments`; return the first exit code that is not 0."""
    if ALL not in arguments:
        code = run_groups(WHILE_ONE_WAITS, lambda group: [*NOT_LONG, *arguments])
        print(LEFT)
        return code
    options = [one for one in arguments if one != ALL]
    if options:  # Perhaps not every test: nothing to be shown later as if it were.
        return run_groups(GROUPS, lambda group: options)
    return run_and_keep("make test-all")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
