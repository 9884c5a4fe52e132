"""How much memory a process takes above what it had, read from the kernel."""

from pathlib import Path

KIBIBYTES = 1_024
# Written to a process's `clear_refs` it lets its peak begin anew.
RESET_PEAK = "5"


class PeakMemory:
    """A watch over one process: how far its resident memory rose since it began."""

    def __init__(self, process_id: int) -> None:
        self._folder = Path(f"/proc/{process_id}")
        (self._folder / "clear_refs").write_text(RESET_PEAK)
        self._began = self._kibibytes("VmRSS")

    def grown_mebibytes(self) -> float:
        """Return the peak since it began, above what there was then."""
        return max(0, self._kibibytes("VmHWM") - self._began) / KIBIBYTES

    def _kibibytes(self, name: str) -> int:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
