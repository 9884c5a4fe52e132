"""The API over fakes: every route's success, and a clear problem for each bad input."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer, creator
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.contents import body_of
from services.updates.tests.routes import api_of, client_of
from services.updates.tests.test_follow_up import days_pass
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.emergency import EFFECTS
from updates.domain.kinds import UpdateKind

UPDATE = "/campaigns/campaign-1/updates/u1"
BODY: dict[str, Any] = {
    "texts": [{"language": "fr", "title": "Bonjour", "details": "Tout avance."}],
}


@pytest.fixture
async def known() -> UpdatesService:
    """A service that knows one launched campaign with one backer."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1), (sample(funding.PledgeCollected), 1))
    return service


@pytest.fixture
async def client(known: UpdatesService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api_of(known), creator("creator-1")) as client:
        yield client


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def test_from_draft_to_page(client: httpx.AsyncClient) -> None:
    """Draft, preview, publish, list, read, and the project that shows it."""
    assert (await client.put(UPDATE, json=BODY)).json()["state"] == "draft"
    audience = (await client.get(f"{UPDATE}/audience")).json()
    assert audience == {"pledges_sequence": 1, "count": 1}
    published = (await client.post(f"{UPDATE}/publish")).json()
    assert published["audience"] == audience
    assert (await client.post(f"{UPDATE}/publish")).json() == published
    page = (await client.get("/campaigns/campaign-1/updates?limit=1")).json()
    assert page["items"] == [published] and page["next_cursor"]
    behind = {"cursor": page["next_cursor"]}
    assert (await client.get("/campaigns/campaign-1/updates", params=behind)).json()["items"] == []
    assert (await client.get(UPDATE)).json() == published
    project = (await client.get("/campaigns/campaign-1")).json()
    assert project["updates"] == [published] and project["figures"]["collected"] == 1999
    assert project["as_of"]["funding.pledges"]["sequence"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"texts": []},
        {"texts": [{"language": "fr", "title": "", "details": "x"}]},
        {"texts": [{"language": "fr", "title": "t" * 141, "details": "x"}]},
        {"texts": [{"language": "fr", "title": "t", "details": "x" * 50_001}]},
        {"texts": [{"language": "not a language", "title": "t", "details": "x"}]},
        {"kind": "emergency"},
        {"visibility": "nobody"},
        {"author_id": "creator-1"},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_bad_draft_is_refused_by_its_place(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    """422 with the place of what is wrong, and nothing is kept."""
    response = await client.put(UPDATE, json=BODY | change)
    assert problem(response) == (422, "invalid-request") and response.json()["errors"]
    assert problem(await client.get(UPDATE)) == (404, "update-unknown")


async def test_a_draft_under_a_name_of_the_platforms_is_refused(client: httpx.AsyncClient) -> None:
    """409 that says which ids are not a creator's, and nothing is kept."""
    taken = "/campaigns/campaign-1/updates/delivery-notice-1"
    response = await client.put(taken, json=BODY)
    assert problem(response) == (409, "update-reserved")
    assert "delivery-notice-" in response.json()["detail"]
    assert problem(await client.get(taken)) == (404, "update-unknown")


@pytest.mark.parametrize("kind", UpdateKind)
async def test_a_draft_of_each_kind_is_shown_as_it_was_written(
    client: httpx.AsyncClient, known: UpdatesService, kind: UpdateKind
) -> None:
    """What goes in comes out, parts and sections too."""
    if kind is UpdateKind.FAILURE_LETTER:
        await known.hear((sample(funding.CampaignCancelled), 2))
    if kind is UpdateKind.DELIVERY_NOTICE:
        await known.hear((sample(funding.VerdictReached, verdict="goal_met"), 2))
    written = await client.put(UPDATE, json=body_of(kind))
    assert written.status_code == 200, written.text
    shown = written.json()
    assert {name: shown[name] for name in body_of(kind)} == body_of(kind)


@pytest.mark.parametrize(
    "kind", [kind for kind in UpdateKind if re.search(r"\d{4}-\d\d", str(body_of(kind)))]
)
async def test_no_draft_names_a_day_at_an_end_of_time(
    client: httpx.AsyncClient, kind: UpdateKind
) -> None:
    """422 for each day and instant of it: nothing could be reckoned with it later."""
    written = json.dumps(body_of(kind))
    for found in re.finditer(r'"\d{4}(-\d\d-\d\d[^"]*)"', written):
        for year in ("0001", "1969", "3000", "9999"):
            odd = f'{written[: found.start()]}"{year}{found[1]}"{written[found.end() :]}'
            answer = await client.put(UPDATE, json=json.loads(odd))
            assert problem(answer) == (422, "invalid-request"), odd


async def test_what_an_emergency_keeps_back_says_so(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """In the list, on its own page, and where its time is moved; until the plan is there."""
    await client.put(UPDATE, json=BODY)
    at = {"publish_at": (NOW + timedelta(hours=1)).isoformat()}
    planned = await client.put(f"{UPDATE}/schedule", json=at)
    assert planned.json()["paused_because"] is None
    fire, plan = "/campaigns/campaign-1/updates/fire", "/campaigns/campaign-1/updates/plan"
    await client.put(fire, json=body_of(UpdateKind.EMERGENCY))
    await client.post(f"{fire}/publish", json={"confirm": list(EFFECTS)})

    async def reasons() -> list[str | None]:
        (listed,) = (await client.get("/campaigns/campaign-1/drafts")).json()["items"]
        alone = (await client.get(UPDATE)).json()
        moved = (await client.put(f"{UPDATE}/schedule", json=at)).json()
        return [one["paused_because"] for one in (listed, alone, moved)]

    assert await reasons() == ["emergency"] * 3
    await client.put(plan, json=body_of(UpdateKind.RECOVERY_PLAN))
    assert (await client.post(f"{plan}/publish")).status_code == 200
    assert await reasons() == [None] * 3


async def test_markdown_is_shown_as_html_and_says_why_it_is_refused(
    client: httpx.AsyncClient,
) -> None:
    """Details and sections as a page may show them, also in a preview; no image of another host."""
    text = {
        "language": "fr",
        "title": "<b>Titre</b>",
        "details": "**Tout** <script>",
        "sections": {"current_work": "- un"},
    }
    (shown,) = (await client.put(UPDATE, json=BODY | {"texts": [text]})).json()["shown"]
    assert shown["details_html"] == "<p><strong>Tout</strong> &lt;script&gt;</p>\n"
    assert shown["sections_html"] == {"current_work": "<ul>\n<li>un</li>\n</ul>\n"}
    preview = (await client.get(f"{UPDATE}/preview")).json()["update"]
    assert preview["shown"] == [shown] and preview["texts"] == [text]
    video = {"url": "https://vimeo.com/1", "title": "A film"}
    linked = text | {"details": "[x](https://a.example) [y](/b) [z](https://vimeo.com/1)"}
    await client.put(UPDATE, json=BODY | {"texts": [linked], "videos": [video]})
    assert (await client.get(f"{UPDATE}/preview")).json()["links"] == [
        {"url": "https://a.example", "words": "x", "opens": True},
        {"url": "/b", "words": "y", "opens": False},
        {"url": "https://vimeo.com/1", "words": "z", "opens": True},
    ]
    image = "![x](https://a.example/x.png)"
    for words, why in ((image, "image-in-text"), ("[" * 5_000, "too-many-marks")):
        refused = await client.put(UPDATE, json=BODY | {"texts": [text | {"details": words}]})
        assert problem(refused) == (422, why)


@pytest.mark.parametrize(
    ("kind", "part", "where"),
    [
        (UpdateKind.THANK_YOU, "occasion", "body/thank_you/parts/occasion"),
        (UpdateKind.DELAY_NOTICE, "schedule", "body/delay_notice/parts/schedule"),
        (UpdateKind.EMERGENCY, "severity", "body/emergency/parts/severity"),
        (UpdateKind.RECOVERY_PLAN, "answers", "body/recovery_plan/parts/answers"),
        (UpdateKind.DELIVERY_NOTICE, "mode", "body/delivery_notice/parts/mode"),
        (UpdateKind.FAILURE_LETTER, "reasons", "body/failure_letter/parts/reasons"),
        (UpdateKind.PLAN_ADJUSTMENT, "survey_id", "body/plan_adjustment/parts/survey_id"),
    ],
)
async def test_a_missing_part_is_named(
    client: httpx.AsyncClient, kind: UpdateKind, part: str, where: str
) -> None:
    """422 with the place of the one that is missing."""
    body = body_of(kind)
    body["parts"] = {name: value for name, value in body["parts"].items() if name != part}
    response = await client.put(UPDATE, json=body)
    assert problem(response) == (422, "invalid-request")
    assert [one["where"] for one in response.json()["errors"]] == [where]


async def test_a_missing_section_is_named(client: httpx.AsyncClient) -> None:
    """422 with the section and the language that lacks it."""
    body = body_of(UpdateKind.EMERGENCY)
    del body["texts"][0]["sections"]["next_steps"]
    response = await client.put(UPDATE, json=body)
    assert problem(response) == (422, "missing-part")
    assert "next_steps: missing in fr" in response.json()["detail"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
async def test_an_event_has_a_zone_that_is_known(client: httpx.AsyncClient, zone: str) -> None:
    """Its hours would be read wrongly otherwise."""
    body = body_of(UpdateKind.NEWS)
    body["parts"] = {"event": body["parts"]["event"] | {"zone": zone}}
    assert problem(await client.put(UPDATE, json=body)) == (422, "invalid-request")


@pytest.mark.row("S7")
async def test_an_emergency_goes_out_with_all_its_effects_confirmed(
    client: httpx.AsyncClient,
) -> None:
    """The 409 lists them; its form is shown to its author alone; the project shows the problem."""
    await client.put(UPDATE, json=body_of(UpdateKind.EMERGENCY))
    assert (await client.get(UPDATE)).status_code == 200
    assert problem(await client.get(UPDATE, headers=bearer(STAFF))) == (404, "update-unknown")
    refused = await client.post(f"{UPDATE}/publish")
    assert problem(refused) == (409, "confirmation-required")
    effects = refused.json()["effects"]
    assert "the_next_stage_is_held" in effects
    confirmed = await client.post(f"{UPDATE}/publish", json={"confirm": effects})
    assert confirmed.status_code == 200
    shown = (await client.get("/campaigns/campaign-1")).json()["follow_up"]["problems"]
    assert [(one["update_id"], one["kind"], one["severity"]) for one in shown] == [
        ("u1", "emergency", "critical")
    ]


async def the_problem(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return the one problem that the page shows."""
    page = (await client.get("/campaigns/campaign-1", headers=bearer(backer("anna")))).json()
    (shown,) = page["follow_up"]["problems"]
    assert isinstance(shown, dict)
    return shown


async def publish_emergency(client: httpx.AsyncClient, happened_on: str) -> None:
    body = body_of(UpdateKind.EMERGENCY)
    body["parts"]["happened_on"] = happened_on
    await client.put(UPDATE, json=body)
    confirmed = await client.post(f"{UPDATE}/publish", json={"confirm": list(EFFECTS)})
    assert confirmed.status_code == 200


@pytest.mark.row("S7")
async def test_the_page_says_when_a_plan_is_due_and_that_none_came(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """In French and English from the end of its term on; a plan that is late ends that too."""
    await publish_emergency(client, "2026-03-01")
    due = "2026-03-08T12:00:00Z"
    for days, missing in ((0, False), (6, False), (1, True), (1, True)):
        await days_pass(known, days)
        shown = await the_problem(client)
        assert (shown["plan_due_at"], shown["plan_missing"] is not None) == (due, missing)
    assert shown["plan_missing"] == {
        "fr": "Aucun plan de redressement n'a été publié dans le délai.",
        "en": "No recovery plan came in time.",
    }
    body = body_of(UpdateKind.RECOVERY_PLAN)
    body["parts"]["answers"] = "u1"
    plan = "/campaigns/campaign-1/updates/plan"
    await client.put(plan, json=body)
    assert (await client.post(f"{plan}/publish")).status_code == 200
    shown = await the_problem(client)
    about = shown["recovery_plan"], shown["plan_due_at"], shown["plan_missing"]
    assert about == ("plan", None, None)


@pytest.mark.row("S7")
@pytest.mark.parametrize(
    ("happened_on", "promptly"), [("2026-02-26", True), ("2026-02-25", False)], ids=["3", "4"]
)
async def test_the_page_says_that_an_emergency_was_declared_promptly(
    client: httpx.AsyncClient, happened_on: str, promptly: bool
) -> None:
    """« Signalé sans attendre » within three days of the fact, which it stays when it is graded."""
    await publish_emergency(client, happened_on)
    line = {"fr": "Signalé sans attendre", "en": "Declared promptly"} if promptly else None
    assert (await the_problem(client))["declared_promptly"] == line
    path = "/campaigns/campaign-1/problems/u1/grade"
    lowered = {"kind": "delay_notice", "reason": "It is a delay."}
    assert (await client.post(path, json=lowered, headers=bearer(STAFF))).status_code == 200
    assert (await the_problem(client))["declared_promptly"] == line


async def test_a_delay_is_no_emergency_that_was_declared(client: httpx.AsyncClient) -> None:
    """Nor is it when staff raise it; from then on a plan is due."""
    body = body_of(UpdateKind.DELAY_NOTICE)
    body["parts"]["schedule"] = {"moves": []}
    await client.put(UPDATE, json=body)
    assert (await client.post(f"{UPDATE}/publish")).status_code == 200
    shown = await the_problem(client)
    assert (shown["declared_promptly"], shown["plan_due_at"]) == (None, None)
    path = "/campaigns/campaign-1/problems/u1/grade"
    raised = {"kind": "emergency", "severity": "serious", "reason": "The supplier is gone."}
    answer = await client.post(path, json=raised, headers=bearer(STAFF))
    (shown,) = answer.json()["problems"]
    due = "2026-03-08T12:00:00Z"
    assert (shown["declared_promptly"], shown["plan_due_at"]) == (None, due)


async def test_the_form_of_an_emergency_is_gone_after_a_day(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """Nobody finds an old one and publishes it as if it were of today."""
    await client.put(UPDATE, json=body_of(UpdateKind.EMERGENCY))
    known.clock.advance(seconds=86_400)
    assert problem(await client.get(UPDATE)) == (404, "update-unknown")
    assert (await client.get("/campaigns/campaign-1/drafts")).json()["items"] == []
    assert (await client.put(UPDATE, json=body_of(UpdateKind.EMERGENCY))).status_code == 200
    assert (await client.get(UPDATE)).status_code == 200


@pytest.mark.row("S14")
async def test_the_page_says_that_no_reasons_were_given(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """In French and English, as long as no letter is there."""
    missed = sample(funding.VerdictReached, verdict="goal_missed", reached_at=NOW)
    await known.hear((missed, 2))
    await days_pass(known, 14)
    page = (await client.get("/campaigns/campaign-1")).json()["follow_up"]
    assert page["unexplained"]["fr"].startswith("L'initiateur n'a pas encore expliqué les raisons")
    await client.put(UPDATE, json=body_of(UpdateKind.FAILURE_LETTER))
    assert (await client.post(f"{UPDATE}/publish")).status_code == 200
    assert (await client.get("/campaigns/campaign-1")).json()["follow_up"]["unexplained"] is None


async def test_an_event_of_the_news_goes_into_a_calendar(client: httpx.AsyncClient) -> None:
    """Once it is published; words cannot end a line of it, and no line is too long for a reader."""
    body = body_of(UpdateKind.NEWS)
    body["texts"][0]["title"] = "Portes, ouvertes; " + "é" * 100
    body["parts"]["event"]["place"] = "12 rue des Lampes\nEND:VEVENT"
    await client.put(UPDATE, json=body)
    assert problem(await client.get(f"{UPDATE}/event.ics")) == (404, "update-unknown")
    assert (await client.post(f"{UPDATE}/publish")).status_code == 200
    shown = await client.get(f"{UPDATE}/event.ics")
    assert shown.headers["content-type"].startswith("text/calendar")
    lines = shown.text.split("\r\n")
    assert max(len(line.encode()) for line in lines) <= 75 and lines.count("END:VEVENT") == 1
    whole = shown.text.replace("\r\n ", "").split("\r\n")
    assert "DTSTART:20260401T180000Z" in whole
    assert "SUMMARY:Portes\\, ouvertes\\; " + "é" * 100 in whole
    assert "LOCATION:12 rue des Lampes\\nEND:VEVENT" in whole


async def test_two_texts_of_one_language_are_refused(client: httpx.AsyncClient) -> None:
    """The rules of the domain come out as problems too."""
    response = await client.put(UPDATE, json=BODY | {"texts": BODY["texts"] * 2})
    assert problem(response) == (422, "duplicate-language")


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    """Unknown campaigns and updates, also another campaign's update."""
    await client.put(UPDATE, json=BODY)
    for path in (
        "/campaigns/campaign-2",
        "/campaigns/campaign-1/updates/u2",
        "/campaigns/campaign-2/updates/u1",
        "/campaigns/campaign-2/updates/u1/audience",
        "/campaigns/campaign-2/drafts",
    ):
        assert problem(await client.get(path))[0] == 404, path
    assert problem(await client.put("/campaigns/campaign-2/updates/u1", json=BODY))[0] == 404
    assert problem(await client.post("/campaigns/campaign-2/updates/u1/publish"))[0] == 404
    assert problem(await client.post("/campaigns/campaign-1/updates/u2/publish"))[0] == 404


async def test_a_published_update_is_not_changed(client: httpx.AsyncClient) -> None:
    """409 for other content, the same answer for the same content."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    assert (await client.put(UPDATE, json=BODY)).status_code == 200
    other = BODY | {"visibility": "backers"}
    assert problem(await client.put(UPDATE, json=other)) == (409, "already-published")


async def test_a_stale_edition_is_refused(client: httpx.AsyncClient) -> None:
    """Two tabs read one draft: the second to save is told, whatever it does; a repeat is not."""
    first = (await client.put(UPDATE, json=BODY)).headers["etag"]
    changed = BODY | {"visibility": "backers"}
    stale = {"If-Match": first}
    saved = await client.put(UPDATE, json=changed, headers=stale)
    assert saved.status_code == 200 and saved.headers["etag"] != first
    assert (await client.put(UPDATE, json=changed, headers=stale)).status_code == 200
    soon = {"publish_at": "2026-03-01T13:00:00Z"}
    for answer in (
        await client.put(UPDATE, json=BODY, headers=stale),
        await client.put(f"{UPDATE}/schedule", json=soon, headers=stale),
        await client.post(f"{UPDATE}/withdrawal", headers=stale),
        await client.post(f"{UPDATE}/publish", headers=stale),
        await client.put(UPDATE, json=BODY, headers={"If-Match": "something"}),
    ):
        assert problem(answer) == (412, "edition-stale")
    current = (await client.get(UPDATE)).headers["etag"]
    assert current == saved.headers["etag"]
    published = await client.post(f"{UPDATE}/publish", headers={"If-Match": current})
    assert published.status_code == 200
    again = await client.post(f"{UPDATE}/publish", headers={"If-Match": current})
    assert again.json() == published.json()


async def test_drafts_are_listed_scheduled_and_withdrawn(client: httpx.AsyncClient) -> None:
    """What waits shows its time; what is withdrawn is no draft any more, and may be again."""
    await client.put(UPDATE, json=BODY)
    drafts = "/campaigns/campaign-1/drafts"
    at = "2026-03-01T13:00:00Z"
    planned = (await client.put(f"{UPDATE}/schedule", json={"publish_at": at})).json()
    assert (planned["state"], planned["publish_at"]) == ("scheduled", at)
    assert (await client.get(drafts)).json()["items"] == [planned]
    assert (await client.delete(f"{UPDATE}/schedule")).json()["publish_at"] is None
    past = {"publish_at": "2026-03-01T11:00:00Z"}
    assert problem(await client.put(f"{UPDATE}/schedule", json=past)) == (422, "invalid-time")
    assert (await client.post(f"{UPDATE}/withdrawal")).json()["state"] == "withdrawn"
    assert (await client.get(drafts)).json()["items"] == []
    assert problem(await client.post(f"{UPDATE}/publish")) == (409, "impossible-transition")
    assert (await client.put(UPDATE, json=BODY)).json()["state"] == "draft"
    await client.post(f"{UPDATE}/publish")
    for answer in (
        await client.post(f"{UPDATE}/withdrawal"),
        await client.put(f"{UPDATE}/schedule", json={"publish_at": at}),
        await client.delete(f"{UPDATE}/schedule"),
    ):
        assert problem(answer) == (409, "already-published")


async def test_a_team_may_do_what_its_roles_say_as_long_as_it_is_the_team(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """An editor writes, whatever their role on the platform; others of the team read drafts."""
    people = {"creator-1": "owner", "eve": "editor", "finn": "fulfilment", "mia": "moderator"}
    members = [{"person_id": person, "roles": [role]} for person, role in people.items()]
    await known.hear((sample(funding.TeamChanged, members=members), 2))
    eve, finn = bearer(backer("eve")), bearer(backer("finn"))
    written = await client.put(UPDATE, json=BODY, headers=eve)
    assert written.json()["author_id"] == "eve"
    assert (await client.get(UPDATE, headers=finn)).json()["state"] == "draft"
    assert problem(await client.put(UPDATE, json=BODY, headers=finn))[0] == 404
    assert problem(await client.get(f"{UPDATE}/audience", headers=finn))[0] == 404
    await known.hear((sample(funding.TeamChanged, members=members[:1]), 3))
    assert problem(await client.put(UPDATE, json=BODY, headers=eve))[0] == 404
    assert problem(await client.get(UPDATE, headers=finn))[0] == 404
    assert (await client.put(UPDATE, json=BODY)).json()["author_id"] == "creator-1"


async def test_a_correction_and_what_was_said_before(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """Edits of the first half hour are the team's to see, corrections everybody's."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    words = [{"language": "fr", "title": "Bonjour", "details": said} for said in ("B", "C")]
    first = {"draft": {"kind": "progress_report", "texts": words[:1]}}
    second = {"draft": {"kind": "progress_report", "texts": words[1:]}, "reason": "A mistake."}
    assert (await client.put(f"{UPDATE}/revisions/2", json=first)).json()["corrected_at"] is None
    known.clock.advance(seconds=1_800)
    unreasoned = await client.put(f"{UPDATE}/revisions/3", json=second | {"reason": ""})
    assert problem(unreasoned) == (422, "reason-missing")
    corrected = await client.put(f"{UPDATE}/revisions/3", json=second)
    assert (await client.put(f"{UPDATE}/revisions/3", json=second)).json() == corrected.json()
    assert corrected.json()["revision"] == 3 and corrected.json()["corrected_at"]
    assert problem(await client.put(f"{UPDATE}/revisions/3", json=first)) == (409, "revision-taken")
    team = (await client.get(f"{UPDATE}/revisions?limit=1")).json()
    assert [one["number"] for one in team["items"]] == [2] and team["next_cursor"] == 2
    older = (await client.get(f"{UPDATE}/revisions?cursor=2")).json()["items"]
    assert [one["number"] for one in older] == [1] and not older[0]["correction"]
    client.headers.pop("authorization")
    public = (await client.get(f"{UPDATE}/revisions")).json()["items"]
    assert [(one["number"], one["reason"]) for one in public] == [(2, "A mistake.")]
    assert public[0]["texts"][0]["details"] == "B"


async def test_what_is_for_a_reward_is_shown_to_who_chose_it(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """Also after the pledge was taken back; a backer of another reward is told it is not there."""
    for number, (person, reward) in enumerate((("lee", "lamp"), ("dee", "desk")), start=2):
        pledge = {"pledge_id": f"p{number}", "backer_id": person, "reward_id": reward}
        await known.hear((sample(funding.PledgeCollected, **pledge), number))
    await client.put(UPDATE, json=BODY | {"visibility": "rewards", "rewards": ["lamp"]})
    by_reward = (await client.get(f"{UPDATE}/preview")).json()
    assert by_reward["audience"] == {"pledges_sequence": 3, "count": 3}
    assert sum(by_reward["by_reward"].values()) + by_reward["without_reward"] == 3
    await client.post(f"{UPDATE}/publish")
    gone = sample(funding.PledgeWithdrawn, pledge_id="p2", backer_id="lee", reward_id="lamp")
    await known.hear((gone, 4))
    assert (await client.get(UPDATE, headers=bearer(backer("lee")))).status_code == 200
    for caller in (backer("dee"), creator("creator-2")):
        for path in (UPDATE, f"{UPDATE}/revisions"):
            answer = await client.get(path, headers=bearer(caller))
            assert problem(answer) == (404, "update-unknown")
    assert (await client.get(UPDATE, headers=bearer(STAFF))).status_code == 200


async def test_nothing_is_reported_after_a_missed_goal(
    client: httpx.AsyncClient, known: UpdatesService
) -> None:
    """409 with a type that says why, for drafts, previews and publications."""
    await client.put(UPDATE, json=BODY)
    await known.hear((sample(funding.VerdictReached, verdict="goal_missed"), 2))
    answers = [
        await client.put(UPDATE, json=BODY | {"visibility": "backers"}),
        await client.get(f"{UPDATE}/audience"),
        await client.post(f"{UPDATE}/publish"),
    ]
    assert {problem(answer) for answer in answers} == {(409, "campaign-missed")}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "~",
        "2026-03-01T12:00:00~u1",
        "2026-03-01T12:00:00Z~",
        "0001-01-01T00:00:00+14:00~u1",
    ],
)
async def test_a_foreign_cursor_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    """A cursor that we did not make is a 422, not an accident."""
    response = await client.get("/campaigns/campaign-1/updates", params={"cursor": cursor})
    assert problem(response) == (422, "invalid-cursor")


async def test_an_update_is_written_by_whoever_the_token_names(client: httpx.AsyncClient) -> None:
    """The author is the token's subject; a body cannot say otherwise."""
    assert (await client.put(UPDATE, json=BODY)).json()["author_id"] == "creator-1"
    forged = await client.put(UPDATE, json=BODY | {"author_id": "creator-2"})
    assert problem(forged) == (422, "invalid-request")


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        (None, ["open"]),
        (backer("backer-2"), ["open"]),
        (creator("creator-2"), ["open"]),
        # Who backs the campaign and calls as somebody else is not shown it as a backer.
        (Caller("backer-1", ("service",)), ["open"]),
        (backer("backer-1"), ["inside", "open"]),
        (creator("creator-1"), ["inside", "open"]),
        (STAFF, ["inside", "open"]),
    ],
    ids=str,
)
async def test_what_is_for_backers_is_shown_to_them_alone(
    client: httpx.AsyncClient, known: UpdatesService, caller: Caller | None, shown: list[str]
) -> None:
    """In lists and in the project view, as for the update itself."""
    for name, visibility in (("open", "public"), ("inside", "backers")):
        path = f"/campaigns/campaign-1/updates/{name}"
        await client.put(path, json=BODY | {"visibility": visibility})
        assert (await client.post(f"{path}/publish")).status_code == 200
        known.clock.advance(seconds=1)
    client.headers.pop("authorization")
    headers = bearer(caller) if caller else {}
    page = (await client.get("/campaigns/campaign-1/updates", headers=headers)).json()["items"]
    project = (await client.get("/campaigns/campaign-1", headers=headers)).json()["updates"]
    assert [one["update_id"] for one in page] == shown
    assert [one["update_id"] for one in project] == shown
