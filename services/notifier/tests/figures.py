"""How many would be told, and how many were: what a dry run and the proof must agree on."""

from collections import Counter

from notifier.consumer import PLEDGES
from notifier.domain.cause import CauseKind, Told
from notifier.domain.delivery import Channel
from notifier.domain.proof import outcomes_of
from notifier.handlers.would_be_told import Counted, Page, WouldBeTold
from services.notifier.tests.builders import CAMPAIGN, NOW, Notifier

ALL = Page("", 100)


async def count(notifier: Notifier, kind: CauseKind, page: Page = ALL, **said: object) -> Counted:
    would_be_told = WouldBeTold(notifier.units, notifier.cut, PLEDGES, notifier.clock, True)
    told = Told(kind, "asked", CAMPAIGN, NOW, said)
    return await would_be_told(told, None, page)


async def told_of(notifier: Notifier, cause: str) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Return how many were told by role, and by channel what became of everybody."""
    roles: Counter[str] = Counter()
    channels: dict[str, Counter[str]] = {}
    chunks = await notifier.queries.chunks_of(cause, "", 100)
    mails = await notifier.queries.deliveries(Channel.EMAIL, [one.chunk_id for one in chunks])
    for chunk in chunks:
        found = mails.get(chunk.chunk_id)
        for one in outcomes_of(chunk, {Channel.EMAIL: found} if found else {}):
            outcome = one.reason or "told"
            channels.setdefault(one.channel, Counter())[outcome] += 1
            if one.channel == "inbox" and outcome == "told":
                roles[one.role.value] += 1
    return roles, channels
