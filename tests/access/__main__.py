"""`python -m tests.access [--check]`: write the page of who may call what, or fail when stale."""

import argparse
import sys
from pathlib import Path

from tests.access.document import PAGE, page


def main(arguments: list[str], path: Path = PAGE) -> int:
    """Return 0 if the page is fresh or was written, 1 if `--check` finds it stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.access", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args(arguments).check
    text = page()
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(f"{path.name} is stale: run make access", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
