"""What updates reads, all of it for its project view; these groups may be reset to zero."""

from collections.abc import Sequence

from servicekit.consume import Refusal, Subscription
from sosst_contracts.codec import Decoded
from updates import wire
from updates.handlers.project import project_facts
from updates.handlers.publish import PledgesPosition
from updates.ports import UpdatesUnit

PLEDGES = PledgesPosition(wire.PLEDGES_TOPIC, "updates-funding-pledges")
_GROUPS = {
    wire.CAMPAIGNS_TOPIC: "updates-funding-campaigns",
    wire.PLEDGES_TOPIC: PLEDGES.group,
    wire.REFUNDS_TOPIC: "updates-payouts-refunds",
    wire.STAGES_TOPIC: "updates-payouts-stages",
    wire.DISPUTES_TOPIC: "updates-payouts-disputes",
}


def subscriptions() -> list[Subscription[UpdatesUnit]]:
    """Return one subscription per topic."""
    return [
        Subscription(topic, group, sequenced=True, handle=_project)
        for topic, group in _GROUPS.items()
    ]


async def _project(unit: UpdatesUnit, facts: Sequence[Decoded]) -> list[Refusal]:
    await project_facts(unit, [wire.heard_from(fact) for fact in facts])
    return []
