"""Notifier after a restored backup: nothing has to be rolled forward, and nobody is told twice.

Causes are heard again when the inputs are read again, under the names that they had. The audience
as of N makes the same chunks, and cause and recipient the same notification ids, so what is
published again is equal to what stands on the topic, and readers drop it. A mail has no reader
that drops it: which ones a server took is read back from the topic of deliveries, and those are
noted as delivered where they would be sent again. What endpoints have taken is read there too.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from notifier.handlers.people import erase_again
from notifier.ports.email import MailedBefore
from notifier.ports.unit import NotifierUnit
from servicekit.own_topics import Unexplained
from servicekit.recovery import ServiceRecovery
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True)
class RecoverNotifier(ServiceRecovery):
    """What `recover` does for notifier beyond what it does for all."""

    units: UnitsOfWork[NotifierUnit]
    mailed: MailedBefore
    recover_endpoints: Callable[[], Awaitable[list[str]]]
    read_erasures: Callable[[Sequence[Unexplained]], Sequence[tuple[str, datetime]]]

    lost = (
        "what people marked as read or hid after the backup: it is unread, and shown, again",
        "bounces, complaints and unsubscriptions after the backup: an address is tried once more",
        "people described over HTTP after the backup: they have the address and language of before",
        "preferences, and what backers chose to hear of, after the backup: what held before does",
        "mails of the last moments, taken by a server and not yet told: those go out once more",
        "personal links that were revoked after the backup: they open again",
        "followings that were confirmed, or ended, after the backup",
        "webhook endpoints registered, and secrets made, after the backup: they are made again",
        "letters and calls after the backup to whom no mail came: they wait with staff again",
        "audit records after the backup",
    )

    async def roll_forward(self, unexplained: Sequence[Unexplained]) -> list[str]:
        """Note which notifications were mailed, and erase again who was; return how many."""
        erased = [
            await self.units.run(partial(erase_again, person_id=who, at=at))
            for who, at in self.read_erasures(unexplained)
        ]
        count = 0
        async for page in self.mailed.pages():
            await self.units.run(partial(_note, notification_ids=page))
            count += len(page)
        lines = [f"{count} mails that a server had taken are not sent again"]
        return [*lines, f"{sum(erased)} people are erased again"] if any(erased) else lines

    async def reconcile(self) -> list[str]:
        """Remember what endpoints have taken; return a line for each."""
        return await self.recover_endpoints()


async def _note(unit: NotifierUnit, notification_ids: Sequence[str]) -> None:
    await unit.mailed.add(notification_ids)
