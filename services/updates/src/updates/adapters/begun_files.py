"""What came of objects in a local folder that are not whole: the library keeps and hides it.

An object is written beside its place, as `sent#1`, and moved there at its end. Where the process is
killed in between, that file stays, and no listing of the library has it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from updates.ports.media import Kept

_BEGUN = re.compile(r".+#\d+")


def is_begun(key: str) -> bool:
    """Whether this names such a file: no key of an object has its sign."""
    return _BEGUN.fullmatch(key) is not None


class BegunFiles:
    """Those below a folder; blocks, so it is for a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def under(self, folder: str) -> list[Kept]:
        """Return those in this folder of the store and below it."""
        return list(self._found(folder))

    def remove(self, key: str) -> None:
        """Remove one; one that is not there is removed already, or has become its object."""
        (self._root / key).unlink(missing_ok=True)

    def _found(self, folder: str) -> Iterator[Kept]:
        for path in (self._root / folder).rglob("*#*"):
            key = path.relative_to(self._root).as_posix()
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # It has become whole, or was removed, since it was found.
            if is_begun(key):
                yield Kept(key, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
