"""What can still happen to one pledge's money (`money.md` 5): no unit is given back twice."""

from dataclasses import dataclass, replace
from datetime import datetime

from payouts.domain.errors import InvariantBroken, Refused


@dataclass(frozen=True, slots=True)
class PledgeMoney:
    """A collected pledge and where its money stands; amounts in minor units of `currency`.

    returnable + reserved + returned + disputed = amount + over, and nothing is below zero.
    `reserved` is in a refund (also a claimable one), `returned` has left for good, `disputed` is
    withdrawn by a chargeback that is not decided; `over` left beyond the pledge. `withdrawn` says
    that its backer took it back before the verdict, so that no fee is taken of it. `charged_back`
    of what is returned the bank took, not we; `loss` of that was the platform's, and `made_good` is
    how much of it was none.
    After `refundable_until` the provider no longer returns its payment, None: without end.
    `sequence` is where its collection stands among the campaign's pledges, 0 of one that a release
    before took.
    `reward_id` is None where no reward was chosen, or a release before did not keep it.
    """

    campaign_id: str
    pledge_id: str
    backer_id: str
    currency: str
    provider: str
    payment_reference: str
    amount: int
    returnable: int
    reserved: int = 0
    returned: int = 0
    disputed: int = 0
    over: int = 0
    withdrawn: bool = False
    charged_back: int = 0
    made_good: int = 0
    loss: int = 0
    refundable_until: datetime | None = None
    sequence: int = 0
    reward_id: str | None = None

    def __post_init__(self) -> None:
        parts = (self.returnable, self.reserved, self.returned, self.disputed)
        if min(*parts, self.amount, self.over) < 0:
            raise InvariantBroken(f"pledge {self.pledge_id} has a part below zero")
        if sum(parts) != self.amount + self.over:
            raise InvariantBroken(f"the parts of pledge {self.pledge_id} are not its amount")

    @property
    def fully_returned(self) -> bool:
        return self.returned >= self.amount

    @property
    def lacking(self) -> int:
        """What of it has not gone back, and can still (`money.md` 4): not returned, nor reserved.

        Nothing while it is disputed: the provider returns nothing of such a payment.
        """
        return 0 if self.disputed else max(0, self.returnable - self.over)


def reserve(money: PledgeMoney, amount: int) -> PledgeMoney:
    """Set an amount aside for a refund; raises `Refused` when it is not all returnable."""
    if money.disputed:
        raise Refused("disputed", f"pledge {money.pledge_id} is disputed")
    if amount <= 0 or amount > money.returnable:
        raise Refused(
            "not-returnable",
            f"{amount} of pledge {money.pledge_id} cannot be returned, {money.returnable} can",
        )
    return replace(money, returnable=money.returnable - amount, reserved=money.reserved + amount)


def give_back(money: PledgeMoney, amount: int) -> PledgeMoney:
    """The cash of a refund left (with row 4)."""
    return replace(money, reserved=money.reserved - amount, returned=money.returned + amount)


def take_back(money: PledgeMoney, amount: int) -> PledgeMoney:
    """The cash of a refund came back (with row 5): it is still owed, so still reserved."""
    return replace(money, reserved=money.reserved + amount, returned=money.returned - amount)


def release(money: PledgeMoney, amount: int) -> PledgeMoney:
    """A refund is taken back unsent (with row 8): returnable again, less what left beside it."""
    back = min(money.over, amount)
    return replace(
        money,
        reserved=money.reserved - amount,
        returnable=money.returnable + amount - back,
        over=money.over - back,
    )


def charge_back(money: PledgeMoney, amount: int) -> PledgeMoney:
    """A bank withdrew it (with row 10); what this pledge no longer has is over."""
    own = min(money.returnable, amount)
    return replace(
        money,
        returnable=money.returnable - own,
        disputed=money.disputed + amount,
        over=money.over + amount - own,
    )


def loss_that_was_none(money: PledgeMoney) -> int:
    """Return how much of the platform's loss is covered after all, once no chargeback is open.

    What left beyond the pledge is a loss; anything more was booked as one while a refund that did
    not leave in the end still held the pledge's money.
    """
    return 0 if money.disputed else max(0, money.loss - money.made_good - money.over)


def charged_back_of_own(money: PledgeMoney, amount: int) -> int:
    """Return how much of an open chargeback is this pledge's own, and not over."""
    return amount - min(money.over, amount)


def win_back(money: PledgeMoney, amount: int) -> PledgeMoney:
    """The bank gave it back (with row 11)."""
    own = charged_back_of_own(money, amount)
    return replace(
        money,
        disputed=money.disputed - amount,
        returnable=money.returnable + own,
        over=money.over - (amount - own),
    )


def lose_to_bank(money: PledgeMoney, amount: int, loss: int = 0) -> PledgeMoney:
    """The backer keeps it (with row 12): returned, by the bank instead of by us.

    `loss` of it the platform bears.
    """
    return replace(
        money,
        disputed=money.disputed - amount,
        returned=money.returned + amount,
        charged_back=money.charged_back + amount,
        loss=money.loss + loss,
    )
