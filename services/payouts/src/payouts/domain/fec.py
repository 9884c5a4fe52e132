"""The file of entries that the French tax office asks for (FEC, article A47 A-1 of the LPF).

Eighteen fields in this order, dates as AAAAMMJJ, decimals with a comma. The book's row 23 is not in
it: it settles incomes and costs, which the norm leaves out, so that classes 6 and 7 show the result
of the year. Every posting is an entry of its own, numbered without a gap over the whole file.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from payouts.domain.block import Block, SealedEntry
from payouts.domain.ledger import Account, Row
from sosst_contracts.money import exponent

FIELDS = (
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
)
SEPARATOR = "\t"

# Numbers of the French chart (PCG) and what they are called. Money of others is of class 46, and
# shows whose campaign it is in the auxiliary account; only fees and costs are the platform's.
CHART: dict[Account, tuple[str, str]] = {
    # Cash at the provider, kept apart from the platform's own.
    Account.PROVIDER_BALANCE: ("512100", "Prestataire de paiement, fonds des campagnes"),
    Account.CREATOR_ACCOUNT: ("512200", "Comptes connectés, virements à confirmer"),
    # Owed by creators: fees and advances.
    Account.CREATOR_RECEIVABLE: ("411000", "Porteurs de projet, créances"),
    Account.BACKER_FUNDS: ("467100", "Fonds des contributeurs"),
    Account.CREATOR_PAYABLE: ("467200", "Porteurs de projet, tranches approuvées"),
    Account.PAYOUTS_IN_FLIGHT: ("467300", "Porteurs de projet, virements en cours"),
    Account.REFUNDS_IN_FLIGHT: ("467400", "Contributeurs, remboursements en cours"),
    Account.CLAIMABLE: ("467500", "Contributeurs, remboursements à réclamer"),
    Account.DISPUTED_AT_SCHEME: ("467600", "Contestations bancaires en cours"),
    Account.DISPUTES_RESERVED: ("467700", "Fonds réservés aux contestations"),
    # Between the campaigns and the platform's own cash; its other side is in the platform's books.
    Account.PLATFORM_CURRENT: ("181000", "Compte de liaison plateforme et campagnes"),
    Account.TAX_PAYABLE: ("445710", "TVA collectée"),
    Account.PROVIDER_COSTS: ("627800", "Commissions du prestataire de paiement"),
    Account.LOSS_COSTS: ("654000", "Pertes sur créances irrécouvrables"),
    Account.COMPENSATION_COSTS: ("658100", "Indemnités aux contributeurs"),
    Account.PLATFORM_FEE_INCOME: ("706100", "Commissions de la plateforme"),
    Account.PROCESSING_FEE_INCOME: ("706200", "Frais de traitement refacturés"),
}
# What earlier years earned or lost, when a year begins.
PROFIT = ("110000", "Report à nouveau, solde créditeur")
LOSS = ("119000", "Report à nouveau, solde débiteur")

BANK = ("BQ", "Banque")
SALES = ("VE", "Ventes")
OTHER = ("OD", "Opérations diverses")
OPENING = ("AN", "À nouveaux")

WORDS: dict[Row, str] = {
    Row.PLEDGE_COLLECTED: "Contribution encaissée",
    Row.REFUND_REQUESTED: "Remboursement demandé",
    Row.REFUND_CASH_LEFT: "Remboursement versé",
    Row.REFUND_CASH_BACK: "Remboursement revenu impayé",
    Row.REFUND_CLAIMABLE: "Remboursement à réclamer",
    Row.PAID_OTHERWISE: "Remboursement par un autre moyen",
    Row.REFUND_CANCELLED: "Remboursement annulé",
    Row.DISPUTE_OPENED: "Contestation bancaire",
    Row.DISPUTE_WON: "Contestation gagnée",
    Row.DISPUTE_LOST: "Contestation perdue",
    Row.STAGE_APPROVED: "Tranche approuvée",
    Row.LAST_STAGE_APPROVED: "Dernière tranche et commissions",
    Row.STAGE_SUBMITTED: "Tranche envoyée",
    Row.STAGE_CASH: "Virement au porteur de projet",
    Row.STAGE_LATE_FAILURE: "Virement revenu impayé",
    Row.STAGE_REVERSED: "Virement repris",
    Row.STAGE_CANCELLED: "Tranche annulée",
    Row.COMPENSATION: "Indemnité",
    Row.DEBT: "Créance éteinte",
    Row.MONEY_BACK: "Tranche complémentaire",
    Row.CLOSE: "Clôture du livre de campagne",
}
# Rows that book fees.
_SALES = frozenset({Row.LAST_STAGE_APPROVED})


@dataclass(frozen=True, slots=True)
class Year:
    """A fiscal year of twelve months by its last day; days are in UTC, as those of the books."""

    ending: date

    @property
    def begins(self) -> datetime:
        after = self.ending + timedelta(days=1)
        try:
            first = after.replace(year=after.year - 1)
        except ValueError:
            first = date(after.year - 1, 3, 1)
        return datetime.combine(first, time(), UTC)

    @property
    def ends(self) -> datetime:
        """The first instant that is not in it."""
        return datetime.combine(self.ending + timedelta(days=1), time(), UTC)


@dataclass(slots=True)
class Fec:
    """Makes the lines of one year of the books in one currency, block by block, in order of time.

    What was booked before the year is folded into its opening entry; of no block anything is kept.
    """

    year: Year
    currency: str
    number: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _before: Counter[Account] = field(default_factory=Counter)
    _opened: bool = False

    def header(self) -> str:
        return SEPARATOR.join(FIELDS)

    def take(self, block: Block, dated: Mapping[str, datetime]) -> Iterator[str]:
        """Return the lines of a block; those before the year only move its opening.

        `dated` says of balance transactions when they were at the provider.
        """
        if block.currency != self.currency:
            self.left_out[block.currency] += len(block.entries)
            return
        entries = [one for one in block.entries if one.row is not Row.CLOSE]
        if block.sealed_at < self.year.begins:
            for one in entries:
                self._before[one.entry.debit] += one.entry.amount
                self._before[one.entry.credit] -= one.entry.amount
            return
        yield from self.open()
        for one in entries:
            if one.line == 1:
                self.number += 1
            yield from self._lines(block, one, dated)

    def open(self) -> Iterator[str]:
        """Return the opening entry, once: every account but those of results, which it sums up."""
        if self._opened:
            return
        self._opened = True
        found = dict(opening(self._before))
        if not found:
            return
        self.number += 1
        day = _day(self.year.begins)
        for account, balance in sorted(found.items()):
            yield self._line(OPENING, day, account, "", ("AN", day), "À nouveau", balance)

    def _lines(
        self, block: Block, sealed: SealedEntry, dated: Mapping[str, datetime]
    ) -> Iterator[str]:
        day, journal = _day(block.sealed_at), _journal(sealed)
        piece = sealed.balance_transaction or sealed.cause
        own = _day(dated[piece]) if piece in dated else day
        words = f"{WORDS[sealed.row]} {block.campaign_id}"
        for account, amount in (
            (sealed.entry.debit, sealed.entry.amount),
            (sealed.entry.credit, -sealed.entry.amount),
        ):
            number = CHART[account]
            whose = block.campaign_id if number[0][:2] in ("41", "46") else ""
            yield self._line(journal, day, number, whose, (piece, own), words, amount)

    def _line(
        self,
        journal: tuple[str, str],
        day: str,
        account: tuple[str, str],
        whose: str,
        piece: tuple[str, str],
        words: str,
        amount: int,
    ) -> str:
        """Return one line; an amount below zero is a credit."""
        debit = self._decimal(max(0, amount))
        credit = self._decimal(max(0, -amount))
        values = (
            *journal,
            str(self.number),
            day,
            *account,
            whose,
            f"Campagne {whose}" if whose else "",
            *piece,
            words,
            debit,
            credit,
            "",
            "",
            day,
            "",
            "",
        )
        return SEPARATOR.join(map(_clean, values))

    def _decimal(self, amount: int) -> str:
        digits = exponent(self.currency)
        whole, rest = divmod(amount, 10**digits)
        return f"{whole},{rest:0{digits}}" if digits else f"{whole}"


def opening(before: Mapping[Account, int]) -> Iterator[tuple[tuple[str, str], int]]:
    """Return what each account begins the year with, debits above zero."""
    result = 0
    for account, balance in before.items():
        if CHART[account][0][0] in "67":
            result += balance
        elif balance:
            yield CHART[account], balance
    if result:
        yield (LOSS if result > 0 else PROFIT), result


def file_name(siren: str, year: Year) -> str:
    return f"{siren}FEC{year.ending:%Y%m%d}.txt"


def _journal(sealed: SealedEntry) -> tuple[str, str]:
    if sealed.balance_transaction is not None:
        return BANK
    return SALES if sealed.row in _SALES else OTHER


def _day(at: datetime) -> str:
    return at.strftime("%Y%m%d")


def _clean(text: str) -> str:
    """What separates fields and lines does not stand in them."""
    return "".join(" " if one in "\t\r\n|" else one for one in text)
