"""What other services' events say of single pledges, in this service's words."""

from collections.abc import Callable, Sequence
from functools import partial

from sosst_contracts import funding, payouts
from sosst_contracts.codec import Decoded, Record, decode
from updates.domain.pledge import Pledge, Promise, collected, emptied, refilled, withdrawn
from updates.handlers.pledges import PledgeHeard
from updates.ports.pledged import PledgePlace


def pledges_from(facts: Sequence[Decoded]) -> list[PledgeHeard]:
    """Read those that say something of a pledge, in their order."""
    read = [(fact, _read(fact)) for fact in facts]
    return [PledgeHeard(fact.key, *said) for fact, said in read if said is not None]


def promises_from(records: Sequence[Record]) -> dict[PledgePlace, Promise]:
    """Read what was promised for the pledges that these records say were collected.

    What is no fact of ours says nothing of a pledge; who hears the topic sets it aside.
    """
    read = [one.event for one in map(decode, records) if isinstance(one, Decoded)]
    return {
        (event.campaign_id, event.pledge_id): _promise(event)
        for event in read
        if isinstance(event, funding.PledgeCollected)
    }


def _promise(event: funding.PledgeCollected) -> Promise:
    return Promise(event.backer_id, event.reward_id, event.amount, event.currency)


def _read(fact: Decoded) -> tuple[str, Callable[[Pledge], Pledge]] | None:
    match fact.event:
        case funding.PledgeCollected() as event:
            return event.pledge_id, partial(collected, promise=_promise(event))
        case funding.PledgeWithdrawn(pledge_id=pledge_id):
            return pledge_id, withdrawn
        case (payouts.RefundSucceeded(fully_refunded=True) as event) | (
            payouts.RefundPaidOtherwise(fully_refunded=True) as event
        ):
            return event.pledge_id, partial(emptied, refund_id=event.refund_id)
        case payouts.RefundFailed(pledge_id=pledge_id, refund_id=refund_id):
            return pledge_id, partial(refilled, refund_id=refund_id)
    return None
