"""Letters for tests: a sender, a reader, and something to say for every kind of cause."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from notifier.adapters.letters import LetterWriter, Sender
from notifier.adapters.letters.samples import SAMPLES
from notifier.adapters.letters.styles import inlined
from notifier.domain.cause import CauseKind, Told
from notifier.domain.follow import FollowWish
from notifier.domain.kind import ToldAs, rules_of
from notifier.domain.notification import notification_id
from notifier.domain.personal_link import PersonalLink
from notifier.ports.email import Letter, Reader
from services.notifier.tests.builders import CAMPAIGN, NOW

ANNA = Reader("anna", "anna@a.example", "Anna", "fr", "Europe/Paris")
BEN = Reader("ben", "ben@b.example", "", "en-GB", "America/New_York")
# What a creator may call a campaign who means harm: out of an element, an attribute, a template.
HOSTILE_TITLES = (
    '"><script>alert(1)</script>',
    "</dd><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}<script>",
)


def unsubscribe(person_id: str, campaign_id: str) -> str:
    return (
        f"https://api.sosst.example/unsubscribe?{urlencode({'of': person_id, 'at': campaign_id})}"
    )


def follow(wish: FollowWish) -> str:
    named = {"of": wish.person_id, "on": wish.campaign_id, "at": wish.asked_at}
    return f"https://api.sosst.example/follow?{urlencode(named)}"


def personal(link: PersonalLink) -> str:
    named = {"for": link.person_id, "on": link.campaign_id, "at": link.issued_at}
    return f"https://api.sosst.example/personal?{urlencode(named)}"


SENDER = Sender(
    "news@sosst.example", "SOSST", "https://sosst.example", unsubscribe, follow, personal
)


def letter_writer(*, own_pages: bool = False) -> LetterWriter:
    return LetterWriter(replace(SENDER, own_pages=own_pages), inlined)


def letter(
    kind: CauseKind,
    reader: Reader = ANNA,
    *,
    content: Mapping[str, object] | None = None,
    campaign: str = "A lamp",
    subject: str = "subject-1",
    at: datetime = NOW,
    role: ToldAs = ToldAs.BACKER,
) -> Letter:
    first = SAMPLES.get(kind, ({},))[0]
    told = Told(kind, subject, CAMPAIGN, at, first if content is None else content)
    return Letter(
        told=told,
        campaign=campaign,
        notification_id=notification_id(told.cause, at, reader.person_id),
        reader=reader,
        return_path="bounce+key@sosst.example",
        written_at=at,
        may_be_muted=rules_of(told).mutable,
        role=role,
    )
