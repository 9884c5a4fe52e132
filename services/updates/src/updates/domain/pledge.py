"""A pledge as other services' facts tell of it: whose it is, for which reward, and what is left.

Facts of different topics come in any order: that its money went back may be heard first.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Promise:
    """What was pledged for what; the amount in minor units."""

    backer_id: str
    reward_id: str | None
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Pledge:
    """One pledge; `emptied_by` are the refunds after which nothing of it was left.

    `promise` is None until its money is known to be collected. `version` is the compare-and-set
    guard of every save.
    """

    campaign_id: str
    pledge_id: str
    promise: Promise | None = None
    withdrawn: bool = False
    emptied_by: frozenset[str] = frozenset()
    version: int = 0

    @property
    def stands(self) -> bool:
        """Whether something of it is left, so that its reward is owed."""
        return self.promise is not None and not self.withdrawn and not self.emptied_by


def collected(pledge: Pledge, promise: Promise) -> Pledge:
    """Note its money; a pledge that was given up is one again when its money comes after all."""
    return replace(pledge, promise=promise, withdrawn=False)


def withdrawn(pledge: Pledge) -> Pledge:
    return replace(pledge, withdrawn=True)


def emptied(pledge: Pledge, refund_id: str) -> Pledge:
    return replace(pledge, emptied_by=pledge.emptied_by | {refund_id})


def refilled(pledge: Pledge, refund_id: str) -> Pledge:
    """A refund that had left nothing of it came back."""
    return replace(pledge, emptied_by=pledge.emptied_by - {refund_id})
