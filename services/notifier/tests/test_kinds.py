"""Whom each kind is told to: one table, held to the told column of the topics' files."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import yaml

from contracts.tools.folders import HERE
from notifier.domain.cause import CauseKind, Told
from notifier.domain.kind import (
    EMERGENCY,
    OUR_OWN,
    RULES,
    Audience,
    Rules,
    ToldAs,
    may_be_merged,
    may_be_muted,
    roles_of,
    rules_of,
)
from notifier.wire.heard import campaign_wide_from, for_some_from
from services.notifier.tests.builders import CAMPAIGN, NOW, read
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.event import Event
from sosst_contracts.notifier import BackerNotified, PersonNotified
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample
from sosst_contracts.updates import ProblemGraded


def told_column() -> dict[str, set[str]]:
    """Return whom each event is told to, as the topics' files say it."""
    files = (yaml.safe_load(path.read_text()) for path in HERE.topics.glob("*.yaml"))
    return {event: set(people) for one in files for event, people in one["told"].items()}


def told_by(table: Mapping[CauseKind, Rules]) -> dict[str, set[str]]:
    return {kind.value: {one.value for one in rules.told} for kind, rules in table.items()}


def heard_of(table: Mapping[CauseKind, Rules]) -> dict[CauseKind, Rules]:
    """Return the rows of what other services say; what arises here stands in no topic's file."""
    return {kind: rules for kind, rules in table.items() if kind not in OUR_OWN}


def test_every_told_event_has_a_row_that_says_the_same() -> None:
    """An event that the catalogue says is told, and is not, would be a promise nobody keeps."""
    assert told_by(heard_of(RULES)) == told_column()


@pytest.mark.parametrize("kind", ["stage-due", "refund-succeeded"])
def test_a_forgotten_row_is_found(kind: str) -> None:
    """The check above can fail."""
    fewer = {one: rules for one, rules in RULES.items() if one.value != kind}
    assert kind in told_column() and kind not in told_by(fewer)


@pytest.mark.parametrize(
    "event_type",
    [event_type for event_type in REGISTRY.event_types if event_type.name in told_column()],
    ids=lambda event_type: event_type.name,
)
def test_every_told_event_is_heard(event_type: type[Event]) -> None:
    """Whom the column names is told: all backers by a plan, others by name, roles by the table."""
    fact, column = read(event_type), told_column()[event_type.name]
    wide, some = campaign_wide_from(fact), for_some_from(fact)
    heard = wide or some
    assert heard is not None and heard.told.kind.value == event_type.name
    assert (wide is not None) is ("backers" in column)
    if some is not None and event_type.name != "claim-answered":
        assert bool(some.recipients) is bool(column & {"backer", "list"})
    found = {"creator": ToldAs.CREATOR, "staff": ToldAs.STAFF, "followers": ToldAs.FOLLOWER}
    found["former-backers"] = ToldAs.FORMER_BACKER
    expected = {role for word, role in found.items() if word in column}
    if event_type.name != "claim-answered":
        assert set(roles_of(heard.told)) == expected


@pytest.mark.parametrize(
    "event_type",
    [
        event_type
        for event_type in REGISTRY.event_types
        if event_type.topic.startswith("updates.")
        and "backers" in told_column().get(event_type.name, ())
    ],
    ids=lambda event_type: event_type.name,
)
def test_what_updates_tells_every_backer_says_what_it_knew_of_the_campaign(
    event_type: type[Event],
) -> None:
    """Whatever it tells them next says so as well, and is told as of that (decision 0002)."""
    wide = campaign_wide_from(read(event_type))
    assert wide is not None and wide.campaign_sequence == 2


def test_the_contract_knows_every_kind() -> None:
    """A kind that readers could not name would be refused when it is told."""
    for event_type in (BackerNotified, PersonNotified):
        words = event_type.model_json_schema()["properties"]["kind"]["x-extensible-enum"]
        assert {kind.value for kind in CauseKind} <= set(words)


def test_one_word_of_the_contract_is_told_by_nothing() -> None:
    """A refund that came back has failed (decision 0053); any other word stands for a kind."""
    for event_type in (BackerNotified, PersonNotified):
        words = event_type.model_json_schema()["properties"]["kind"]["x-extensible-enum"]
        assert set(words) - {kind.value for kind in CauseKind} == {"refund-reversed"}
    assert "refund-reversed" not in {event.name for event in REGISTRY.event_types}


def test_an_emergency_overtakes_and_cannot_be_muted() -> None:
    """Other updates are news; the same kind of update that is none waits its turn."""
    news = Told(CauseKind.UPDATE_PUBLISHED, "u", CAMPAIGN, NOW, {"kind": "progress_report"})
    emergency = Told(CauseKind.UPDATE_PUBLISHED, "u", CAMPAIGN, NOW, {"kind": "emergency"})
    assert rules_of(news).mutable and rules_of(news).digestible
    urgent = rules_of(emergency)
    assert (urgent.priority, urgent.mutable, urgent.digestible) == (EMERGENCY, False, False)
    assert urgent.priority < rules_of(news).priority and urgent.told == rules_of(news).told
    corrected = Told(CauseKind.UPDATE_CORRECTED, "u", CAMPAIGN, NOW, {"kind": "emergency"})
    assert rules_of(corrected) == replace(urgent, told=rules_of(corrected).told)


def test_only_a_delay_that_became_an_emergency_is_told_to_backers() -> None:
    """One that names no N was lowered, or changed how bad it is: creator and staff alone."""
    draft = Draft(sample(ProblemGraded, kind="emergency"), NOW)
    fact = decode(draft.seal(1))
    assert isinstance(fact, Decoded) and campaign_wide_from(fact) is None
    heard = for_some_from(fact)
    assert heard is not None and heard.recipients == ()
    assert set(roles_of(heard.told)) == {ToldAs.CREATOR, ToldAs.STAFF}
    assert for_some_from(read(ProblemGraded)) is None


@pytest.mark.trap(11)
@pytest.mark.parametrize("kind", [CauseKind.SURVEY_REMINDER_DUE, CauseKind.RECEIPT_ASKED])
def test_a_reminder_waits_for_no_other_mail(kind: CauseKind) -> None:
    """Who has answered meanwhile would be asked again."""
    asked = Told(kind, "s1", CAMPAIGN, NOW, {})
    assert not may_be_merged(asked, ToldAs.BACKER) and may_be_muted(asked, ToldAs.BACKER)


def test_followers_are_told_what_is_public_and_creators_not_their_own_words() -> None:
    """What is for backers only stays theirs; whoever answered a claim knows it."""
    kind, claim = CauseKind.UPDATE_PUBLISHED, CauseKind.CLAIM_ANSWERED
    for visibility, roles in (("public", (ToldAs.FOLLOWER,)), ("backers", ())):
        assert roles_of(Told(kind, "u", CAMPAIGN, NOW, {"visibility": visibility})) == roles
    for side, roles in (("backer", (ToldAs.CREATOR,)), ("creator", ())):
        assert roles_of(Told(claim, "c", CAMPAIGN, NOW, {"side": side})) == roles
    assert Audience.FOLLOWERS in RULES[kind].told
