"""What the handlers of surveys need, and what they may rely on."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Protocol

from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_results import Answer

SurveyPlace = tuple[str, str]


class Surveys(Protocol):
    """Surveys, bound to one transaction."""

    async def load(self, campaign_id: str, survey_id: str) -> Survey | None: ...

    async def save(self, survey: Survey) -> None:
        """Insert (version 0) or replace the loaded one; `Conflict` if it was saved since.

        With an opened survey the places are made in which its participants are noted.
        """
        ...


class Answers(Protocol):
    """Answers and who gave one, bound to one transaction and kept apart (0031).

    Nothing that is stored joins the two: no time, no order, no name of one in the other.
    """

    async def has_answered(self, place: SurveyPlace, person_id: str) -> bool: ...

    async def note_answered(self, place: SurveyPlace, person_id: str) -> None:
        """Note that the person answered; `Conflict` if two of one survey do at once."""
        ...

    async def silent(self, place: SurveyPlace, people: Sequence[str]) -> list[str]:
        """Return those of these people who have not answered, in the given order."""
        ...

    async def count(self, place: SurveyPlace) -> int:
        """Return how many people answered."""
        ...

    async def load(self, place: SurveyPlace, key: str) -> Answer | None: ...

    async def named_of(self, people: Collection[str]) -> list[tuple[Survey, Answer]]:
        """Return what these people answered under their names; whose an anonymous one is, is
        nowhere.
        """
        ...

    async def put(self, place: SurveyPlace, answer: Answer) -> None:
        """Keep an answer in place of the one with the same key, if there is one."""
        ...


class AskedBackers(Protocol):
    """Who is asked, bound to one transaction: the backers of a campaign as of a sequence."""

    async def joined(self, campaign_id: str, person_id: str) -> int | None:
        """Return the sequence with which the person joined; None who holds no pledge."""
        ...

    async def keeps_a_pledge(self, campaign_id: str, person_id: str) -> bool:
        """Whether something of one of the person's pledges is left."""
        ...

    async def page(self, campaign_id: str, until: int, after: str, limit: int) -> list[str]:
        """Return those who joined until this sequence and hold a pledge, by id behind `after`."""
        ...


class SurveyQueries(Protocol):
    """Reads of surveys outside a transaction."""

    async def survey(self, campaign_id: str, survey_id: str) -> Survey | None: ...

    async def surveys(
        self, campaign_id: str, after: str, limit: int, *, drafts: bool
    ) -> list[Survey]:
        """Return a campaign's surveys by their ids behind `after`."""
        ...

    async def surveys_due(self, now: datetime | None, limit: int, skip: int = 0) -> list[Survey]:
        """Return surveys that time moves on, those due first; all of them where now is None.

        Without the first `skip` of them.
        """
        ...

    async def surveys_by_state(self) -> dict[SurveyState, int]:
        """Count all surveys."""
        ...

    def answers(self, place: SurveyPlace) -> AsyncIterator[Answer]:
        """Return all answers by their keys, which say nothing of their order or time."""
        ...
