"""What a personal link opens, what is chosen by it, and its end."""

from dataclasses import dataclass
from datetime import datetime

from notifier.domain.audience import Consent
from notifier.domain.errors import Refused
from notifier.domain.personal_link import UNKNOWN, PersonalLink, must_be_open
from notifier.handlers.titles import title_of
from notifier.ports.unit import NotifierUnit
from servicekit.audit import AuditEntry

REVOKE = "revoke personal links"


@dataclass(frozen=True, slots=True)
class Opened:
    """What the link's page shows."""

    campaign: str
    choice: Consent


async def open_link(unit: NotifierUnit, link: PersonalLink, now: datetime) -> Opened:
    """Return what the link opens; raises `Refused` where it opens nothing."""
    revoked = await unit.revocations.load(link.person_id, link.campaign_id)
    must_be_open(link, revoked, now)
    person = (await unit.people.load([link.person_id])).get(link.person_id)
    backs = await unit.memberships.has_backed(link.campaign_id, link.person_id)
    if not backs or (person is not None and person.erased):
        raise Refused(UNKNOWN, "this person backs no such campaign")
    title = await title_of(unit, link.campaign_id)
    choice = await unit.consents.of(link.campaign_id, link.person_id)
    return Opened(title, choice)


async def choose_by_link(
    unit: NotifierUnit, link: PersonalLink, choice: Consent, now: datetime
) -> Opened:
    """Choose what to hear of the campaign once it has ended; the same again changes nothing."""
    opened = await open_link(unit, link, now)
    await unit.consents.choose(link.campaign_id, link.person_id, choice)
    return Opened(opened.campaign, choice)


async def revoke_links(
    unit: NotifierUnit, person_id: str, campaign_id: str, by: str, now: datetime
) -> None:
    """End all links of a person to a campaign that were made until now."""
    await unit.revocations.revoke(person_id, campaign_id, now)
    what = {"person": person_id, "campaign": campaign_id}
    await unit.plumbing.audit.add(AuditEntry(now, by, REVOKE, what, "", "revoked"))
