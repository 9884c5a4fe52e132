"""What a survey's answers come to: counts and words by question, hidden while they are few."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from updates.domain.survey import Question, QuestionKind, Survey, Values
from updates.domain.survey_terms import USUAL_SURVEY_TERMS, SurveyTerms


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `person` is known of a named survey only, `key` is then the same.

    Of an anonymous one the key is made of a secret that its writer alone holds (0031), and when it
    was given is not kept: nobody shall find its writer by that. `answered_at` is None as well of a
    named one that was last given before it was kept.
    """

    key: str
    values: Values
    person: str | None = None
    answered_at: datetime | None = None


def forget(answer: Answer, survey: Survey, at: datetime) -> Answer:
    """Its writer was erased then: their own words of before are gone; what they chose is counted.

    Of one that knows no time nobody can say that it came later.
    """
    if answer.answered_at is not None and answer.answered_at > at:
        return answer
    words = {one.question_id for one in survey.form.questions if one.kind is QuestionKind.TEXT}
    kept = {name: value for name, value in answer.values.items() if name not in words}
    return replace(answer, values=kept)


@dataclass(slots=True)
class Tally:
    """One question's answers; `hidden` while they are too few to be shown."""

    question: Question
    answers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    hidden: bool = False

    @property
    def mean(self) -> float | None:
        """Return the mean of a scale."""
        if self.question.kind is not QuestionKind.SCALE or not self.answers:
            return None
        return sum(int(value) * count for value, count in self.counts.items()) / self.answers

    @property
    def rows(self) -> list[tuple[str, int]]:
        """Return each option or step with how many chose it, in the order of the question."""
        question = self.question
        if question.kind is QuestionKind.SCALE:
            steps = [str(step) for step in range(question.low, question.high + 1)]
            return [(step, self.counts[step]) for step in steps]
        return [(option, self.counts[option]) for option in question.options]


def tallies(
    survey: Survey, answers: Iterable[Answer], terms: SurveyTerms = USUAL_SURVEY_TERMS
) -> list[Tally]:
    """Add up all answers, a tally for each question in its order."""
    found = {one.question_id: Tally(one) for one in survey.form.questions}
    for answer in answers:
        for question_id, value in answer.values.items():
            tally = found[question_id]
            tally.answers += 1
            if tally.question.kind is QuestionKind.TEXT:
                tally.words.append(str(value))
            else:
                tally.counts.update(value if isinstance(value, tuple) else (str(value),))
    return [_shown(survey, tally, terms) for tally in found.values()]


def public_tallies(
    survey: Survey, answers: Iterable[Answer], terms: SurveyTerms = USUAL_SURVEY_TERMS
) -> list[Tally]:
    """Add up what everybody may see: words of nobody, and no counts while they are few.

    Whoever answered by name, or in words, did so to the creator and not to the public.
    """
    return [
        Tally(one.question, one.answers, hidden=True)
        if one.answers < terms.fewest or one.question.kind is QuestionKind.TEXT
        else one
        for one in tallies(survey, answers, terms)
    ]


def may_show_rows(survey: Survey, answers: int, terms: SurveyTerms = USUAL_SURVEY_TERMS) -> bool:
    """Whether whole answers may be shown, one below the other."""
    return survey.form.named or answers >= terms.fewest


def _shown(survey: Survey, tally: Tally, terms: SurveyTerms) -> Tally:
    if may_show_rows(survey, tally.answers, terms):
        return tally
    return Tally(tally.question, tally.answers, hidden=True)
