"""Reports by readers and their cases: stores in a transaction, and what staff read."""

from datetime import datetime
from typing import NamedTuple, Protocol

from updates.domain.report import Case, Report, Thing


class Reports(Protocol):
    """Reports and cases, bound to one transaction."""

    async def load(self, thing: Thing, reporter_id: str) -> Report | None: ...

    async def made_at(self, reporter_id: str, reports_ago: int) -> datetime | None:
        """Return when the person made their last but so many, of whatever; None for none."""
        ...

    async def add(self, report: Report) -> None:
        """Add it; `DuplicateKey` if the person has reported the thing."""
        ...

    async def forget_words(self, reporter_id: str, until: datetime) -> None:
        """Forget what the person said in reports until then; that they were made stays counted."""
        ...

    async def case(self, thing: Thing) -> Case | None: ...

    async def save(self, case: Case) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class Waiting(NamedTuple):
    """How many cases nobody has decided, and since when the first of them waits."""

    cases: int
    oldest: datetime | None


class ReportQueries(Protocol):
    """Reads of reports outside a transaction."""

    async def report(self, thing: Thing, reporter_id: str) -> Report | None: ...

    async def case(self, thing: Thing) -> Case | None: ...

    async def cases_waiting(self, after: tuple[datetime, Thing] | None, limit: int) -> list[Case]:
        """Return open cases of all campaigns, the longest waiting first, behind `after`."""
        ...

    async def reports(self, thing: Thing, before: int | None, limit: int) -> list[Report]:
        """Return reports of a thing, the latest first, with numbers below `before`."""
        ...

    async def waiting(self) -> Waiting:
        """Count the open cases of all campaigns."""
        ...
