"""A backer report, as other platforms export it, read into payments: every row or its reason.

Contact columns are never read: people's names and addresses belong to notifier alone.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from funding.domain.errors import Refused
from funding.domain.person_id import is_person_id
from funding.domain.pledge import Capture, Payment, PaymentStatus
from sosst_contracts.money import MAXIMUM_AMOUNT, Money, exponent

ROWS_MAX = 10_000
IDENTIFIER_MAX = 100
IDENTIFIER = re.compile(rf"[A-Za-z0-9._:-]{{1,{IDENTIFIER_MAX}}}")
# The platform adds these to a report whose platform does not say how the money came.
PAYMENT_COLUMNS = ("provider", "payment_reference", "provider_fee", "balance_transaction")
OPTIONAL = frozenset({"reward_id", "currency", "provider_fee", "balance_transaction", "reason"})
CONTACT = re.compile(r"name|mail|nom|adresse|address|phone|téléphone|city|ville|postal", re.I)

STATUSES = {
    "captured": PaymentStatus.CAPTURED,
    "collected": PaymentStatus.CAPTURED,
    "paid": PaymentStatus.CAPTURED,
    "payé": PaymentStatus.CAPTURED,
    "pending": PaymentStatus.PENDING,
    "en attente": PaymentStatus.PENDING,
    "failed": PaymentStatus.FAILED,
    "errored": PaymentStatus.FAILED,
    "échoué": PaymentStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """How a report is read: the column of each field, the decimal sign, the shape of instants.

    `instants` is a `strptime` shape in UTC, None for RFC 3339 with its zone. `of_campaign` says
    that ids count within one campaign, so that the campaign's id is put before them.
    """

    columns: Mapping[str, str]
    decimal: str = "."
    instants: str | None = None
    of_campaign: bool = False


def _columns(**named: str) -> Mapping[str, str]:
    return {name: name for name in PAYMENT_COLUMNS} | {"reason": "reason"} | named


OWN = ("pledge_id", "backer_id", "reward_id", "amount", "currency", "status", "occurred_at")
FORMATS: Mapping[str, ReportFormat] = {
    "own": ReportFormat(_columns(**{name: name for name in OWN})),
    "kickstarter": ReportFormat(
        _columns(
            pledge_id="Backer Number",
            backer_id="Backer UID",
            reward_id="Reward ID",
            amount="Pledge Amount",
            status="Pledged Status",
            occurred_at="Pledged At",
        ),
        instants="%Y/%m/%d, %H:%M",
        of_campaign=True,
    ),
    "ulule": ReportFormat(
        _columns(
            pledge_id="Numéro de commande",
            backer_id="Identifiant",
            reward_id="Contrepartie",
            amount="Montant",
            currency="Devise",
            status="Statut",
            occurred_at="Date",
        ),
        decimal=",",
        instants="%d/%m/%Y %H:%M",
        of_campaign=True,
    ),
    "indiegogo": ReportFormat(
        _columns(
            pledge_id="Pledge ID",
            backer_id="Order No.",
            reward_id="Perk ID",
            amount="Amount",
            status="Status",
            occurred_at="Funding Date",
        ),
        instants="%Y-%m-%d %H:%M:%S",
        of_campaign=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its line in the file, as an editor counts, and what it says or why it cannot."""

    line: int
    pledge_id: str
    read: Payment | Refused


@dataclass(frozen=True, slots=True)
class BackerReport:
    """All rows, and the columns that nobody reads; `contact` are those of people."""

    rows: tuple[Row, ...]
    ignored: tuple[str, ...] = ()
    contact: tuple[str, ...] = field(default=())


def format_of(name: str, columns: Mapping[str, str]) -> ReportFormat:
    """Return a known format with some columns named otherwise; refuse what is no field of ours."""
    known = FORMATS[name]
    if strange := sorted(set(columns) - set(known.columns) - {"reward_id", "currency"}):
        raise Refused("unknown-field", f"no field of a pledge: {', '.join(strange)}")
    if contact := sorted(column for column in columns.values() if CONTACT.search(column)):
        raise Refused("contact-column", f"not for this service: {', '.join(contact)}")
    return ReportFormat(
        {**known.columns, **columns}, known.decimal, known.instants, known.of_campaign
    )


def read_report(text: str, form: ReportFormat, campaign_id: str, currency: str) -> BackerReport:
    """Read every row; raises `Refused` only where the file as a whole cannot be read."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        names = list(reader.fieldnames or ())
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise Refused("unreadable-file", f"line {reader.line_num}: {error}") from None
    _check_columns(names, form)
    if not 0 < len(lines) <= ROWS_MAX:
        raise Refused("row-count", f"{len(lines)} rows, between 1 and {ROWS_MAX} are possible")
    rows = tuple(_Reading(form, campaign_id, currency, line).row(at) for at, line in lines)
    unread = [name for name in names if name not in form.columns.values()]
    contact = tuple(name for name in unread if CONTACT.search(name))
    return BackerReport(rows, tuple(name for name in unread if name not in contact), contact)


def _check_columns(names: Sequence[str], form: ReportFormat) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused("column-twice", f"columns are there twice: {', '.join(twice)}")
    wanted = {column for one, column in form.columns.items() if one not in OPTIONAL}
    if missing := sorted(wanted - set(names)):
        raise Refused("column-missing", f"columns are missing: {', '.join(missing)}")


class _Reading:
    """One line, field by field; the first one that cannot be read is the row's reason."""

    def __init__(
        self, form: ReportFormat, campaign_id: str, currency: str, line: Mapping[str, str | None]
    ) -> None:
        self._form = form
        self._campaign_id = campaign_id
        self._currency = currency
        self._line = line

    def row(self, line: int) -> Row:
        shown = self._text("pledge_id")
        try:
            payment = self._payment()
        except Refused as refusal:
            return Row(line, shown, refusal)
        return Row(line, payment.pledge_id, payment)

    def _payment(self) -> Payment:
        if None in self._line:
            raise Refused("too-many-fields", "more fields than columns")
        status = self._status()
        return Payment(
            campaign_id=self._campaign_id,
            provider=self._identifier("provider"),
            payment_reference=self._identifier("payment_reference"),
            pledge_id=self._own_id("pledge_id"),
            backer_id=self._backer(),
            reward_id=self._identifier("reward_id") if self._text("reward_id") else None,
            money=Money(self._amount("amount"), self._of_campaign()),
            status=status,
            occurred_at=self._instant(),
            capture=self._capture() if status is PaymentStatus.CAPTURED else None,
            reason=(self._text("reason") or "unknown") if status is PaymentStatus.FAILED else None,
        )

    def _text(self, name: str) -> str:
        return (self._line.get(self._form.columns.get(name, "")) or "").strip()

    def _identifier(self, name: str) -> str:
        text = self._text(name)
        if not IDENTIFIER.fullmatch(text):
            raise _no_identifier(name, text)
        return text

    def _own_id(self, name: str) -> str:
        own = self._identifier(name)
        full = f"{self._campaign_id}:{own}" if self._form.of_campaign else own
        if len(full) > IDENTIFIER_MAX:
            raise Refused("invalid-identifier", f"{name}: {full[:40]!r}… is too long")
        return full

    def _backer(self) -> str:
        """Return who pledged: our own person, or somebody whom the other platform numbers."""
        if self._form.of_campaign:
            return self._own_id("backer_id")
        text = (self._line.get(self._form.columns["backer_id"]) or "").strip(" ")
        # Spaces are padding. Any other blank may be of an id: without it that is somebody else.
        if text != text.strip() or not is_person_id(text):
            raise _no_identifier("backer_id", text)
        return text

    def _of_campaign(self) -> str:
        told = self._text("currency") or self._currency
        if told != self._currency:
            raise Refused("other-currency", f"{told[:10]} in a campaign of {self._currency}")
        return told

    def _status(self) -> PaymentStatus:
        text = self._text("status").lower()
        if text not in STATUSES:
            raise Refused("status-not-imported", f"status: {text[:40]!r} is nothing to be imported")
        return STATUSES[text]

    def _instant(self) -> datetime:
        text = self._text("occurred_at")
        try:
            if self._form.instants:
                return datetime.strptime(text, self._form.instants).replace(tzinfo=UTC)
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                raise Refused("invalid-instant", f"occurred_at: {text[:40]!r} has no zone")
            instant = instant.astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused("invalid-instant", f"occurred_at: {text[:40]!r} is no instant") from None
        # What the database keeps, so that the same row again is the same payment.
        return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)

    def _capture(self) -> Capture:
        """Cash is only booked on the provider's own entry (`money.md` 1, R1)."""
        if not self._text("balance_transaction"):
            raise Refused("capture-incomplete", "collected money needs its balance_transaction")
        fee = self._amount("provider_fee", least=0)
        return Capture(fee, self._identifier("balance_transaction"))

    def _amount(self, name: str, least: int = 1) -> int:
        """Return minor units; a sign, a letter or a fraction of one is no amount."""
        text, digits = self._text(name), exponent(self._currency)
        sign = re.escape(self._form.decimal)
        group = "[., \u00a0\u202f]"
        bare = re.sub(rf"^[€$£]?\s*|\s*(?:[€$£]|{self._currency})?$", "", text)
        shape = rf"(\d{{1,3}}(?:(?!{sign}){group}\d{{3}})+|\d+)(?:{sign}(\d{{{digits}}}))?"
        found = re.fullmatch(shape, bare, re.ASCII) if digits else re.fullmatch(r"(\d+)()", bare)
        if found is None:
            raise Refused("invalid-amount", f"{name}: {text[:40]!r} is no amount")
        whole = re.sub(r"\D", "", found[1])
        amount = int(whole + (found[2] or "0" * digits))
        if not least <= amount <= MAXIMUM_AMOUNT:
            raise Refused("invalid-amount", f"{name}: {text[:40]!r} is too small or too large")
        return amount


def _no_identifier(name: str, text: str) -> Refused:
    said = f"{text[:40]!r} is no identifier" if text else "is empty"
    return Refused("invalid-identifier", f"{name}: {said}")
