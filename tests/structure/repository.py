"""What structure tests know of the repository."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("funding", "payouts", "updates", "notifier")
WHEELS = {
    "sosst_contracts": ROOT / "contracts",
    "servicekit": ROOT / "infra" / "servicekit",
    **{service: ROOT / "services" / service for service in SERVICES},
}


def tracked_files() -> list[Path]:
    """Return every file that git keeps, and new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]
