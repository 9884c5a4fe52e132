"""A personal link to one claimable refund: for one person, for ninety days, until the next one.

Whoever holds it may see what is owed and choose a way that cannot harm its backer: the way the
money came, or to be asked by staff. Where else it is to go is only said after a full sign-in
(`domain.md` 7).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from payouts.domain.acts import Act, ActKind
from payouts.domain.errors import Refused
from payouts.domain.refund import ClaimLink, Refund, RefundState, noted

VALID = timedelta(days=90)


def issue(refund: Refund, number: int, by: str, now: datetime) -> Refund:
    """Give the refund its link of this number; the current number again is the same link.

    The next number takes the place of the link before, which opens nothing from then on.
    """
    current = refund.claim_link.number if refund.claim_link else 0
    if refund.claim_link is not None and number == current:
        return refund
    if number != current + 1:
        raise Refused("link-number", f"the next link of this refund is number {current + 1}")
    if refund.state is not RefundState.CLAIMABLE:
        raise Refused("not-claimable", f"a {refund.state} refund waits for nobody's wish")
    # What MongoDB keeps, so that the link is the same after it was saved.
    issued = now.replace(microsecond=now.microsecond - now.microsecond % 1_000)
    link = ClaimLink(number, issued, issued + VALID)
    return noted(replace(refund, claim_link=link), Act(ActKind.LINK_ISSUED, by, now))


def check_link(refund: Refund, number: int, issued_at: datetime, now: datetime) -> None:
    """Raise `Refused` unless this is the refund's link, and its time is not over."""
    link = refund.claim_link
    if link is None or (link.number, link.issued_at) != (number, issued_at):
        raise Refused("link-revoked", "another link has taken its place")
    if now >= link.expires_at:
        raise Refused("link-expired", "its ninety days are over")


def through(link: ClaimLink) -> str:
    """Return how an act says that it came by this link."""
    return f"by personal link {link.number}"


def wish_other_way(refund: Refund, now: datetime) -> Refund:
    """Note that its backer wants to be asked for another way; wished already changes nothing."""
    if refund.state is not RefundState.CLAIMABLE:
        raise Refused("not-claimable", f"a {refund.state} refund waits for nobody's wish")
    if refund.other_means is not None:
        raise Refused("told-paid", "somebody says that it is paid by other means")
    if wishes_other_way(refund):
        return refund
    assert refund.claim_link is not None
    act = Act(ActKind.WISHED_OTHER_WAY, refund.backer_id, now, through(refund.claim_link))
    return noted(refund, act)


def wishes_other_way(refund: Refund) -> bool:
    """Whether its backer waits for staff to ask, since it was last tried again."""
    wishes = (ActKind.WISHED_OTHER_WAY, ActKind.TRIED_AGAIN)
    told = [act.kind for act in refund.acts if act.kind in wishes]
    waits = refund.state is RefundState.CLAIMABLE
    return waits and bool(told) and told[-1] is ActKind.WISHED_OTHER_WAY
