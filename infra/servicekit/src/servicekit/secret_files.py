"""Secrets that come from files, and a process that leaves when one of them changes.

A secret setting may be given as a variable, or as a file that the variable with `_FILE` at its end
names. A file (or variable) may hold several, a line or comma apart: the first is current, it signs
and connects; all of them verify.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from servicekit.loops import Pulse, pause

log = structlog.get_logger()

# `json_schema_extra` of a field that is a secret.
SECRET: dict[str, Any] = {"secret": True}
FILE = "_FILE"
LOOK_SECONDS = 5.0


def all_of(secret: str) -> list[str]:
    """Return the secrets in a setting, the current one first."""
    return [one for line in secret.split("\n") for part in line.split(",") if (one := part.strip())]


def first_line(secret: str) -> str:
    """Return the current one of secrets that may themselves hold commas: addresses, passwords."""
    return secret.split("\n", 1)[0].strip()


class SecretFiles:
    """The files that secrets were read from, as they were then."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        self.look_seconds = look_seconds
        self._digests: dict[Path, str] = {}

    def read(self, path: Path) -> str:
        """Return the secrets in a file; raises OSError if it cannot be read."""
        content = path.read_bytes()
        self._digests[path] = _digest(content)
        return content.decode().strip()

    def changed(self) -> list[Path]:
        """Return the files that hold something else now; a file that is away is not yet another."""
        return [path for path, digest in self._digests.items() if _differs(path, digest)]

    async def stop_when_changed(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """End the process in order once a file changed: started again it reads the new secret.

        Old connections would go on for a while and then fail with errors that name no password.
        """
        while not stopping.is_set():
            pulse.beat()
            if files := self.changed():
                log.warning("a secret changed, leaving", files=[str(path) for path in files])
                stopping.set()
            await pause(stopping, self.look_seconds)


def values_of(
    names: Mapping[str, str], environment: Mapping[str, str], files: SecretFiles
) -> dict[str, str]:
    """Return the secrets given as files, by the field's name; `names` are variables by field.

    Raises:
        ValueError: a secret is given twice, or its file cannot be read; the message has no value.
    """
    values = {}
    for name, variable in names.items():
        if variable + FILE not in environment:
            continue
        if variable in environment:
            raise ValueError(f"{variable} and {variable}{FILE} are both set")
        try:
            values[name] = files.read(Path(environment[variable + FILE]))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{variable}{FILE}: {type(error).__name__}") from None
    return values


def _differs(path: Path, digest: str) -> bool:
    try:
        return _digest(path.read_bytes()) != digest
    except OSError:
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
