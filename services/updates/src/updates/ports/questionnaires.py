"""Where questionnaires and replies are kept, and what seals replies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from updates.domain.address_export import AddressExport
from updates.domain.pledge import Pledge
from updates.domain.questionnaire import Questionnaire
from updates.domain.reward_reply import RewardReply, Sealed

# Campaign and pledge.
ReplyPlace = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reward is sent: the lines as they stand on the parcel."""

    name: str
    lines: tuple[str, ...]
    postcode: str
    city: str
    region: str
    country: str
    telephone: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What a reply says; in memory for as long as somebody reads it."""

    choices: Mapping[str, str]
    address: Address | None


class Sealer(Protocol):
    """Seals replies: what is sealed for one place opens at no other."""

    @property
    def key_id(self) -> str:
        """The key that seals now; replies under others are to be sealed again."""
        ...

    def seal(self, place: ReplyPlace, words: Words) -> Sealed: ...

    def open(self, place: ReplyPlace, sealed: Sealed) -> Words:
        """Return the words; `KeyAway` if no key of ours opens it."""
        ...


class KeyAway(Exception):
    """A reply was sealed with a key that is not configured, or for another place."""


class Questionnaires(Protocol):
    """Questionnaires by campaign and reward, bound to one transaction."""

    async def load(self, campaign_id: str, reward_id: str) -> Questionnaire | None: ...

    async def save(self, questionnaire: Questionnaire) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class RewardReplies(Protocol):
    """Replies, bound to one transaction."""

    async def load(self, places: Collection[ReplyPlace]) -> dict[ReplyPlace, RewardReply]: ...

    async def of_reward(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[RewardReply]:
        """Return a reward's replies by their pledges behind `after`."""
        ...

    async def of_backers(self, backers: Collection[str]) -> list[RewardReply]:
        """Return what these people replied, of all campaigns; what says nothing is left out."""
        ...

    async def save(self, replies: Sequence[RewardReply]) -> None:
        """Insert new ones (version 0) or replace loaded ones; `Conflict` if saved since."""
        ...

    async def pledges(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[Pledge]:
        """Return the pledges that chose the reward, standing or not, by their ids."""
        ...


class AddressExports(Protocol):
    """Records of exports, bound to one transaction; they are never removed."""

    async def load(
        self, campaign_id: str, reward_id: str, export_id: str
    ) -> AddressExport | None: ...

    async def save(self, export: AddressExport) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since."""
        ...


class QuestionnaireQueries(Protocol):
    """Reads outside a transaction."""

    async def questionnaires(self, campaign_id: str) -> list[Questionnaire]:
        """Return those of a campaign, by reward."""
        ...

    async def due_questionnaires(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[Questionnaire]:
        """Return those with a page due, the longest due first; all of them where now is None.

        Without the first `skip` of them.
        """
        ...

    async def due_erasures(
        self, now: datetime | None, limit: int, skip: int = 0
    ) -> list[RewardReply]:
        """Return replies to be erased, the longest due first; all of them where now is None.

        Without the first `skip` of them.
        """
        ...

    async def sealed_otherwise(
        self, key_id: str, after: ReplyPlace | None, limit: int
    ) -> list[RewardReply]:
        """Return replies under other keys than this one, by their places behind `after`."""
        ...

    async def exports(
        self, campaign_id: str, reward_id: str, after: str, limit: int
    ) -> list[AddressExport]:
        """Return the record of a reward's exports by their ids behind `after`."""
        ...
