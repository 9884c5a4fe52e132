"""What is refused says why, and what whoever asked can do about it."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.sandbox.issuer.tokens import SERVICE, STAFF, Caller, backer
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.mail_reports import read_report
from notifier.http import MailRoutes, api
from services.notifier.tests.builders import (
    CAMPAIGN,
    memory_notifier,
    pledges,
    settle,
    verdict,
)

HTTP = Path(api.__file__).parent
LINKS = SignedMailLinks(["0123456789abcdef"], "sosst.example", "https://api.sosst.example/u")
ANNA = backer("anna")
PERSON = {"language": "fr", "zone": "UTC", "roles": ["staff"]}
END = {"outcome": "reached", "what": "a letter"}
HOOK = {"url": "https://crm.example/hook"}


def without_a_detail(source: str) -> list[int]:
    """Return the lines at which a problem is made of a title alone."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Problem"
        if len(call.args) < 4
    ]


def test_every_problem_has_a_detail() -> None:
    """Its title says what is wrong, its detail what to do; one without is found."""
    assert without_a_detail('Problem(404, "lamp-unknown", "There is no such lamp")') == [1]
    for file in HTTP.glob("*.py"):
        assert without_a_detail(file.read_text(encoding="utf-8")) == [], file.name


@pytest.mark.parametrize(
    ("caller", "method", "path", "body", "refusal", "advice"),
    [
        (ANNA, "GET", "/people/ben/inbox", None, "inbox-unknown", "subject of one's token"),
        (
            ANNA,
            "PUT",
            f"/people/anna/inbox/hidden/{'0' * 32}",
            None,
            "notification-unknown",
            "notification_id of one of its items",
        ),
        (ANNA, "GET", "/people/anna/inbox?cursor=x", None, "invalid-cursor", "`next_cursor`"),
        (ANNA, "PUT", "/people/anna", PERSON, "roles-are-told", "leave out `roles`"),
        (STAFF, "PUT", f"/unreached/{'0' * 32}/end", END, "unreached-unknown", "/unreached"),
        (
            STAFF,
            "GET",
            f"/campaigns/{CAMPAIGN}/would-be-told/verdict-reached?as_of=9",
            None,
            "view-behind",
            "is at 1: ask as of that, or again later",
        ),
        (
            STAFF,
            "GET",
            f"/campaigns/{CAMPAIGN}/would-be-told/refund-succeeded",
            None,
            "names-its-people",
            "ask for what all backers are told",
        ),
        (
            STAFF,
            "GET",
            f"/campaigns/{CAMPAIGN}/notices/verdict-reached/other",
            None,
            "notice-unknown",
            "kind/subject",
        ),
        (
            SERVICE,
            "PUT",
            "/webhook-endpoints/crm",
            HOOK | {"types": ["surprise"]},
            "type-unknown",
            "leave `types` out",
        ),
        (SERVICE, "GET", "/webhook-endpoints/crm", None, "endpoint-unknown", "check its id"),
        (STAFF, "POST", "/mail-reports", None, "report-secret-refused", "X-Report-Secret"),
    ],
)
async def test_a_refusal_says_what_to_do(
    caller: Caller,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    refusal: str,
    advice: str,
) -> None:
    """By the words of its detail, under the type that programs know."""
    notifier = memory_notifier()
    await notifier.hear(*pledges(["anna"]), verdict(1))
    await settle(notifier)
    async with notifier.http(caller, mail=MailRoutes(LINKS, read_report, [])) as client:
        answer = await client.request(method, path, json=body)
    said = answer.json()
    assert said["type"] == f"/problems/{refusal}", said
    assert advice in said["detail"] and said["detail"] != said["title"]
