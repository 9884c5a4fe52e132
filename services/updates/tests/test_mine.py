"""One's own pledge by a personal link's token: what it opens, and everything that it does not."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import structlog

from infra.sandbox.issuer.testing import KEY, bearer
from infra.sandbox.issuer.tokens import STAFF, backer, claims_of, creator
from infra.servicekit.tests.forms import press
from servicekit.access import guarded_routes
from servicekit.issuer_keys import FixedKeys, keys_of
from servicekit.link_tokens import LinkAct, LinkHolder, LinkTokenKeys, LinkTokenVerifier
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.routes import api_of, client_of
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.domain.pledge import Pledge, Promise

CAMPAIGN = "campaign-1"
ANNA, BEN = "anna", "ben"
KEYS = LinkTokenKeys([base64.b64encode(b"l" * 32).decode()])
VERIFIER = LinkTokenVerifier("updates", FixedKeys(*keys_of(KEYS.published()).values()))
HURTING = '"><script>alert(1)</script>'
SURVEY: Mapping[str, Any] = {
    "language": "en",
    "title": f"How was it? {HURTING}",
    "closes_at": "2026-03-09T12:00:00Z",
    "questions": [
        {"question_id": "way", "kind": "choice", "words": "By?", "options": ["post", HURTING]},
        {
            "question_id": "liked",
            "kind": "several",
            "words": "What?",
            "options": ["lamp", "box"],
            "required": False,
        },
        {"question_id": "much", "kind": "scale", "words": "How much?", "low": 1, "high": 5},
        {"question_id": "more", "kind": "text", "words": "More?", "required": False},
    ],
}
ANSWER = {"q.way": HURTING, "q.liked": ["lamp", "box"], "q.much": "4", "q.more": ""}


def token(
    person: str = ANNA,
    campaign: str = CAMPAIGN,
    acts: frozenset[LinkAct] = frozenset(LinkAct),
    audience: str = "updates",
    seconds_valid: int = 900,
) -> str:
    holder = LinkHolder(person, campaign, acts)
    return KEYS.token(holder, audience, seconds_valid=seconds_valid)


def without_token(page: httpx.Response) -> str:
    """What a page shows; the token in its forms is another each second, and with it their ids."""
    return re.sub(r'(?<=value=")eyJ[^"]+|(?<=/)[0-9a-f]{32}(?=")', "", page.text)


@dataclass
class Desk:
    """A service with two backers' pledges, and its routes as a browser asks them."""

    service: UpdatesService
    http: httpx.AsyncClient

    async def send(
        self, path: str = "/mine", by: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Send a form as Anna does, or with another token."""
        form = {"token": token() if by is None else by, "lang": "en"} | fields
        return await self.http.post(path, data=form)

    async def press(self, page: httpx.Response, action: str, **fields: Any) -> httpx.Response:
        return await press(self.http, page, action, **fields)

    async def api(self, method: str, path: str, who: Any, body: Any = None) -> Any:
        answer = await self.http.request(method, path, json=body, headers=bearer(who))
        assert answer.status_code == 200, answer.text
        return answer.json()


async def desk_over(service: UpdatesService) -> Desk:
    await service.hear((sample(funding.CampaignLaunched), 1))
    for number, person in enumerate((ANNA, BEN), start=1):
        pledge = {"pledge_id": f"p-{person}", "backer_id": person, "reward_id": "reward-1"}
        await service.hear((sample(funding.PledgeCollected, **pledge), number))
    await service.hear((sample(funding.VerdictReached), 2))
    return Desk(service, client_of(api_of(service, links=VERIFIER)))


@pytest.fixture
async def desk() -> Desk:
    return await desk_over(memory_service())


@pytest.mark.row("S17")
@pytest.mark.row("S19")
@pytest.mark.row("S12")
async def test_a_backer_without_an_account_does_all_four(service: UpdatesService) -> None:
    """Reads their pledge, answers, confirms a receipt, opens a claim, answers and accepts."""
    desk = await desk_over(service)
    survey = f"/campaigns/{CAMPAIGN}/surveys/s1"
    await desk.api("PUT", survey, creator("creator-1"), SURVEY)
    await desk.api("POST", f"{survey}/opening", creator("creator-1"))
    sent = f"/campaigns/{CAMPAIGN}/deliveries/reward-1/{ANNA}"
    parcel = {"carrier": "La Poste", "number": "6A 1"}
    await desk.api("PUT", sent, creator("creator-1"), {"state": "shipped", "parcel": parcel})

    page = await desk.send()
    assert page.status_code == 200 and "Your pledge counts" in page.text
    assert "La Poste, 6A 1" in page.text and "Shipped" in page.text

    asked = await desk.press(page, "/mine/surveys/s1")
    missing = await desk.press(asked, ".*/answer", **{"q.way": "post"})
    assert missing.status_code == 422 and "An answer is missing" in missing.text
    assert re.search(r'value="post" checked', missing.text)
    answered = await desk.press(missing, ".*/answer", **ANSWER)
    assert answered.status_code == 200 and "your answer is kept" in answered.text
    again = await desk.press(answered, "/mine/surveys/s1/answer", **ANSWER | {"ballot": "x" * 43})
    assert again.status_code == 409 and "another ballot" in again.text
    (ballot,) = re.findall(r"<strong>([\w-]{43})</strong>", answered.text)
    changed = await desk.press(answered, ".*/answer", **ANSWER | {"q.much": "5", "ballot": ballot})
    assert changed.status_code == 200
    results = await desk.api("GET", f"{survey}/results", creator("creator-1"))
    assert results["answers"] == 1

    received = await desk.press(await desk.send(), "/mine/receipts/reward-1")
    assert "Received, you said" in received.text
    known = await desk.api("GET", sent, backer(ANNA))
    assert known["state"] == "received" and known["history"][-1]["by"] == "backer"

    wish = {"pledge": "p-anna", "reason": "quality", "text": f"It broke.\r\n{HURTING}"}
    claimed = await desk.press(received, "/mine/claims/[^/]+", **wish)
    assert claimed.status_code == 200 and "The creator is to answer" in claimed.text
    (claim,) = (await desk.api("GET", f"/campaigns/{CAMPAIGN}/claims", backer(ANNA)))["items"]
    assert claim["thread"][0]["text"] == f"It broke.\n{HURTING}"
    proposal = f"/campaigns/{CAMPAIGN}/claims/{claim['claim_id']}/proposals/x1"
    await desk.api("PUT", proposal, creator("creator-1"), {"outcome": "replacement"})
    offered = await desk.send()
    written = await desk.press(offered, ".*/messages/[^/]+", text="Which colour?")
    assert "Which colour?" in written.text
    accepted = await desk.press(written, ".*/acceptance")
    assert "the replacement is to be sent" in accepted.text


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_a_page_says_who_it_is_for_and_hurts_nobody(desk: Desk, language: str) -> None:
    """In both languages; nothing that somebody wrote is more than text, nothing is loaded."""
    await desk.press(
        await desk.send(), "/mine/claims/.*", pledge="p-anna", reason="other", text=HURTING
    )
    page = await desk.send(lang=language)
    assert page.headers["content-language"] == language and f'<html lang="{language}">' in page.text
    assert HURTING not in page.text and "&lt;script&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "form-action 'self';" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in page.headers["cache-control"]
    assert "set-cookie" not in page.headers and "location" not in page.headers
    other = await desk.press(page, "/mine")
    assert other.headers["content-language"] != language


async def test_a_receipt_is_taken_back_for_fourteen_days(desk: Desk) -> None:
    """By the button that stands where the other one was; twice is once, and later it is final."""
    received = await desk.press(await desk.send(), "/mine/receipts/reward-1")
    for _ in range(2):
        undone = await desk.press(received, ".*/undoing")
        assert undone.status_code == 200 and "Not begun yet" in undone.text
    await desk.press(undone, "/mine/receipts/reward-1")
    desk.service.clock.advance(days=14)
    final = await desk.press(received, ".*/undoing")
    assert final.status_code == 409 and "too long ago to take it back" in final.text


async def test_what_is_sent_twice_is_one_act(desk: Desk) -> None:
    """A double click, a page that is loaded again, a form that is sent from two tabs."""
    page = await desk.send()
    wish = {"pledge": "p-anna", "reason": "other", "text": "It broke."}
    first, second = [await desk.press(page, "/mine/claims/[^/]+", **wish) for _ in range(2)]
    assert first.status_code == second.status_code == 200
    assert without_token(first) == without_token(second)
    for _ in range(2):
        assert (await desk.press(first, ".*/messages/.*", text="Well?")).status_code == 200
    for _ in range(2):
        assert (await desk.press(first, ".*/escalations/.*", text="")).status_code == 200
    (claim,) = (await desk.api("GET", f"/campaigns/{CAMPAIGN}/claims", backer(ANNA)))["items"]
    assert [one["kind"] for one in claim["thread"]] == ["opened", "message", "escalation"]
    another = await desk.press(await desk.send(), "/mine/claims/[^/]+", **wish)
    assert another.status_code == 409 and "open already" in another.text
    assert "What you had written" in another.text and "It broke." in another.text


PATHS = (
    "/mine",
    "/mine/receipts/reward-1",
    "/mine/receipts/reward-1/undoing",
    "/mine/surveys/s1",
    "/mine/surveys/s1/answer",
    "/mine/claims/c1",
    "/mine/claims/c1/messages/m1",
    "/mine/claims/c1/escalations/e1",
    "/mine/claims/c1/acceptance",
)
STRANGE = {
    "none": lambda: "",
    "expired": lambda: token(seconds_valid=-60),
    "for another service": lambda: token(audience="payouts"),
    "for the platform": lambda: token(audience="sosst"),
    "another key's": lambda: LinkTokenKeys([base64.b64encode(b"o" * 32).decode()]).token(
        LinkHolder(ANNA, CAMPAIGN, frozenset(LinkAct)), "updates"
    ),
    "of the backer's sign-in": lambda: KEY.sign(claims_of(backer(ANNA))),
    "of staff": lambda: KEY.sign(claims_of(STAFF)),
}


@pytest.mark.parametrize("kind", STRANGE)
async def test_no_other_token_opens_a_page(desk: Desk, kind: str) -> None:
    """Nothing is shown and nothing done; who came too late has back what they wrote.

    Nobody else, or any site could put words on our page.
    """
    wish = {"pledge": "p-anna", "reason": "other", "text": "A long story."}
    for path in PATHS:
        answer = await desk.send(path, by=STRANGE[kind](), **wish)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"].startswith("text/html")
        assert "p-anna" not in answer.text
        assert ("A long story." in answer.text) == (kind == "expired")
    assert await _nothing_happened(desk)


async def test_a_token_is_taken_from_a_form_alone(desk: Desk) -> None:
    """Not from an address (histories, referrers, logs), a cookie, or a header."""
    good = token()
    places: list[dict[str, Any]] = [
        {"params": {"token": good}},
        {"headers": {"Cookie": f"token={good}"}},
        {"headers": {"Authorization": f"Bearer {good}"}},
        {"json": {"token": good}},
    ]
    for path in PATHS:
        for place in places:
            assert (await desk.http.post(path, **place)).status_code == 401
        looked = await desk.http.get(path, params={"token": good, "text": "x"})
        assert looked.status_code == 405
    assert await _nothing_happened(desk)


async def test_another_site_can_make_a_browser_do_nothing(desk: Desk) -> None:
    """There is no cookie to ride on: what it sends lacks the token, whatever it guesses."""
    forged = {"pledge": "p-anna", "reason": "other", "text": "x", "proposal": "2"}
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in PATHS:
        answer = await desk.http.post(path, data=forged, headers=headers)
        assert answer.status_code == 401 and "access-control-allow-origin" not in answer.headers
    assert await _nothing_happened(desk)


@pytest.mark.parametrize(("act", "opens"), [
    (LinkAct.READ, PATHS[:1]),
    (LinkAct.CONFIRM, PATHS[1:3]),
    (LinkAct.ANSWER, PATHS[3:5]),
    (LinkAct.CLAIM, PATHS[5:]),
])  # fmt: skip
async def test_a_token_opens_the_acts_that_it_names(
    desk: Desk, act: LinkAct, opens: tuple[str, ...]
) -> None:
    """What it does not name is refused like a token that is none."""
    routes = guarded_routes(api_of(desk.service, links=VERIFIER))
    told = [str(one.rule) for one in routes if one.path.startswith("/mine")]
    mine = [path for path, rule in zip(PATHS, told, strict=True) if rule.endswith(f" to {act}")]
    assert tuple(mine) == opens, "the rule of a route names another act than it asks for"
    narrow = token(acts=frozenset({act}))
    for path in PATHS:
        status = (await desk.send(path, by=narrow)).status_code
        assert (status == 401) == (path not in opens), path


async def test_a_token_names_nobody_elses_things(desk: Desk) -> None:
    """Another backer's pledge, claim or reward, another campaign: like none at all."""
    bens = token(BEN)
    opened = await desk.press(
        await desk.send(by=bens), "/mine/claims/.*", pledge="p-ben", reason="other", text="Mine."
    )
    assert "Mine." in opened.text
    (claim,) = (await desk.api("GET", f"/campaigns/{CAMPAIGN}/claims", backer(BEN)))["items"]
    own = f"/mine/claims/{claim['claim_id']}"
    # A token may spell anybody's name by chance.
    shown = without_token(await desk.send())
    assert "Mine." not in shown and "p-ben" not in shown and BEN not in shown
    for path in (f"{own}/messages/m1", f"{own}/escalations/e1", f"{own}/acceptance"):
        said = {"text": "Me too.", "proposal": "2"}
        answer = await desk.send(path, **said)
        none = await desk.send(path.replace(claim["claim_id"], "none"), **said)
        assert answer.status_code == 404 and without_token(answer) == without_token(none)
    for pledge in ("p-ben", "none"):
        taken = await desk.send("/mine/claims/c9", pledge=pledge, reason="other", text="Give.")
        assert taken.status_code == 404
    taken = await desk.send(own, pledge="p-anna", reason="other", text="Mine.")
    assert taken.status_code == 404
    for stranger in (token("zoe"), token(campaign="campaign-2")):
        for path in PATHS:
            fields = {"pledge": "p-anna", "reason": "other", "text": "x"}
            assert (await desk.send(path, by=stranger, **fields)).status_code == 404
    (known,) = (await desk.api("GET", f"/campaigns/{CAMPAIGN}/claims", backer(BEN)))["items"]
    assert known == claim and await _nothing_happened(desk)


async def test_logs_hold_no_token(desk: Desk) -> None:
    """Neither of what was refused nor of what was done."""
    with structlog.testing.capture_logs() as lines:
        for by in (token(), token(seconds_valid=-60), token("zoe")):
            for path in PATHS:
                await desk.send(path, by=by, pledge="p-anna", reason="other", text="x")

    def tell() -> bool:
        return "eyJ" in repr(lines)

    assert not tell()
    lines.append({"event": "planted", "error": token()})
    assert tell()


async def test_a_form_of_no_page_of_ours_is_refused(desk: Desk) -> None:
    """Too large, no form at all, too many fields, letters of no alphabet, a reason that is none."""
    carried = f"token={token()}&lang=en"
    large = await desk.http.post("/mine", content=b"token=" + b"x" * 2_000_000)
    assert large.status_code == 413
    for content in (b"\xff\xfe", b"&".join(b"a=b" for _ in range(4_000)), b"token=%ff%fe"):
        assert (await desk.http.post("/mine", content=content)).status_code == 401
    odd = await desk.http.post("/mine/claims/c1", content=f"{carried}&reason=money&text=x")
    assert odd.status_code == 422
    for proposal in ("", "-1", "9" * 4_000, "²"):
        body = f"{carried}&proposal={proposal}".encode()
        answer = await desk.http.post("/mine/claims/c1/acceptance", content=body)
        assert answer.status_code in (401, 404)


async def test_pledges_are_found_by_their_backer(service: UpdatesService) -> None:
    """By their ids, of this campaign, and only those whose money came."""

    def pledge(name: str, backer_id: str, campaign_id: str = CAMPAIGN) -> Pledge:
        return Pledge(campaign_id, name, Promise(backer_id, None, 100, "EUR"))

    saved = [pledge("p2", ANNA), pledge("p1", ANNA), pledge("p3", BEN), pledge("p4", ANNA, "other")]
    await service.units.run(lambda unit: unit.pledges.save([*saved, Pledge(CAMPAIGN, "p5")]))
    found = await service.units.run(lambda unit: unit.pledges.of_backer(CAMPAIGN, ANNA))
    assert [one.pledge_id for one in found] == ["p1", "p2"]


async def test_without_keys_of_links_there_are_no_such_pages() -> None:
    """A deployment that sends no personal links serves none."""
    http = client_of(api_of(memory_service()))
    assert (await http.post("/mine", data={"token": token()})).status_code == 404


async def _nothing_happened(desk: Desk) -> bool:
    claims = await desk.service.claims.claims(CAMPAIGN, ANNA, "", 10)
    moved = await desk.service.units.run(lambda unit: unit.trackings.of_backer(CAMPAIGN, ANNA))
    return not claims and not moved
