"""Letters of relaunched campaigns: what backers said is added up here, and typed by nobody."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import backer, creator
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_surveys import FORM, PLACE, VALUES, answers, asked
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.errors import Refused
from updates.domain.relaunch_letter import (
    LANGUAGES_MAX,
    PART_CHARACTERS_MAX,
    REVISIONS_MAX,
    SURVEYS_MAX,
    LetterRevision,
    LetterText,
    RelaunchLetter,
    write,
)
from updates.domain.survey import Form
from updates.domain.survey_terms import USUAL_SURVEY_TERMS
from updates.handlers.relaunch_letter import WriteRelaunchLetter
from updates.handlers.surveys import close_survey

AGAIN, OLD = "campaign-2", "campaign-1"
LETTER = f"/campaigns/{AGAIN}/relaunch-letter"
TEXT = LetterText("fr", "**Moins** cher.", "En mai.", "Par la radio.", "Du bleu.")
BODY: dict[str, Any] = {
    "texts": [
        {
            "language": "fr",
            "strategy": TEXT.strategy,
            "schedule": TEXT.schedule,
            "promotion": TEXT.promotion,
            "changes": TEXT.changes,
        }
    ],
    "surveys": ["s1"],
}
DIFFERENCES = [{"field": "goal", "old": "1000", "new": "500"}, {"field": "zone", "new": "UTC"}]


async def relaunched(service: UpdatesService) -> None:
    """The same creator launches again what failed."""
    differences = [funding.Difference.model_validate(one) for one in DIFFERENCES]
    again = sample(
        funding.CampaignLaunched,
        campaign_id=AGAIN,
        creator_id="creator-1",
        relaunch_of=OLD,
        differences=differences,
    )
    await service.hear((again, 1))


async def surveyed(
    service: UpdatesService, form: Form = FORM, people: int = 6, *, closed: bool = True
) -> UpdatesService:
    """So many of the failed campaign's backers have answered, the first one with a blue."""
    await asked(service, form, people)
    for number in range(1, people + 1):
        said = {**VALUES, "more": f"I am b{number}"} | ({"colour": "blue"} if number == 1 else {})
        await answers(service, f"b{number}", None if form.named else f"ballot-{number}", said)
    if closed:
        await service.units.run(lambda unit: close_survey(unit, *PLACE, NOW))
    await relaunched(service)
    return service


async def written(
    service: UpdatesService,
    text: LetterText = TEXT,
    surveys: tuple[str, ...] = ("s1",),
    edition: int | None = None,
) -> RelaunchLetter:
    write_letter = WriteRelaunchLetter(service.units, service.surveys)
    await write_letter(AGAIN, (text,), surveys, "creator-1", NOW, edition)
    letter = await service.units.run(lambda unit: unit.letters.load(AGAIN))
    assert letter is not None
    return letter


@pytest.mark.row("S15")
@pytest.mark.parametrize("named", [False, True], ids=["anonymous", "named"])
async def test_what_backers_said_is_added_up_and_nobody_is_quoted(
    service: UpdatesService, named: bool
) -> None:
    """Counts of a closed survey, whether it was by name or not; words are shown to nobody."""
    await surveyed(service, replace(FORM, named=named))
    (said,) = (await written(service)).said
    assert (said.survey_id, said.asked, said.answers) == ("s1", 6, 6)
    colours, parts, liked, more = said.tallies
    assert colours.rows == [("red", 5), ("blue", 1)]
    assert parts.rows == [("foot", 6), ("shade", 0), ("cord", 6)]
    assert liked.mean == 4
    assert more.hidden and more.answers == 6 and not more.words
    assert "I am b" not in str(said)


@pytest.mark.row("S15")
async def test_other_words_are_the_next_revision_and_the_same_are_none(
    service: UpdatesService,
) -> None:
    """A survey is added up once; what is cited no more stays with the revision that cited it."""
    await surveyed(service)
    first = await written(service)
    assert await written(service) == first
    second = await written(service, replace(TEXT, changes=""), ())
    assert [one.surveys for one in second.revisions] == [("s1",), ()]
    assert second.said == first.said
    third = await written(service, edition=2)
    assert len(third.revisions) == 3 and third.said == first.said
    with pytest.raises(Refused) as refused:
        await written(service, replace(TEXT, strategy="Autre."), edition=2)
    assert refused.value.reason == "edition-stale"


@pytest.mark.parametrize("named", [False, True], ids=["anonymous", "named"])
async def test_few_answers_are_cited_by_nobody(named: bool) -> None:
    """Of a named survey as well: its backers answered to the creator and not to the public."""
    service = await surveyed(
        memory_service(), replace(FORM, named=named), USUAL_SURVEY_TERMS.fewest - 1
    )
    with pytest.raises(Refused) as refused:
        await written(service)
    assert refused.value.reason == "too-few-answers"


async def test_only_closed_surveys_of_the_old_campaign_are_cited() -> None:
    """An open one may still change; another campaign's is none of this one's."""
    service = await surveyed(memory_service(), closed=False)
    for cited, reason in (("s1", "survey-not-closed"), ("s2", "survey-unknown")):
        with pytest.raises(Refused) as refused:
            await written(service, surveys=(cited,))
        assert refused.value.reason == reason
    assert await service.units.run(lambda unit: unit.letters.load(AGAIN)) is None


LONG = "x" * (PART_CHARACTERS_MAX + 1)


@pytest.mark.parametrize(
    ("texts", "surveys", "reason"),
    [
        ((), (), "no-text"),
        ((TEXT,) * (LANGUAGES_MAX + 1), (), "no-text"),
        ((TEXT, TEXT), (), "duplicate-language"),
        ((TEXT,), ("s1", "s1"), "invalid-surveys"),
        ((TEXT,), tuple(f"s{n}" for n in range(SURVEYS_MAX + 1)), "invalid-surveys"),
        ((replace(TEXT, promotion=LONG),), (), "invalid-part"),
        ((replace(TEXT, schedule=" "),), (), "missing-part"),
        ((replace(TEXT, changes=" "),), ("s1",), "missing-part"),
    ],
)
def test_each_refusal_names_its_reason(
    texts: tuple[LetterText, ...], surveys: tuple[str, ...], reason: str
) -> None:
    """Whatever cannot be a letter, by the rules alone."""
    revision = LetterRevision(texts, surveys, "creator-1", NOW)
    with pytest.raises(Refused) as refused:
        write(RelaunchLetter(AGAIN, OLD), revision, ())
    assert refused.value.reason == reason


def test_a_letter_has_twenty_revisions_and_no_more() -> None:
    """The same as the last one is still the same."""
    letter = RelaunchLetter(AGAIN, OLD)
    for number in range(REVISIONS_MAX):
        revision = LetterRevision((replace(TEXT, strategy=str(number)),), (), "creator-1", NOW)
        letter = write(letter, revision, ())
    assert write(letter, letter.revisions[-1], ()) == letter
    with pytest.raises(Refused) as refused:
        write(letter, LetterRevision((TEXT,), (), "creator-1", NOW), ())
    assert refused.value.reason == "too-many-revisions"


async def test_anybody_reads_the_letter_with_what_is_different() -> None:
    """As HTML that is inert, with the old campaign, the differences, counts and a picture."""
    service = await surveyed(memory_service())
    async with client_of(api_of(service), creator("creator-1")) as client:
        put = await client.put(LETTER, json=BODY)
        assert put.status_code == 200, put.text
        project = (await client.get(f"/campaigns/{AGAIN}")).json()
        del client.headers["authorization"]
        letter = (await client.get(LETTER)).json()
        assert letter == put.json()
        chart = await client.get(f"{LETTER}/surveys/s1/questions/colour/chart.svg")
        words = await client.get(f"{LETTER}/surveys/s1/questions/more/chart.svg")
        other = await client.get(f"{LETTER}/surveys/s2/questions/colour/chart.svg")
    said = [{"field": "goal", "old": "1000", "new": "500"}]
    said += [{"field": "zone", "old": None, "new": "UTC"}]
    assert (letter["relaunch_of"], letter["differences"]) == (OLD, said)
    assert (project["relaunch_of"], project["differences"]) == (OLD, said)
    assert letter["shown"][0]["strategy_html"] == "<p><strong>Moins</strong> cher.</p>\n"
    assert letter["cited"]["fr"] == "Ce que les soutiens ont dit, ce que nous changeons"
    (survey,) = letter["surveys"]
    assert survey["questions"][0]["rows"][0] == {"value": "red", "count": 5}
    assert "I am b" not in str(letter)
    assert ElementTree.fromstring(chart.content).tag.endswith("svg")
    assert reason(words) == (409, "no-chart") and reason(other) == (404, "question-unknown")


async def test_a_letter_is_corrected_for_everybody_to_see() -> None:
    """What it said before is shown by its number; a stale edition is refused."""
    service = await surveyed(memory_service())
    async with client_of(api_of(service), creator("creator-1")) as client:
        first = await client.put(LETTER, json=BODY)
        other = {"texts": [BODY["texts"][0] | {"strategy": "Autrement."}]}
        stale = await client.put(LETTER, json=other, headers={"If-Match": '"0"'})
        tag = {"If-Match": first.headers["ETag"]}
        second = await client.put(LETTER, json=other, headers=tag)
        assert (second.json()["revision"], second.json()["surveys"]) == (2, [])
        before = (await client.get(f"{LETTER}?revision=1", headers=bearer(backer("b1")))).json()
        gone = await client.get(f"{LETTER}?revision=3")
        cited = await client.get(f"{LETTER}/surveys/s1/questions/colour/chart.svg")
    assert reason(stale) == (412, "edition-stale")
    assert before == first.json() | {"revisions": 2}
    assert reason(gone) == (404, "letter-unknown") and reason(cited) == (404, "question-unknown")


async def test_who_may_not_write_one_is_told_why() -> None:
    """What relaunches nothing has no letter; an image in a text would tell who reads."""
    service = await surveyed(memory_service())
    async with client_of(api_of(service), creator("creator-1")) as client:
        old = await client.put(LETTER.replace(AGAIN, OLD), json=BODY | {"surveys": []})
        picture = BODY["texts"][0] | {"strategy": "![x](https://a.example/b.png)"}
        image = await client.put(LETTER, json={"texts": [picture]})
        unwritten = await client.get(LETTER)
        unknown = await client.get(LETTER.replace(AGAIN, "campaign-3"))
        others = await client.put(LETTER, json=BODY, headers=bearer(creator("mallory")))
    assert reason(old) == (409, "no-relaunch")
    assert reason(image) == (422, "image-in-text")
    assert reason(unwritten) == (404, "letter-unknown")
    assert reason(unknown) == reason(others) == (404, "campaign-unknown")


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")
