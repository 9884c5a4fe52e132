"""Which rewards are with their backers, and which claims about them are open, as of a place.

Two topics tell it, each at its own pace. Every turn keeps the sequence of its fact: what was asked
as of a place is answered alike whatever is heard later, and reading all again changes nothing.
"""

from dataclasses import dataclass, replace

# Campaign, reward, backer: all pledges of a backer for one reward are delivered together.
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RewardsAsOf:
    """The last sequence of a campaign on each topic, 0 where nothing was heard."""

    deliveries: int = 0
    claims: int = 0

    def reaches(self, other: "RewardsAsOf") -> bool:
        """Whether who knows so much can answer what is asked as of there."""
        return self.deliveries >= other.deliveries and self.claims >= other.claims


@dataclass(frozen=True, slots=True)
class Turn:
    """From this sequence on the backer has the reward, or has it no more."""

    sequence: int
    with_backer: bool


@dataclass(frozen=True, slots=True)
class RewardDelivery:
    """Since when one backer has a reward; one that nobody delivered yet has no turn."""

    campaign_id: str
    reward_id: str
    backer_id: str
    turns: tuple[Turn, ...] = ()

    def is_with_backer(self, as_of: RewardsAsOf) -> bool:
        known = [one for one in self.turns if one.sequence <= as_of.deliveries]
        return bool(known) and known[-1].with_backer


@dataclass(frozen=True, slots=True)
class RewardClaim:
    """A claim about a pledge's reward, by the sequences that opened and ended it."""

    campaign_id: str
    claim_id: str
    pledge_id: str
    opened: int
    ended: int | None = None

    def is_open(self, as_of: RewardsAsOf) -> bool:
        over = self.ended is not None and self.ended <= as_of.claims
        return self.opened <= as_of.claims and not over


@dataclass(frozen=True, slots=True)
class DeliveryHeard:
    """A fact says whether the backer has the reward now."""

    place: Place
    sequence: int
    with_backer: bool


@dataclass(frozen=True, slots=True)
class ClaimStandingHeard:
    """A fact of a claim; `ended` says that nothing more comes of it."""

    campaign_id: str
    claim_id: str
    pledge_id: str
    sequence: int
    ended: bool


def turned(delivery: RewardDelivery, heard: DeliveryHeard) -> RewardDelivery:
    """Note where the reward is; a fact that was read before, or says the same, changes nothing."""
    last = delivery.turns[-1] if delivery.turns else Turn(0, with_backer=False)
    if heard.sequence <= last.sequence or heard.with_backer is last.with_backer:
        return delivery
    return replace(delivery, turns=(*delivery.turns, Turn(heard.sequence, heard.with_backer)))


def followed(known: RewardClaim | None, heard: ClaimStandingHeard) -> RewardClaim:
    """Note that there is a claim, or that it is over; one that is over never opens again."""
    if known is None:
        over = heard.sequence if heard.ended else None
        about = (heard.campaign_id, heard.claim_id, heard.pledge_id)
        return RewardClaim(*about, opened=heard.sequence, ended=over)
    if known.ended is None and heard.ended:
        return replace(known, ended=heard.sequence)
    return known
