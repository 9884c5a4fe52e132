"""What a stage gets as things are now, and whether its turn has come (`money.md` 4 and 7)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.book import Book, fees_due
from payouts.domain.errors import Refused
from payouts.domain.fees import LastStage, divide_last
from payouts.domain.holds import open_holds
from payouts.domain.ledger import Account
from payouts.domain.plan import StageKind, stage_amount
from payouts.domain.quantum import DUST, floor_to
from payouts.domain.stage import OVER, Stage, StageDecision, StageState, make_due
from payouts.domain.stage_approval import hold, milestone_reached, nothing_to_pay


@dataclass(frozen=True, slots=True)
class AmountNow:
    """The amount in minor units; `divided` is there for the last stage, after fees.

    `dust` says that something is there for it, and less than the provider pays out.
    """

    amount: int
    divided: LastStage | None = None
    dust: bool = False


def amount_now(
    book: Book, stage: Stage, previous: Sequence[Stage], at_most: int | None = None
) -> AmountNow:
    """Return what the stage gets if it is approved now; `Refused` without verdict or terms.

    A supplement gets all that is there. Where the ledger of a restored book has its approval, that
    was `at_most`, and more may be there now: another amount would not be what is sealed, and nobody
    could ever approve it.
    """
    verdict, available = book.verdict, book.balances[Account.BACKER_FUNDS]
    if verdict is None:
        raise Refused("no-verdict", "there is no verdict")
    if stage.kind is StageKind.LAST:
        divided = divide_last(available, fees_due(book), book.quantum)
        return AmountNow(divided.payable, divided, _is_dust(divided.payable, divided.dust))
    exact = available
    if stage.kind is not StageKind.SUPPLEMENT:
        approved = sum(one.payable for one in previous)
        shares = verdict.shares_basis_points
        exact = stage_amount(stage.number, verdict.collected, shares, available, approved)
    if stage.kind is StageKind.SUPPLEMENT and at_most is not None:
        exact = min(exact, at_most)
    amount = floor_to(exact, book.quantum)
    return AmountNow(amount, dust=_is_dust(amount, exact - amount))


def _is_dust(amount: int, rest: int) -> bool:
    return amount == 0 and rest > 0


_OPEN = frozenset({StageState.DUE, StageState.HELD, StageState.AWAITING_SECOND_APPROVAL})


def shown(book: Book, stage: Stage, previous: Sequence[Stage], at_most: int | None = None) -> Stage:
    """Return the stage with what an approval would give it now, while it waits for one.

    Whoever approves says what was shown, so what is shown is never what was there before.
    """
    if stage.state not in _OPEN:
        return stage
    return replace(stage, amount=amount_now(book, stage, previous, at_most).amount)


def check_left(book: Book, gets: AmountNow, kept_back: int) -> None:
    """Raise `Refused` where the stage would take what is kept for blocked refunds."""
    fees = gets.divided.covered.total if gets.divided else 0
    taken = gets.amount + fees
    if taken and book.balances[Account.BACKER_FUNDS] - taken < kept_back:
        raise Refused("refund-blocked", f"{kept_back} of what is there wait for a bank's decision")


def end_where_nothing_is_left(
    book: Book, stage: Stage, previous: Sequence[Stage], now: datetime
) -> StageDecision:
    """End a stage that is due by itself once what was there for it is spent otherwise.

    For supplements: nobody would approve nothing, and the book would stay open for it.
    """
    gets = amount_now(book, stage, previous)
    if gets.amount:
        return StageDecision(stage)
    return nothing_to_pay(stage, now, DUST if gets.dust else None)


def become_due(
    book: Book, stage: Stage, previous: Sequence[Stage], now: datetime
) -> StageDecision | None:
    """Make a planned stage due once its milestone is approved and all before it are over.

    None while its turn has not come, nor for the last one while the terms of its fees are unknown:
    what is saved with the stage before must not fail for it. Nothing to pay ends a stage at once,
    but not the last one, whose fees somebody has to approve; a hold that is open holds it from the
    start.
    """
    over = all(one.state in OVER for one in previous)
    if stage.state is not StageState.PLANNED or not over or not milestone_reached(stage):
        return None
    if stage.kind is StageKind.LAST and book.fees is None:
        return None
    now_gets = amount_now(book, stage, previous)
    due = make_due(stage, now_gets.amount, now)
    if now_gets.amount == 0 and stage.kind is not StageKind.LAST:
        return due.then(nothing_to_pay(due.stage, now, DUST if now_gets.dust else None))
    if holding := open_holds(book.holds):
        return due.then(hold(due.stage, holding[0].reason, now))
    return due
