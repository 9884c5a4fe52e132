"""Who of a campaign's backers is not told of a cause: one way, for its audience and supplements."""

from collections.abc import Collection

from notifier.domain.audience import Consent, Hushed, Limit, limit_of, rewards_of
from notifier.domain.cause import Cause
from notifier.ports.audience import Sieve


async def hushed_of(sieve: Sieve, cause: Cause, until: int) -> Hushed | None:
    """Find out who is not told, as of a sequence of the pledges.

    Most causes are told to everybody, and ask for nobody: None.
    """
    told, campaign_id = cause.told, cause.told.campaign_id
    limit = limit_of(told, await sieve.ending(campaign_id), cause.campaign_sequence)
    refunded: Collection[str] = ()
    consenting: Collection[str] | None = None
    if limit is Limit.NOT_REFUNDED:
        refunded = await sieve.refunded(campaign_id, until, told.caused_at)
    if limit is Limit.CONSENTING:
        consenting = await sieve.consenting(campaign_id, [Consent.KEEP_IN_TOUCH])
    rewards = rewards_of(told)
    rewarded = None
    if rewards is not None:
        rewarded = await sieve.with_rewards(campaign_id, until, rewards)
    return Hushed(refunded, consenting, rewarded) or None
