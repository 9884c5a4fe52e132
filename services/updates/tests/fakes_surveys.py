"""Surveys and answers in memory; `test_surveys.py` holds both kinds to one suite."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from servicekit.memory import MemoryDatabase
from services.updates.tests.fakes_saving import save_versioned
from updates.domain.pledge import Pledge
from updates.domain.survey import Survey, SurveyState
from updates.domain.survey_results import Answer
from updates.ports.surveys import SurveyPlace


class MemorySurveys:
    def __init__(self, database: MemoryDatabase) -> None:
        self._surveys: dict[SurveyPlace, Survey] = database.table("surveys")

    async def load(self, campaign_id: str, survey_id: str) -> Survey | None:
        return self._surveys.get((campaign_id, survey_id))

    async def save(self, survey: Survey) -> None:
        save_versioned(self._surveys, (survey.campaign_id, survey.survey_id), survey)


class MemoryAnswers:
    def __init__(self, database: MemoryDatabase) -> None:
        self._answers: dict[tuple[SurveyPlace, str], Answer] = database.table("answers")
        self._people: dict[tuple[SurveyPlace, str], bool] = database.table("participants")
        self._surveys: dict[SurveyPlace, Survey] = database.table("surveys")

    async def has_answered(self, place: SurveyPlace, person_id: str) -> bool:
        return (place, person_id) in self._people

    async def note_answered(self, place: SurveyPlace, person_id: str) -> None:
        self._people[place, person_id] = True

    async def silent(self, place: SurveyPlace, people: Sequence[str]) -> list[str]:
        return [person for person in people if (place, person) not in self._people]

    async def count(self, place: SurveyPlace) -> int:
        return sum(1 for of, _ in self._people if of == place)

    async def load(self, place: SurveyPlace, key: str) -> Answer | None:
        return self._answers.get((place, key))

    async def named_of(self, people: Collection[str]) -> list[tuple[Survey, Answer]]:
        found = [(place, one) for (place, _), one in self._answers.items() if one.person in people]
        return [(self._surveys[place], one) for place, one in found]

    async def put(self, place: SurveyPlace, answer: Answer) -> None:
        self._answers[place, answer.key] = answer


class MemoryAskedBackers:
    def __init__(self, database: MemoryDatabase) -> None:
        self._held: dict[tuple[str, str], int] = database.table("backers")
        self._joined: dict[tuple[str, str], int] = database.table("joined")
        self._pledges: dict[tuple[str, str], Pledge] = database.table("pledges")

    async def joined(self, campaign_id: str, person_id: str) -> int | None:
        pair = (campaign_id, person_id)
        return self._joined[pair] if self._held.get(pair) else None

    async def keeps_a_pledge(self, campaign_id: str, person_id: str) -> bool:
        mine = [one for (campaign, _), one in self._pledges.items() if campaign == campaign_id]
        return any(one.stands and one.promise.backer_id == person_id for one in mine if one.promise)

    async def page(self, campaign_id: str, until: int, after: str, limit: int) -> list[str]:
        found = [
            person
            for (campaign, person), joined in sorted(self._joined.items())
            if campaign == campaign_id and joined <= until and person > after
        ]
        return [person for person in found if self._held[campaign_id, person]][:limit]


class MemorySurveyQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._surveys: dict[SurveyPlace, Survey] = database.table("surveys")
        self._answers: dict[tuple[SurveyPlace, str], Answer] = database.table("answers")

    async def survey(self, campaign_id: str, survey_id: str) -> Survey | None:
        return self._surveys.get((campaign_id, survey_id))

    async def surveys(
        self, campaign_id: str, after: str, limit: int, *, drafts: bool
    ) -> list[Survey]:
        found = [
            one
            for (campaign, survey_id), one in sorted(self._surveys.items())
            if campaign == campaign_id and survey_id > after
        ]
        return [one for one in found if drafts or one.state is not SurveyState.DRAFT][:limit]

    async def surveys_due(self, now: datetime | None, limit: int, skip: int = 0) -> list[Survey]:
        due = [(one.next_due, place, one) for place, one in self._surveys.items() if one.next_due]
        found = [one for at, _, one in sorted(due, key=lambda d: d[:2]) if now is None or at <= now]
        return found[skip : skip + limit]

    async def surveys_by_state(self) -> dict[SurveyState, int]:
        return dict(Counter(one.state for one in self._surveys.values()))

    async def answers(self, place: SurveyPlace) -> AsyncIterator[Answer]:
        for of, key in sorted(self._answers):
            if of == place:
                yield self._answers[of, key]
