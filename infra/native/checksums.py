"""Pinned files: a list of sha256 sums checked in beside the code."""

import hashlib
from pathlib import Path

from infra.native.errors import UntrustedFile


def read_sums(listing: Path) -> dict[str, str]:
    """File name to sha256, from a file in the format of `sha256sum`."""
    pairs = (line.split() for line in listing.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def verify(folder: Path, sums: dict[str, str]) -> None:
    """Refuse a missing, changed or additional file.

    An additional jar counts too: it would be on the class path.

    Raises:
        UntrustedFile: naming the first file that differs.
    """
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(present ^ sums.keys()):
        raise UntrustedFile(f"{folder / name}: {'not pinned' if name in present else 'missing'}")
    for name, digest in sums.items():
        with (folder / name).open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != digest:
            raise UntrustedFile(f"{folder / name}: sha256 is {actual}, pinned is {digest}")
