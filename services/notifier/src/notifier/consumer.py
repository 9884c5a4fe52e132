"""What notifier reads. All groups but that of people react (people are told): never reset."""

from collections.abc import Collection, Sequence

from notifier.handlers.hear import (
    CampaignsPosition,
    PledgesPosition,
    take_campaign_wide,
    take_departures,
    take_for_some,
    take_memberships,
    take_supplements,
    take_withdrawals,
)
from notifier.handlers.people import take_descriptions, take_erasures
from notifier.ports.unit import NotifierUnit
from notifier.wire import heard
from notifier.wire.people import PEOPLE_TOPIC, person_from
from servicekit.clock import Clock
from servicekit.consume import Refusal, Subscription
from sosst_contracts.codec import Decoded

PLEDGES = PledgesPosition(heard.PLEDGES_TOPIC, "notifier-funding-pledges")
CAMPAIGNS = CampaignsPosition(heard.CAMPAIGNS_TOPIC, "notifier-funding-campaigns")


def subscriptions(clock: Clock, partitions: int) -> list[Subscription[NotifierUnit]]:
    """Return one subscription per topic."""

    async def tell(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        wide = [c for fact in facts if (c := heard.campaign_wide_from(fact)) is not None]
        await take_campaign_wide(unit, wide, PLEDGES, clock.now())
        some = [o for fact in facts if (o := heard.for_some_from(fact)) is not None]
        await take_for_some(unit, some, clock.now())
        # Behind what arose: a reminder of the same batch may have lost its reason already.
        gone = [w for fact in facts for w in heard.withdrawals_from(fact)]
        await take_withdrawals(unit, gone, [one.told for one in some], PLEDGES)
        return []

    async def pledges(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        joined = [m for fact in facts if (m := heard.membership_from(fact)) is not None]
        await take_memberships(unit, joined)
        left = [d for fact in facts if (d := heard.departure_from(fact)) is not None]
        await take_departures(unit, left)
        # Behind who left: whoever did so before a cause is no supplement of it.
        await take_supplements(unit, joined, partitions, clock.now())
        return await tell(unit, facts)

    async def campaigns(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.creators.add(heard.creators_from(facts))
        await unit.creators.set_teams(heard.teams_from(facts))
        await unit.titles.add(heard.titles_from(facts))
        await unit.endings.add(heard.endings_from(facts))
        return await tell(unit, facts)

    async def posts(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.hidden_updates.keep(heard.hidings_from(facts))
        await unit.edited_updates.keep(heard.edits_from(facts))
        return await tell(unit, facts)

    async def deliveries(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        await unit.receipt_questions.keep(heard.receipt_questions_from(facts))
        return await tell(unit, facts)

    async def refunds(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        returned = [r for fact in facts if (r := heard.returned_from(fact)) is not None]
        await unit.returned.save(returned)
        return await tell(unit, facts)

    async def people(unit: NotifierUnit, facts: Sequence[Decoded]) -> list[Refusal]:
        told = [p for fact in facts if (p := person_from(fact)) is not None]
        await take_descriptions(unit, told)
        return []

    async def erased(unit: NotifierUnit, ids: Collection[str]) -> None:
        await take_erasures(unit, ids, clock.now())

    handles = {
        (heard.PLEDGES_TOPIC, PLEDGES.group): pledges,
        (CAMPAIGNS.topic, CAMPAIGNS.group): campaigns,
        (heard.POSTS_TOPIC, "notifier-updates-posts"): posts,
        (heard.PLANS_TOPIC, "notifier-updates-plans"): tell,
        (heard.CLAIMS_TOPIC, "notifier-updates-claims"): tell,
        (heard.SURVEYS_TOPIC, "notifier-updates-surveys"): tell,
        (heard.DELIVERIES_TOPIC, "notifier-updates-deliveries"): deliveries,
        (heard.REFUNDS_TOPIC, "notifier-payouts-refunds"): refunds,
        (heard.STAGES_TOPIC, "notifier-payouts-stages"): tell,
        (heard.DISPUTES_TOPIC, "notifier-payouts-disputes"): tell,
    }
    return [
        # Before those who are told: whoever is described first is written to in their language.
        Subscription(PEOPLE_TOPIC, "notifier-platform-people", False, people, erased),
        *(
            Subscription(topic, group, sequenced=True, handle=handle)
            for (topic, group), handle in handles.items()
        ),
    ]
