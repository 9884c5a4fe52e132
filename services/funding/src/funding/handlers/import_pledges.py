"""A backer report becomes pledges: all rows are judged first, and only then anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from funding.domain.backer_report import BackerReport, ReportFormat, read_report
from funding.domain.errors import Refused
from funding.domain.pledge import Payment
from funding.handlers.payments import judge, take_payments
from funding.ports import FundingUnit
from servicekit.units import UnitsOfWork

PAGE = 500


@dataclass(frozen=True, slots=True)
class ImportPledges:
    """What is asked for: dry unless `write`, and whole unless `with_errors`."""

    campaign_id: str
    text: str
    form: ReportFormat
    write: bool = False
    with_errors: bool = False


@dataclass(frozen=True, slots=True)
class RowResult:
    """What becomes of a row: `new`, `known` (the same is here already), or `refused` and why."""

    line: int
    pledge_id: str
    outcome: str
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The report of an import; `written` says whether the new rows are pledges now."""

    rows: tuple[RowResult, ...]
    written: bool
    ignored: tuple[str, ...]
    contact: tuple[str, ...]

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)


async def import_pledges(units: UnitsOfWork[FundingUnit], command: ImportPledges) -> Imported:
    """Judge every row and, where that is asked for, write the good ones in pages.

    A crash between two pages is healed by the same import again: what is here is known by its
    provider, payment reference and status. Nothing of a file with a refused row is written unless
    asked. Raises `Refused` for a file that cannot be read at all.
    """
    report, results = await units.run(lambda unit: _judged(unit, command))
    refused = any(row.outcome == "refused" for row in results)
    if not command.write or (refused and not command.with_errors):
        return Imported(tuple(results), False, report.ignored, report.contact)
    good = iter(place for place, row in enumerate(report.rows) if isinstance(row.read, Payment))
    while page := list(islice(good, PAGE)):
        payments = [p for at in page if isinstance(p := report.rows[at].read, Payment)]
        answers = await units.run(partial(take_payments, payments=payments))
        for at, answer in zip(page, answers, strict=True):
            if isinstance(answer, Refused):
                results[at] = _refused(results[at].line, results[at].pledge_id, answer)
    return Imported(tuple(results), True, report.ignored, report.contact)


async def _judged(
    unit: FundingUnit, command: ImportPledges
) -> tuple[BackerReport, list[RowResult]]:
    campaign = (await unit.campaigns.load([command.campaign_id])).get(command.campaign_id)
    if campaign is None:
        raise Refused("campaign-unknown", f"no campaign {command.campaign_id!r}")
    currency = campaign.launch.currency
    report = read_report(command.text, command.form, command.campaign_id, currency)
    payments = [row.read for row in report.rows if isinstance(row.read, Payment)]
    return report, _results(report, await judge(unit, payments))


def _results(report: BackerReport, judged: Sequence[bool | Refused]) -> list[RowResult]:
    answers = iter(judged)
    results = []
    for row in report.rows:
        answer = row.read if isinstance(row.read, Refused) else next(answers)
        if isinstance(answer, Refused):
            results.append(_refused(row.line, row.pledge_id, answer))
        else:
            results.append(RowResult(row.line, row.pledge_id, "new" if answer else "known"))
    return results


def _refused(line: int, pledge_id: str, refusal: Refused) -> RowResult:
    return RowResult(line, pledge_id, "refused", refusal.reason, refusal.detail)
