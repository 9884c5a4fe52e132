"""The reward questionnaire: what is asked of whoever is to get a reward, and until when.

`domain.md` 6: size, colour and the postal address of each pledge. A reply may be changed until it
is locked: each backer is told a while before, and whoever is heard of later has as long. Replies
leave this service only once the reward is being prepared, on record, and are erased some time
after it came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from updates.domain.errors import Refused

OPTIONS_MAX = 20
CHOICES_MAX = 100
WORDS_MAX = 200


@dataclass(frozen=True, slots=True)
class Option:
    """One question with its choices, such as a size."""

    option_id: str
    words: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for a reward, and whether where it is to be sent."""

    options: tuple[Option, ...]
    address: bool


@dataclass(frozen=True, slots=True)
class QuestionnaireTerms:
    """How long the last notice is, how often late backers are looked for, when all is erased.

    `platform_collects` says that addresses are asked for elsewhere, and never here.
    """

    notice: timedelta = timedelta(hours=48)
    look: timedelta = timedelta(hours=6)
    erased_after: timedelta = timedelta(days=180)
    platform_collects: bool = False


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questionnaire of one reward.

    `closing_at` is when the last notice was begun, None while there is no end. `after` is the last
    pledge of the page that was asked or noticed, "" between two rounds, `next_due` when the next
    page or round is due. `told` counts the facts that were told of it. `version` is the
    compare-and-set guard of every save.
    """

    campaign_id: str
    reward_id: str
    asked: Asked
    written_by: str
    written_at: datetime
    closing_at: datetime | None = None
    after: str = ""
    next_due: datetime | None = None
    told: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class QuestionnaireAsked:
    """These backers are asked for their reply, or told until when it can be changed.

    `part` numbers what is told of one questionnaire, from 1.
    """

    campaign_id: str
    reward_id: str
    part: int
    pledges: tuple[str, ...]
    backers: tuple[str, ...]
    locks_at: datetime | None
    at: datetime


QuestionnaireFact = QuestionnaireAsked


def write(
    known: Questionnaire | None,
    campaign_id: str,
    reward_id: str,
    asked: Asked,
    by: str,
    now: datetime,
    terms: QuestionnaireTerms,
) -> Questionnaire:
    """Ask this from now on; replies to what is no longer asked are asked for again by nobody."""
    _check_asked(asked, terms)
    if known is None:
        return Questionnaire(campaign_id, reward_id, asked, by, now, next_due=now)
    if known.asked == asked:
        return known
    if known.closing_at is not None:
        raise Refused("questionnaire-closing", "its backers have had their last notice")
    return replace(known, asked=asked, written_by=by, written_at=now)


def begin_closing(questionnaire: Questionnaire, now: datetime) -> Questionnaire:
    """Begin the last notice of everybody; begun already is the same."""
    if questionnaire.closing_at is not None:
        return questionnaire
    return replace(questionnaire, closing_at=now, after="", next_due=now)


def page_asked(
    questionnaire: Questionnaire, last: str | None, now: datetime, terms: QuestionnaireTerms
) -> Questionnaire:
    """A page of pledges was looked at up to `last`; None ends the round, another one follows."""
    if last is None:
        return replace(questionnaire, after="", next_due=now + terms.look)
    return replace(questionnaire, after=last, next_due=now)


def tell(
    questionnaire: Questionnaire,
    told: Sequence[tuple[str, str]],
    locks_at: datetime | None,
    now: datetime,
) -> tuple[Questionnaire, list[QuestionnaireFact]]:
    """Return what tells these (pledge, backer) pairs; nobody to tell is no fact."""
    if not told:
        return questionnaire, []
    part = questionnaire.told + 1
    fact = QuestionnaireAsked(
        questionnaire.campaign_id,
        questionnaire.reward_id,
        part,
        tuple(pledge for pledge, _ in told),
        tuple(dict.fromkeys(backer for _, backer in told)),
        locks_at,
        now,
    )
    return replace(questionnaire, told=part), [fact]


def check_choices(asked: Asked, choices: Mapping[str, str], *, address: bool) -> None:
    """Raise `Refused` unless each option has one of its choices, and the address is there."""
    known = {option.option_id: option.choices for option in asked.options}
    if unknown := sorted(choices.keys() - known.keys()):
        raise Refused("option-unknown", f"{unknown[0]}: is not asked")
    if missing := sorted(known.keys() - choices.keys()):
        raise Refused("option-missing", f"{missing[0]}: has no choice")
    if wrong := sorted(name for name, choice in choices.items() if choice not in known[name]):
        raise Refused("choice-unknown", f"{wrong[0]}: is none of its choices")
    if address != asked.address:
        detail = "an address is asked" if asked.address else "no address is asked"
        raise Refused("address-missing" if asked.address else "address-not-asked", detail)


def _check_asked(asked: Asked, terms: QuestionnaireTerms) -> None:
    names = [option.option_id for option in asked.options]
    if len(set(names)) < len(names):
        raise Refused("option-twice", "two options have one name")
    for option in asked.options:
        if len(set(option.choices)) < len(option.choices) or not option.choices:
            raise Refused("choices-invalid", f"{option.option_id}: choices are there once each")
    if not asked.options and not asked.address:
        raise Refused("nothing-asked", "neither an option nor an address is asked")
    if asked.address and terms.platform_collects:
        raise Refused("platform-collects", "the platform asks for addresses itself")
