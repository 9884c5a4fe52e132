"""Processes known by number and start time, so that nobody else's is ever signalled.

A process number alone is reused by the kernel; together with the start time (in
clock ticks since boot) it names one process for ever.
"""

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine, running or not."""

    process_id: int
    started_ticks: int

    @classmethod
    def running_as(cls, process_id: int) -> "Process":
        """The process that has this number now; raises ProcessLookupError if there is none."""
        started_ticks = _started_ticks(process_id)
        if started_ticks is None:
            raise ProcessLookupError(process_id)
        return cls(process_id, started_ticks)

    def is_running(self) -> bool:
        """False once it has ended, even if its number lives on in another process or a zombie."""
        return _started_ticks(self.process_id) == self.started_ticks

    def send(self, signal_number: signal.Signals) -> bool:
        """Signal this very process; False when it has ended.

        The handle is opened first and the start time read after it, so that the
        number cannot change hands in between.
        """
        try:
            handle = os.pidfd_open(self.process_id)
        except ProcessLookupError:
            return False
        try:
            if not self.is_running():
                return False
            signal.pidfd_send_signal(handle, signal_number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)

    def wait_for_end(self, timeout_seconds: float) -> bool:
        """Whether it ended within the time; works for processes that are not our children."""
        try:
            handle = os.pidfd_open(self.process_id)
        except ProcessLookupError:
            return True
        try:
            if not self.is_running():
                return True
            return bool(select.select([handle], [], [], timeout_seconds)[0])
        finally:
            os.close(handle)


def _started_ticks(process_id: int) -> int | None:
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
