"""The door that a personal link opens: a notifier whose campaign Anna backs, and its routes."""

from dataclasses import dataclass

import httpx

from notifier.adapters.mail_links import SignedMailLinks
from notifier.domain.audience import Consent
from notifier.domain.personal_link import PersonalLink
from services.notifier.tests.builders import CAMPAIGN, Notifier

URL = "https://api.sosst.example"
OLD, NEW = "an older secret, long", "a newer secret, long"


def links(*secrets: str) -> SignedMailLinks:
    return SignedMailLinks(secrets, "sosst.example", f"{URL}/u", f"{URL}/f", f"{URL}/personal")


LINKS = links(NEW, OLD)


@dataclass
class Door:
    """A notifier whose campaign Anna backs, and its routes."""

    notifier: Notifier
    http: httpx.AsyncClient

    def link(
        self, person: str = "anna", campaign: str = CAMPAIGN, by: SignedMailLinks = LINKS
    ) -> str:
        at = int(self.notifier.clock.now().timestamp())
        return by.personal(PersonalLink(person, campaign, at)).removeprefix(URL)

    async def choice(self, person: str = "anna") -> Consent:
        return await self.notifier.units.run(lambda unit: unit.consents.of(CAMPAIGN, person))

    def later(self, **passed: float) -> None:
        self.notifier.clock.advance(**passed)
