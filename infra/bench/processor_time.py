"""What processes used of the processors, read from the kernel."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessorTime:
    """A stopwatch over named processes: how many processor seconds each used since it began."""

    def __init__(self, process_ids: Mapping[str, int]) -> None:
        self._process_ids = process_ids
        self._began = self._used()

    @classmethod
    def of(cls, **process_ids: int) -> Self:
        return cls(process_ids)

    def seconds(self) -> dict[str, float]:
        """Return what each process used so far."""
        return {name: used - self._began[name] for name, used in self._used().items()}

    def _used(self) -> dict[str, float]:
        return {name: _used(number) for name, number in self._process_ids.items()}


def _used(process_id: int) -> float:
    """Return user and system time of a process, all its threads together."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
