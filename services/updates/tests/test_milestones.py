"""Evidence of milestones: revisions, the use of funds, and what payouts' staff decide about it."""

import hashlib
from dataclasses import replace
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from servicekit.errors import Conflict
from services.updates.tests import files
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.fakes_media import LINKS, memory_desk
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_media import take
from services.updates.tests.test_recover import recover
from sosst_contracts import funding, payouts
from sosst_contracts import updates as events
from sosst_contracts.testing import sample
from updates.consumer import PLANS_GROUP
from updates.domain.errors import Refused
from updates.domain.media import UNATTACHED_TIME, Words
from updates.domain.milestone import (
    TRANSITIONS,
    Evidence,
    EvidenceFile,
    EvidenceState,
    FundsLine,
    Milestone,
    Spent,
    digest_of,
    move,
    submit,
)
from updates.handlers.media import describe_media
from updates.handlers.milestones import submit_evidence
from updates.http.media import MediaShelf
from updates.sweeps.media import RemoveDueMedia

CAMPAIGN, PAID = "campaign-1", 400_000
MOULDS = FundsLine("Moulds", 300_000, Spent.PAID)
FUNDS = (MOULDS, FundsLine("Packaging", 100_000, Spent.COMMITTED))
PATH = f"/campaigns/{CAMPAIGN}/milestones"


@pytest.mark.parametrize("target", EvidenceState)
@pytest.mark.parametrize("state", EvidenceState)
def test_a_revision_is_decided_once(state: EvidenceState, target: EvidenceState) -> None:
    """Every pair is in the table or refused."""
    evidence = Evidence(1, "a" * 64, "Ready.", (), "creator-1", NOW, state)
    if target in TRANSITIONS[state]:
        assert move(evidence, target).state is target
    else:
        with pytest.raises(Refused) as refused:
            move(evidence, target)
        assert refused.value.reason == "impossible-transition"


def refusal(stage: int, text: str, funds: tuple[FundsLine, ...], paid: int = PAID) -> str | None:
    try:
        submit(Milestone(CAMPAIGN, stage), "EUR", text, funds, paid, "creator-1", NOW)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.row("S9")
@pytest.mark.parametrize(
    ("stage", "text", "funds", "paid", "answer"),
    [
        (2, "Ready.", (), PAID, None),
        (3, "Ready.", FUNDS, PAID, None),
        (3, "Ready.", (), PAID, "use-of-funds-missing"),
        (3, "Ready.", (*FUNDS, FundsLine("Stamps", 1, Spent.PAID)), PAID, "more-than-paid"),
        (2, "Ready.", (), 0, "nothing-paid-yet"),
        (2, " ", (), PAID, "invalid-text"),
        (2, "Ready.", (FundsLine(" ", 1, Spent.PAID),), PAID, "invalid-funds"),
        (2, "Ready.", (FundsLine("Moulds", 0, Spent.PAID),), PAID, "invalid-funds"),
    ],
)
def test_nobody_says_to_have_used_more_than_was_paid(
    stage: int, text: str, funds: tuple[FundsLine, ...], paid: int, answer: str | None
) -> None:
    """The sum of all lines, paid or committed; the last stage needs the statement."""
    assert refusal(stage, text, funds, paid) == answer


def test_evidence_is_named_by_all_that_it_shows() -> None:
    """Other words, lines, amounts, stages or currencies are another evidence."""
    said = {digest_of(CAMPAIGN, 2, "EUR", "Ready.", FUNDS) for _ in range(2)}
    for other in (
        (CAMPAIGN, 3, "EUR", "Ready.", FUNDS),
        (CAMPAIGN, 2, "USD", "Ready.", FUNDS),
        (CAMPAIGN, 2, "EUR", "Ready!", FUNDS),
        (CAMPAIGN, 2, "EUR", "Ready.", (MOULDS,)),
        ("campaign-2", 2, "EUR", "Ready.", FUNDS),
        (CAMPAIGN, 2, "EUR", "Ready.", FUNDS, (EvidenceFile("m1", "a" * 64),)),
        (CAMPAIGN, 2, "EUR", "Ready.", FUNDS, (EvidenceFile("m1", "b" * 64),)),
    ):
        said.add(digest_of(*other))
    assert len(said) == 8


def test_evidence_without_files_has_the_hash_that_it_had_before_there_were_any() -> None:
    """Payouts' staff decide by it, also about what was submitted by an earlier release."""
    before = "4dd2774c4fcc1be3495cf6e47a03e40c6b00695a4a62b0fece1dccdaab446010"
    assert digest_of(CAMPAIGN, 2, "EUR", "Ready.", (MOULDS,)) == before


async def paid_once(service: UpdatesService) -> UpdatesService:
    """A campaign that met its goal and whose first stage is paid."""
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.VerdictReached), 2))
    await service.hear((sample(payouts.StagePaid, stage=1, amount=PAID), 1))
    return service


async def submits(
    service: UpdatesService,
    text: str = "Ready.",
    funds: tuple[FundsLine, ...] = FUNDS,
    attachments: tuple[str, ...] = (),
) -> Milestone:
    return await service.units.run(
        lambda unit: submit_evidence(unit, CAMPAIGN, 2, text, funds, "creator-1", NOW, attachments)
    )


async def told(service: UpdatesService) -> list[events.MilestoneSubmitted]:
    return [e for e in await service.published() if isinstance(e, events.MilestoneSubmitted)]


@pytest.mark.row("S9")
async def test_a_rejected_revision_is_followed_by_the_next_until_one_is_approved(
    service: UpdatesService,
) -> None:
    """The same again tells nobody again; payouts' decisions are of the very evidence they name."""
    await paid_once(service)
    first = (await submits(service)).revisions[0]
    assert len((await submits(service)).revisions) == 1
    about = {"stage": 2, "revision": 1, "evidence": first.digest}
    await service.hear((sample(payouts.MilestoneRejected, reason="blurred", **about), 2))
    second = (await submits(service, "Ready, with pictures.")).revisions[1]
    stray = sample(payouts.MilestoneApproved, stage=2, revision=1, evidence="f" * 64)
    known = sample(payouts.MilestoneApproved, stage=2, revision=2, evidence=second.digest)
    await service.hear((stray, 3), (known, 4))
    (found,) = await service.units.run(lambda unit: unit.milestones.of_campaign(CAMPAIGN))
    assert [(one.state, one.reason) for one in found.revisions] == [
        (EvidenceState.REJECTED, "blurred"),
        (EvidenceState.APPROVED, None),
    ]
    with pytest.raises(Refused, match="approved"):
        await submits(service, "More.")
    assert [(one.revision, one.evidence) for one in await told(service)] == [
        (1, first.digest),
        (2, second.digest),
    ]
    assert {one.used for one in await told(service)} == {PAID}
    assert "pictures" not in str(await service.published())
    stale = replace(found, version=found.version - 1)
    with pytest.raises(Conflict):
        await service.units.run(lambda unit: unit.milestones.save(stale))


@pytest.mark.row("S9")
async def test_evidence_shows_files_that_stay_with_it(service: UpdatesService) -> None:
    """Of each revision its own, described, by the hash of what was sent; none is an orphan."""
    await paid_once(service)
    desk = memory_desk(service)
    for name, data in (("m1", files.image()), ("m2", files.PDF)):
        await take(desk, data, f"{name}.file", name)
    for attachments, reason in (
        (("m1",), "media-undescribed"),
        (("m9",), "media-unknown"),
        (("m2", "m2"), "invalid-attachments"),
    ):
        with pytest.raises(Refused) as refused:
            await submits(service, attachments=attachments)
        assert refused.value.reason == reason
    said = Words("Moulds on a bench.")
    await service.units.run(lambda unit: describe_media(unit, CAMPAIGN, "m1", said))
    first = (await submits(service, attachments=("m1",))).revisions[0]
    assert first.files == (EvidenceFile("m1", hashlib.sha256(files.image()).hexdigest()),)
    assert len((await submits(service, attachments=("m1",))).revisions) == 1
    second = (await submits(service, attachments=("m2",))).revisions[1]
    assert second.digest != first.digest
    (found,) = await service.units.run(lambda unit: unit.milestones.of_campaign(CAMPAIGN))
    assert found.revisions == (first, second)
    removed = RemoveDueMedia(service.units, service.media, desk.objects)
    assert await removed(NOW + UNATTACHED_TIME * 2) == 0
    kept = await service.media.media(CAMPAIGN, ["m1", "m2"])
    assert {one.attached_to for one in kept.values()} == {"milestones/2"}
    assert [one.evidence for one in await told(service)] == [first.digest, second.digest]


@pytest.mark.row("S9")
async def test_files_of_evidence_are_for_backers_by_links_of_their_own() -> None:
    """Everybody sees how many there are; earlier ones only the team; a withdrawn one is gone."""
    service = await paid_once(memory_service())
    await service.hear((sample(funding.PledgeCollected, backer_id="anna"), 1))
    shelf = MediaShelf(memory_desk(service), service.media, LINKS)
    anna, ben = backer("anna"), backer("ben")
    async with client_of(api_of(service, media=shelf)) as client:
        owner = creator("creator-1")
        for name, data in (("m1", files.PDF), ("m2", files.ZIP)):
            path = f"/campaigns/{CAMPAIGN}/media/{name}?name=a.pdf"
            assert (await client.put(path, content=data, headers=bearer(owner))).is_success
            body = {"text": f"Ready, {name}.", "attachments": [name]}
            status, shown = await ask(client, owner, "PUT", f"{PATH}/2", body)
            assert status == 200 and shown["revisions"][-1]["attachments"][0]["media_id"] == name
        for caller, count in ((None, 0), (ben, 0), (anna, 1)):
            _, page = await ask(client, caller, "GET", PATH)
            (latest,) = page["items"][0]["revisions"]
            assert (latest["files"], len(latest["attachments"])) == (1, count)
        link = latest["attachments"][0]["url"]
        assert (await client.get(link)).content == files.ZIP
        m1, m2 = (f"/campaigns/{CAMPAIGN}/media/{name}" for name in ("m1", "m2"))
        for caller, path, status in (
            (anna, m2, 200),
            (anna, m1, 404),
            (ben, m2, 404),
            (STAFF, m1, 200),
        ):
            assert (await client.get(path, headers=bearer(caller))).status_code == status
        assert (await client.get(m2)).status_code == 404
        gone = {"reason": "an address is in it"}
        await ask(client, owner, "POST", f"{m2}/withdrawal", gone)
        assert (await client.get(link)).status_code == 410
        _, page = await ask(client, anna, "GET", PATH)
        (marker,) = page["items"][0]["revisions"][0]["attachments"]
        assert marker["withdrawn"] and marker["url"] is None


async def test_nothing_is_shown_before_money_was_paid() -> None:
    """Nor of a campaign that owes nothing."""
    service = memory_service()
    for event, reason in (
        (None, "campaign-unknown"),
        (sample(funding.CampaignLaunched), "no-milestone"),
        (sample(funding.VerdictReached), "nothing-paid-yet"),
    ):
        if event is not None:
            await service.hear((event, 1 if reason == "no-milestone" else 2))
        with pytest.raises(Refused) as refused:
            await submits(service)
        assert refused.value.reason == reason


async def ask(
    client: httpx.AsyncClient, caller: Caller | None, method: str, path: str, body: object = None
) -> tuple[int, Any]:
    headers = bearer(caller) if caller else {}
    said = await client.request(method, path, json=body, headers=headers)
    return said.status_code, said.json()


@pytest.mark.row("S9")
async def test_everybody_sees_the_statement_and_the_team_why_it_was_rejected() -> None:
    """« Utilisation des fonds, déclarée par l'initiateur »; a typing error is a 422."""
    service = await paid_once(memory_service())
    body = {
        "text": "Ready.",
        "funds": [{"what": "Moulds", "amount": 300_000, "spent": "paid"}],
    }
    async with client_of(api_of(service)) as client:
        owner = creator("creator-1")
        status, shown = await ask(client, owner, "PUT", f"{PATH}/2", body)
        assert status == 200
        digest = shown["revisions"][0]["evidence"]
        rejected = sample(payouts.MilestoneRejected, stage=2, revision=1, evidence=digest)
        await service.hear((rejected, 2))
        _, public = await ask(client, None, "GET", PATH)
        milestone, waiting = public["items"]
        assert (waiting["stage"], waiting["revisions"]) == (3, [])
        assert milestone["declared"]["fr"] == "Utilisation des fonds, déclarée par l'initiateur"
        assert milestone["revisions"][0]["funds"] == body["funds"]
        assert milestone["revisions"][0]["state"] == "rejected"
        assert milestone["revisions"][0]["reason"] is None
        _, inside = await ask(client, STAFF, "GET", PATH)
        assert inside["items"][0]["revisions"][0]["reason"] == rejected.reason
        too_much = body | {"funds": [{"what": "Moulds", "amount": PAID + 1, "spent": "paid"}]}
        assert (await ask(client, owner, "PUT", f"{PATH}/2", too_much))[0] == 422
        for wrong in ("1", "4", "x"):
            assert (await ask(client, owner, "PUT", f"{PATH}/{wrong}", body))[0] == 422


@pytest.mark.row("S9")
@pytest.mark.parametrize(
    ("rewards", "names"),
    [
        (
            sample(funding.CampaignLaunched).rewards,
            (
                ("Préparation des récompenses terminée", "Rewards prepared"),
                ("Prêt à livrer toutes les récompenses", "Ready to deliver every reward"),
            ),
        ),
        (
            [],
            (
                ("Travaux commencés, justificatifs à l'appui", "Work begun, with evidence"),
                ("Projet achevé", "Project completed"),
            ),
        ),
    ],
    ids=("rewards", "none"),
)
async def test_a_met_goal_says_what_each_stage_waits_for(
    service: UpdatesService, rewards: list[Any], names: tuple[tuple[str, str], ...]
) -> None:
    """With rewards and without, before any evidence and beside it; not before the verdict."""
    await service.hear((sample(funding.CampaignLaunched, rewards=rewards), 1))
    async with client_of(api_of(service)) as client:
        assert await ask(client, None, "GET", PATH) == (200, {"items": []})
        await service.hear((sample(funding.VerdictReached), 2))
        await service.hear((sample(payouts.StagePaid, stage=1, amount=PAID), 1))
        _, page = await ask(client, None, "GET", PATH)
        assert [one["revisions"] for one in page["items"]] == [[], []]
        await submits(service)
        _, page = await ask(client, None, "GET", PATH)
        assert [len(one["revisions"]) for one in page["items"]] == [1, 0]
        shown = [(one["stage"], one["name"]) for one in page["items"]]
        assert shown == [
            (stage, {"fr": french, "en": english})
            for stage, (french, english) in enumerate(names, start=2)
        ]
        body = {"text": "Ready.", "funds": [{"what": "Moulds", "amount": 1, "spent": "paid"}]}
        _, put = await ask(client, creator("creator-1"), "PUT", f"{PATH}/3", body)
        assert (put["stage"], put["name"]) == shown[1]


async def test_without_its_launch_a_milestone_has_no_name_and_after_an_end_none_waits() -> None:
    """Readers of one topic are not equally far; of a cancelled campaign no stage is released."""
    service = memory_service()
    facts = (sample(funding.CampaignLaunched), 1), (sample(funding.VerdictReached), 2)
    await service.hear(*facts, behind=[PLANS_GROUP])
    async with client_of(api_of(service)) as client:
        _, page = await ask(client, None, "GET", PATH)
        assert [(one["stage"], one["name"]) for one in page["items"]] == [(2, None), (3, None)]
        await service.hear((sample(payouts.StagePaid, stage=1, amount=PAID), 1))
        await submits(service)
        await service.hear((sample(funding.CampaignCancelled, after_verdict=True), 3))
        _, page = await ask(client, None, "GET", PATH)
        assert [one["stage"] for one in page["items"]] == [2]


@pytest.mark.trap(23)
async def test_a_revision_that_a_backup_lost_keeps_its_number_and_gets_its_words_again() -> None:
    """Brought back twice it is the same; the same words tell nobody again, others are the next."""
    lived, restored = await paid_once(memory_service()), await paid_once(memory_service())
    digest = (await submits(lived)).revisions[0].digest
    lines = [line for _ in range(2) for line in await recover(restored, lived)]
    lines = [line for line in lines if line.startswith("evidence")]
    assert "submit the same words" in lines[0] and "there already" in lines[1]
    again = await submits(restored)
    assert [(one.digest, one.text) for one in again.revisions] == [(digest, "Ready.")]
    assert await told(restored) == []
    other = await submits(restored, "More.")
    assert [one.revision for one in other.revisions] == [1, 2] and len(await told(restored)) == 1
