"""Every kind says what it must, in every language; and is published only when it makes sense."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.updates.tests.contents import EVENT, MOVE, PARTS_OF, content_of, sections_of
from sosst_contracts import updates as events
from updates.domain.errors import Refused
from updates.domain.kinds import (
    SECTIONS,
    DelayNotice,
    DeliveryMode,
    DeliveryNotice,
    Emergency,
    FailureLetter,
    FailureReason,
    News,
    OccasionKind,
    Parts,
    Section,
    Severity,
    ThankYou,
    UpdateKind,
    kind_of,
)
from updates.domain.phases import PUBLISHABLE, Phase, check_may_publish
from updates.domain.project import Profile, Project, Verdict
from updates.domain.schedule_change import ScheduleChange
from updates.domain.update import Content, draft
from updates.domain.video_card import card_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def refusal_of(content: Content) -> str | None:
    try:
        draft(None, "campaign-1", "u1", content, NOW)
    except Refused as refused:
        return f"{refused.reason}: {refused.detail}"
    return None


@pytest.mark.parametrize("kind", UpdateKind)
def test_a_complete_update_of_each_kind_is_taken(kind: UpdateKind) -> None:
    """And each kind's parts name it."""
    assert refusal_of(content_of(kind)) is None
    assert kind_of(PARTS_OF[kind]) is kind


CARD = card_of("https://vimeo.com/76979871", "Le premier essai")


@pytest.mark.row("S3")
@pytest.mark.parametrize("details", ["", " \n"], ids=repr)
@pytest.mark.parametrize("kind", UpdateKind)
def test_only_thanks_may_be_an_image_or_a_video_alone(kind: UpdateKind, details: str) -> None:
    """« texte, image ou vidéo »; without any of them a letter says nothing, in any language."""
    whole = content_of(kind)
    (said,) = whole.texts
    bare = replace(whole, texts=(said, replace(said, language="en", details=details)))
    refusal = refusal_of(bare) or ""
    assert refusal.startswith("invalid-details") and "in en" in refusal
    for shown in (replace(bare, attachments=("m1",)), replace(bare, videos=(CARD,))):
        assert (refusal_of(shown) is None) is (kind is UpdateKind.THANK_YOU)


REQUIRED = [(kind, section) for kind, rule in SECTIONS.items() for section in rule.required]


@pytest.mark.parametrize(("kind", "section"), REQUIRED, ids=str)
def test_a_section_that_a_kind_must_have_is_missed_by_name(
    kind: UpdateKind, section: Section
) -> None:
    """Also where only one of two languages lacks it."""
    whole = content_of(kind)
    (text,) = whole.texts
    rest = {name: words for name, words in text.sections.items() if name is not section}
    english = replace(text, language="en", sections=rest)
    found = refusal_of(replace(whole, texts=(text, english)))
    assert found is not None and found.startswith("missing-part")
    assert section in found and "missing in en" in found
    assert refusal_of(replace(whole, texts=(text, replace(text, language="en")))) is None


@pytest.mark.parametrize("kind", UpdateKind)
def test_a_section_of_another_kind_or_an_empty_one_is_refused(kind: UpdateKind) -> None:
    """Nothing is kept that no page would show."""
    for section in Section:
        for words, reason in (("x", "foreign-part"), (" ", "invalid-part"), ("x" * 10_001, "")):
            said = sections_of(kind) | {section: words}
            found = refusal_of(content_of(kind, sections=said)) or ""
            if section not in SECTIONS[kind].known:
                assert found.startswith("foreign-part")
            elif words == "x":
                assert found == ""
            else:
                assert found.startswith(reason or "invalid-part")


def test_a_recovery_plan_has_a_solution_or_a_change_of_strategy() -> None:
    """« des solutions ou des ajustements de stratégie doivent être recherchés »."""
    for said, whole in (
        ({Section.CAUSE: "x"}, False),
        ({Section.CAUSE: "x", Section.SOLUTION: "x"}, True),
        ({Section.CAUSE: "x", Section.STRATEGY_CHANGE: "x"}, True),
    ):
        found = refusal_of(content_of(UpdateKind.RECOVERY_PLAN, sections=said))
        assert (found is None) is whole


ODD: list[tuple[Parts, Mapping[Section, str], str]] = [
    (ThankYou(OccasionKind.MILESTONE), {}, "missing-part"),
    (ThankYou(OccasionKind.OTHER), {}, "missing-part"),
    (ThankYou(OccasionKind.OTHER, "x"), {Section.OCCASION: "x"}, "invalid-part"),
    (DelayNotice(ScheduleChange((MOVE, MOVE))), {}, "invalid-part"),
    (DelayNotice(ScheduleChange((replace(MOVE, new=MOVE.old),))), {}, "invalid-part"),
    (DelayNotice(ScheduleChange((replace(MOVE, reason=" "),))), {}, "missing-part"),
    (DeliveryNotice(date(2026, 6, 1), DeliveryMode.POST, ()), {}, "missing-part"),
    (FailureLetter(()), {}, "missing-part"),
    (FailureLetter((FailureReason.OTHER,)), {}, "missing-part"),
    (News(replace(EVENT, ends_at=EVENT.starts_at)), {}, "invalid-part"),
    (News(replace(EVENT, place=None, link=None)), {}, "missing-part"),
]


@pytest.mark.parametrize(("parts", "sections", "reason"), ODD, ids=str)
def test_parts_that_say_nothing_are_refused(
    parts: Parts, sections: Mapping[Section, str], reason: str
) -> None:
    """What a machine reads is complete too."""
    kind = kind_of(parts)
    said = sections_of(kind) | dict(sections)
    assert (refusal_of(content_of(kind, parts, said)) or "").startswith(reason)


def test_another_reason_or_occasion_is_written_out() -> None:
    """With the text, the word "other" is enough."""
    letter = sections_of(UpdateKind.FAILURE_LETTER) | {Section.REASONS: "Trop tôt."}
    other = FailureLetter((FailureReason.OTHER,))
    assert refusal_of(content_of(UpdateKind.FAILURE_LETTER, other, letter)) is None
    thanks = ThankYou(OccasionKind.OTHER)
    said = {Section.OCCASION: "Un an déjà."}
    assert refusal_of(content_of(UpdateKind.THANK_YOU, thanks, said)) is None


@pytest.mark.row("S7")
@pytest.mark.parametrize(("days", "promptly"), [(0, True), (3, True), (4, False)])
def test_an_emergency_within_three_days_was_declared_promptly(days: int, promptly: bool) -> None:
    """« signalé sans attendre »."""
    happened = (NOW - timedelta(days=days)).date()
    assert Emergency(Severity.SERIOUS, happened).declared_promptly(NOW) is promptly


# Written by hand beside `domain.md` 6, in the order of the phases: what may be said when.
EXPECTED = {
    UpdateKind.PROGRESS_REPORT: "running met unknown",
    UpdateKind.THANK_YOU: "running met unknown",
    UpdateKind.DELAY_NOTICE: "running met unknown",
    UpdateKind.EMERGENCY: "running met unknown",
    UpdateKind.RECOVERY_PLAN: "running met unknown",
    UpdateKind.DELIVERY_NOTICE: "met unknown",
    UpdateKind.FAILURE_LETTER: "missed cancelled unknown",
    UpdateKind.PLAN_ADJUSTMENT: "running met unknown",
    UpdateKind.NEWS: "running met missed cancelled unknown",
}
CODES = {
    Phase.RUNNING: "campaign-running",
    Phase.MET: "goal-met",
    Phase.MISSED: "campaign-missed",
    Phase.CANCELLED: "campaign-cancelled",
}
VERDICTS = {
    Phase.RUNNING: None,
    Phase.MET: Verdict.GOAL_MET,
    Phase.MISSED: Verdict.GOAL_MISSED,
    Phase.CANCELLED: Verdict.CANCELLED,
    Phase.UNKNOWN: Verdict.UNKNOWN,
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", UpdateKind)
def test_each_kind_is_published_in_its_phases_only(kind: UpdateKind, phase: Phase) -> None:
    """Every pair; a refusal says where the campaign stands."""
    project = Project(
        "campaign-1",
        profile=Profile("creator-1", "A lamp", "EUR", 1_000, NOW, NOW),
        verdict=VERDICTS[phase],
    )
    assert set(PUBLISHABLE) == set(UpdateKind)
    if phase.value in EXPECTED[kind].split():
        assert check_may_publish(project, kind) is project
    else:
        with pytest.raises(Refused) as refused:
            check_may_publish(project, kind)
        assert refused.value.reason == CODES[phase]


def words_of(field: str) -> set[str]:
    """Return the words that the contract has for a field."""
    schema = events.UpdatePublished.model_json_schema()["properties"][field]
    found = schema.get("anyOf", [schema])[0]
    return set(found.get("items", found)["x-extensible-enum"])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("kind", UpdateKind),
        ("severity", Severity),
        ("occasion", OccasionKind),
        ("mode", DeliveryMode),
        ("reasons", FailureReason),
    ],
)
def test_the_contract_has_the_domains_words(field: str, words: type) -> None:
    """A word that is here and not there could not be published."""
    assert words_of(field) == {word.value for word in words}  # type: ignore[attr-defined]
