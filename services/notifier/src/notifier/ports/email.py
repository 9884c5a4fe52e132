"""What the channel e-mail needs from outside: letters, a server that takes them, links in them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from notifier.domain.bounce import BounceClass
from notifier.domain.cause import Told, Totals
from notifier.domain.chunk import Chunk
from notifier.domain.delivery import Channel, Delivery, Standing
from notifier.domain.follow import FollowWish
from notifier.domain.kind import ToldAs
from notifier.domain.personal_link import PersonalLink
from notifier.domain.suppression import Suppression, SuppressionReason


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a letter: where, in which language, in which zone, and how they want to be named.

    `zone` is an IANA name; an unknown language or zone is read as the first one of ours, and UTC.
    """

    person_id: str
    address: str
    name: str
    language: str
    zone: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One notification for one reader; `return_path` is where its bounces go.

    `others` are told of in the same mail, behind it: of the same project, to the same role.
    """

    told: Told
    campaign: str
    notification_id: str
    reader: Reader
    return_path: str
    written_at: datetime
    may_be_muted: bool
    role: ToldAs = ToldAs.BACKER
    others: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter as it goes over the wire: sender and recipient of the envelope, and its bytes."""

    sender: str
    recipient: str
    content: bytes


class LetterRefused(Exception):
    """No mail can be made of this letter; `reason` is a stable word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Letters(Protocol):
    """Writes letters."""

    def write(self, letter: Letter) -> Mail:
        """Return the mail; the same letter again has the same Message-ID.

        Raises `LetterRefused` for an address or a size that no server would take.
        """
        ...


class Answered(StrEnum):
    """What became of a mail that was handed to the server.

    Taken: it is the server's now. Later: not now, whatever the reason. Refused: never, by `code`
    and `status`. Unknown: everything was sent and no answer came. Away: nobody takes anything from
    us now, which says nothing of this mail. Held: its domain takes nothing now, which says nothing
    of it either; no server answers so.
    """

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    AWAY = "away"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer: its code and enhanced status, never its words.

    `again_at` is when what is held comes again. `bounce` is what a refusal, and a `later` that is
    the last word, say of the address.
    """

    answered: Answered
    code: int = 0
    status: str = ""
    again_at: datetime | None = None
    bounce: BounceClass = BounceClass.CONTENT


class MailServer(Protocol):
    """The server that takes our mail."""

    async def send(self, mail: Mail) -> Answer:
        """Hand over one mail; never raises for what a server or the network does."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """What the address that a bounce comes back to says: which recipient of which delivery.

    `address_mark` is a short mark of the address that was written to, so that a bounce of an old
    address says nothing of a new one.
    """

    delivery_key: str
    place: int
    address_mark: str


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """Whose mails about which campaign are turned off."""

    person_id: str
    campaign_id: str


class ReportKind(StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"


@dataclass(frozen=True, slots=True)
class MailReport:
    """What came back of a mail of ours, after the server had taken it."""

    kind: ReportKind
    path: ReturnPath
    bounce: BounceClass


class MailLinks(Protocol):
    """Names that only we can have made, in addresses and links."""

    def return_path(self, path: ReturnPath) -> str:
        """Return the address that bounces of this mail go to."""
        ...

    def read_return_path(self, address: str) -> ReturnPath | None:
        """Return what the address says, None if it is not one of ours."""
        ...

    def follow(self, wish: FollowWish) -> str:
        """Return the link by which a reader confirms that they follow."""
        ...

    def personal(self, link: PersonalLink) -> str:
        """Return the person's own link to what they may do about the campaign."""
        ...

    def read_personal(self, token: str) -> PersonalLink | None:
        """Return what a link says, None if it is not one of ours."""
        ...

    def read_follow(self, token: str) -> FollowWish | None:
        """Return what a link says, None if it is not one of ours."""
        ...

    def read_unsubscribe(self, token: str) -> Unsubscription | None:
        """Return what a link says, None if it is not one of ours."""
        ...


class Suppressions(Protocol):
    """Addresses that are not written to, by their digest; bound to one transaction."""

    async def load(self, digests: Collection[str]) -> dict[str, Suppression]: ...

    async def save(self, suppressions: Collection[Suppression]) -> None:
        """Keep these in the place of what was known of their addresses."""
        ...


class Deliveries(Protocol):
    """How far chunks have come on a channel; bound to one transaction."""

    async def load(self, channel: Channel, chunk_ids: Collection[str]) -> dict[str, Delivery]: ...

    async def by_key(self, key: str) -> Delivery | None:
        """Return the delivery of this short name."""
        ...

    async def open_beside(self, delivery: Delivery, most: int) -> list[str]:
        """Return chunks with people who wait for what may be merged with this one's, up to `most`.

        Of other causes of the same campaign, merged as this one's on the same channel.
        """
        ...

    async def open_among(self, delivery: Delivery, chunk_ids: Collection[str]) -> list[str]:
        """Return those of these chunks that `open_beside` would find, were it to find all."""
        ...

    async def add_new(self, deliveries: Sequence[Delivery]) -> None:
        """Keep the deliveries whose chunk has none on their channel yet."""
        ...

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        """Sum the outcomes of a cause on a channel; None where it tells nobody of it."""
        ...

    async def shed(self, channel: Channel, chunk_ids: Collection[str]) -> None:
        """Forget who came to which outcome in these: they are found no more, their sums stay.

        One that is still open stays as it is.
        """
        ...

    async def save(self, delivery: Delivery, places: Collection[int]) -> None:
        """Write the standings at these places, and the sums anew, in one update.

        Two transactions that save the same delivery conflict, so that no sum overlooks the other.
        """
        ...


class Unsubscriptions(Protocol):
    """Whose mails about a project are turned off; bound to one transaction."""

    async def add(self, wish: Unsubscription) -> None:
        """Keep the wish; the same again changes nothing."""
        ...

    async def end(self, wish: Unsubscription) -> None:
        """Keep the wish no more; one that is not there changes nothing."""
        ...

    async def of(self, campaign_id: str, people: Collection[str]) -> set[str]:
        """Return which of these people want no mails about the campaign."""
        ...


class Mailed(Protocol):
    """Notifications that a server took before a backup was restored; in one transaction."""

    async def add(self, notification_ids: Sequence[str]) -> None:
        """Keep them; one that is known stays."""
        ...

    async def among(self, notification_ids: Collection[str]) -> set[str]:
        """Return which of these are known."""
        ...


class MailedBefore(Protocol):
    """What was told of mails while this database was another one."""

    def pages(self) -> AsyncIterator[list[str]]:
        """Stream the notifications that a server has taken."""
        ...


class MailOutcomes(Protocol):
    """Says on `notifier.deliveries` what became of mails."""

    async def tell(self, chunk: Chunk, standings: Mapping[int, Standing], now: datetime) -> None:
        """Tell of the recipients at these places; of who has no outcome nothing is told."""
        ...


class EmailQueries(Protocol):
    """Reads outside a transaction."""

    async def totals(self, channel: Channel, cause: str) -> Totals | None:
        """Sum the outcomes of a cause on a channel; None where it tells nobody of it."""
        ...

    async def last_due(self, channel: Channel, cause: str) -> datetime | None:
        """Return to when the last of a cause's people is put off; None where nobody is.

        They wait for their mail domain, for the end of a night, a digest, or another try.
        """
        ...

    async def queued(self, channel: Channel) -> dict[int, int]:
        """Return how many recipients have no outcome yet, by priority."""
        ...

    async def suppressed(self, now: datetime) -> dict[SuppressionReason, int]:
        """Count the addresses that are not written to now."""
        ...
