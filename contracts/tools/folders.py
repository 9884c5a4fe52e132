"""Where things of the contracts lie; tests point it at a copy."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders below one contracts folder."""

    root: Path

    @property
    def schemas(self) -> Path:
        return self.root / "schemas"

    @property
    def examples(self) -> Path:
        return self.root / "examples"

    @property
    def topics(self) -> Path:
        return self.root / "topics"

    @property
    def released(self) -> Path:
        return self.schemas / "released.sha256"


HERE = Folders(Path(__file__).resolve().parents[1])
