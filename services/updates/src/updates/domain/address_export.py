"""The record of an export of replies: who took which, when; never what they say."""

from dataclasses import dataclass, replace
from datetime import datetime

from updates.domain.errors import Refused

READS_MAX = 100


@dataclass(frozen=True, slots=True)
class ExportRead:
    """One taking of the file."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AddressExport:
    """One export of a reward's replies; `pledges` says whose they are, the same at every taking."""

    campaign_id: str
    reward_id: str
    export_id: str
    pledges: tuple[str, ...]
    reads: tuple[ExportRead, ...]
    version: int = 0


def taken(export: AddressExport, by: str, now: datetime) -> AddressExport:
    """Note that the file was taken once more, by whoever began the export alone."""
    if export.reads[0].by != by:
        raise Refused("export-of-another", "somebody else began this export; begin your own")
    if len(export.reads) >= READS_MAX:
        raise Refused("export-worn", "it was taken so often that a new one is due")
    return replace(export, reads=(*export.reads, ExportRead(by, now)))
