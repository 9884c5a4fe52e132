"""The two folders the native stack writes to, and the locks that guard them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def cache_folder() -> Path:
    """Fetched programs, shared by every clone on the machine: `SOSST_CACHE`."""
    return Path(os.environ.get("SOSST_CACHE") or Path.home() / ".cache" / "sosst").absolute()


def state_folder() -> Path:
    """Data, ports and process records of one stack: `SOSST_STATE`."""
    return Path(os.environ.get("SOSST_STATE") or REPOSITORY / ".sosst").absolute()


@contextmanager
def exclusive(folder: Path, work: str) -> Iterator[None]:
    """Wait until nobody else does this `work` on `folder`; a lock ends with its holder.

    Different works have different locks: one may be begun inside another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{work}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
