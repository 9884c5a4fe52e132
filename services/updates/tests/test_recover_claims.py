"""After a restored backup: no money is asked for twice, nobody is told twice, the rest is said."""

from functools import partial

import pytest

from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.test_claim_handlers import act, answer, met, opens
from services.updates.tests.test_claims import BACKER, CREATOR, PART, STAFF
from services.updates.tests.test_recover import recover, told
from services.updates.tests.test_surveys import FORM, PLACE, asked
from sosst_contracts import funding, payouts
from sosst_contracts.codec import Draft, Record
from sosst_contracts.testing import sample
from updates.domain.claim import ClaimState
from updates.domain.claim_turns import accept, escalate, propose, withdraw
from updates.handlers.surveys import write_survey
from updates.sweeps.surveys import StepSurveys

S = ClaimState


async def lived() -> UpdatesService:
    """A service in which a claim was opened, answered, and its money asked for."""
    service = await met(memory_service())
    await opens(service)
    await act(service, partial(propose, said=CREATOR, settlement=PART))
    await act(service, partial(accept, proposal=2, by="backer-1"))
    return service


@pytest.mark.trap(23)
@pytest.mark.parametrize("opened", [False, True], ids=("not in the backup", "in the backup"))
async def test_money_that_was_asked_for_stays_asked_for(opened: bool) -> None:
    """However often it is recovered; payouts' answer, read again, resolves the claim."""
    restored = await met(memory_service())
    if opened:
        await opens(restored)
    facts = len(await told(restored))
    for _ in range(2):
        lines = await recover(restored, await lived())
        (line,) = [one for one in lines if one.startswith("claim ")]
    assert "money_requested" in line and "lost" in line
    claim = await restored.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.money is not None
    assert (claim.state, claim.requests, claim.money.settlement) == (S.MONEY_REQUESTED, 1, PART)
    assert len(await told(restored)) == facts
    await restored.hear((answer(payouts.RefundSucceeded, 1), 1))
    claim = await restored.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.state is S.RESOLVED


async def test_a_claim_that_people_moved_is_staffs_and_no_number_is_used_again() -> None:
    """What comes next in its thread is told under a number that nobody has heard."""
    was = await met(memory_service())
    await opens(was)
    await act(was, partial(propose, said=CREATOR, settlement=PART))
    await act(was, partial(escalate, said=BACKER))
    restored = await met(memory_service())
    await opens(restored)
    await recover(restored, was)
    claim = await restored.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.state is S.WITH_STAFF
    assert [entry.kind.value for entry in claim.entries] == ["opened", "lost", "lost"]
    claim = await act(restored, partial(propose, said=STAFF, settlement=PART))
    assert claim.last.number == 4


@pytest.mark.trap(23)
async def test_a_claim_on_a_pledge_that_is_younger_than_the_backup_is_its_backers_still() -> None:
    """Its facts come before the pledge is heard again; what it was worth stands on its topic."""
    restored = memory_service()
    await restored.hear((sample(funding.CampaignLaunched), 1))
    pledge = {"pledge_id": "pledge-1", "backer_id": "backer-1", "reward_id": "reward-1"}
    collected = sample(funding.PledgeCollected, amount=2_000, **pledge)
    others = sample(funding.PledgeCollected, campaign_id="another", pledge_id="pledge-1")
    records = [Draft(event, restored.clock.now()).seal(1) for event in (others, collected)]
    was = await lived()
    for _ in range(2):
        lines = await recover(restored, was, *records, Record(records[0].topic, b"x", b"?", ()))
        (line,) = [one for one in lines if one.startswith("claim ")]
    assert "money_requested" in line
    claim = await restored.claims.claim("campaign-1", "c1")
    before = await was.claims.claim("campaign-1", "c1")
    assert claim is not None and before is not None
    assert (claim.state, claim.subject, claim.opened_at, claim.due_at) == (
        before.state,
        before.subject,
        before.opened_at,
        before.due_at,
    )
    assert await told(restored) == []
    await restored.hear((collected, 1), (answer(payouts.RefundSucceeded, 1), 1))
    claim = await restored.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.state is S.RESOLVED


async def test_a_claim_on_a_pledge_that_no_topic_knows_any_more_is_named() -> None:
    """Nobody guesses what it was worth; its backer is to open another."""
    restored = memory_service()
    lines = await recover(restored, await lived())
    assert any("open it again under another id" in line for line in lines)
    assert await restored.claims.claim("campaign-1", "c1") is None


async def test_what_ended_has_ended() -> None:
    """A claim that was withdrawn after the backup is not open again."""
    was = await met(memory_service())
    await opens(was)
    await act(was, partial(withdraw, said=BACKER))
    restored = await met(memory_service())
    await recover(restored, was)
    claim = await restored.claims.claim("campaign-1", "c1")
    assert claim is not None and claim.state is S.WITHDRAWN


@pytest.mark.trap(23)
async def test_a_survey_is_open_as_it_was_and_reminds_nobody_again() -> None:
    """From its draft; a lost one is named, for its creator to write again."""
    was = await asked(memory_service())
    was.clock.advance(days=7)
    while await StepSurveys(was.units, was.surveys)(was.clock.now()):
        pass
    restored = await met(memory_service())
    lines = await recover(restored, was)
    assert len(lines) == 2 and all("write and open it again" in line for line in lines)
    now = restored.clock.now()
    await restored.units.run(lambda unit: write_survey(unit, *PLACE, "creator-1", FORM, now))
    await recover(restored, was)
    restored.clock.advance(days=7)
    while await StepSurveys(restored.units, restored.surveys)(restored.clock.now()):
        pass
    survey, before = await restored.surveys.survey(*PLACE), await was.surveys.survey(*PLACE)
    assert survey is not None and before is not None
    assert (survey.state, survey.audience) == (before.state, before.audience)
    assert survey.next_due == before.next_due
    assert all(one.record.topic != "updates.surveys" for one in await told(restored))
