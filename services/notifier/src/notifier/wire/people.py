"""Who people are, as the platform says it."""

from notifier.domain.person import Person, PersonRole
from sosst_contracts import platform
from sosst_contracts.codec import Decoded

PEOPLE_TOPIC = platform.PersonDescribed.topic


def person_from(fact: Decoded) -> Person | None:
    """Read a description, None for any other fact; a role that nobody here knows is left out."""
    event = fact.event
    if not isinstance(event, platform.PersonDescribed):
        return None
    known = set(PersonRole)
    return Person(
        person_id=event.person_id,
        described_at=event.described_at,
        address=event.address,
        display_name=event.display_name,
        language=event.language,
        zone=event.zone,
        roles=frozenset(PersonRole(role) for role in event.roles if role in known),
    )
