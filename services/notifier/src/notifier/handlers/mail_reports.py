"""What comes back after a mail was taken: bounces and complaints."""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.bounce import REASONS, BounceClass
from notifier.domain.delivery import Channel, Delivery, DeliveryState, Place, Standing
from notifier.domain.person import Person
from notifier.domain.suppression import (
    SuppressionReason,
    address_digest,
    after_bounce,
    for_ever,
)
from notifier.handlers.unreached import note_unreached
from notifier.ports.email import MailReport, ReportKind, ReturnPath
from notifier.ports.unit import NotifierUnit

SENT = frozenset({DeliveryState.DELIVERED, DeliveryState.SENDING})


@dataclass(frozen=True, slots=True)
class Taken:
    """What a report changed."""

    kind: ReportKind
    bounce: BounceClass


async def take_report(unit: NotifierUnit, report: MailReport, now: datetime) -> Taken | None:
    """Note that a mail failed after all, or was unwanted; None where that is known or too late.

    The outcome of the mail follows the report. Its address is suppressed if it is still the
    person's: whoever has another one by now is written to there.
    """
    if report.kind is ReportKind.BOUNCE and not await _failed(unit, report, now):
        return None
    person = await _written_to(unit, report.path)
    if person is None or not person.address:
        return Taken(report.kind, report.bounce) if report.kind is ReportKind.BOUNCE else None
    digest = address_digest(person.address)
    known = (await unit.suppressions.load([digest])).get(digest)
    if report.kind is ReportKind.COMPLAINT:
        suppression = for_ever(known, digest, SuppressionReason.COMPLAINT)
    elif report.bounce is BounceClass.CONTENT:
        return Taken(report.kind, report.bounce)
    else:
        suppression = after_bounce(known, digest, report.bounce, now)
    if suppression == known:
        return None
    await unit.suppressions.save([suppression])
    return Taken(report.kind, report.bounce)


async def _failed(unit: NotifierUnit, report: MailReport, now: datetime) -> bool:
    """Move the recipient to failed; False if it was not sent, or is known to have failed."""
    delivery = await unit.deliveries.by_key(report.path.delivery_key)
    place = report.path.place
    if delivery is None or place >= len(delivery.standings):
        return False
    if delivery.standings[place].state not in SENT:
        return False
    reason = REASONS[report.bounce]
    await _fail(unit, delivery, place, reason, now)
    for inside in delivery.standings[place].carries:
        await _fail_inside(unit, inside, reason, now)
    return True


async def _fail_inside(unit: NotifierUnit, inside: Place, reason: str, now: datetime) -> None:
    """What went in that mail did not come either; who is forgotten by now has no outcome."""
    found = await unit.deliveries.load(Channel.EMAIL, [inside.chunk_id])
    delivery = found.get(inside.chunk_id)
    if delivery is not None and delivery.standings[inside.place].state in SENT:
        await _fail(unit, delivery, inside.place, reason, now)


async def _fail(
    unit: NotifierUnit, delivery: Delivery, place: int, reason: str, now: datetime
) -> None:
    inside = delivery.standings[place].inside
    failed = Standing(DeliveryState.FAILED, reason, inside=inside)
    await unit.deliveries.save(delivery.moved({place: failed}), [place])
    chunk = (await unit.chunks.load([delivery.chunk_id])).get(delivery.chunk_id)
    if chunk is not None:
        await note_unreached(unit, chunk, {place: failed}, now)


async def _written_to(unit: NotifierUnit, path: ReturnPath) -> Person | None:
    """Return the person, if the address that was written to is still theirs."""
    delivery = await unit.deliveries.by_key(path.delivery_key)
    if delivery is None:
        return None
    chunk = (await unit.chunks.load([delivery.chunk_id])).get(delivery.chunk_id)
    if chunk is None or path.place >= len(chunk.recipients):
        return None
    recipient = chunk.recipients[path.place]
    person = (await unit.people.load([recipient])).get(recipient)
    if person is None or not person.address:
        return None
    return person if address_digest(person.address).startswith(path.address_mark) else None
