"""What a verdict or a payment still waits for, as the services themselves explain it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx

from infra.story.place import Place
from infra.story.words import Line, printable

UNKNOWN_THERE = 404
TOKEN_WANTED = (401, 403)
ANOTHER_TOKEN = "it wants another token (STORY_TOKEN)"


async def waiting(place: Place, campaign_id: str, token: str | None) -> AsyncIterator[Line]:
    """Ask funding for the verdict's lines and payouts for the gates'; what cannot be asked is said.

    `token` is a bearer token of somebody who may look.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=10, trust_env=False, headers=headers) as http:
        for service, path in (("funding", ""), ("payouts", "/stages")):
            answer = await _ask(http, place, service, f"/campaigns/{campaign_id}{path}")
            if isinstance(answer, str):
                text = f"{service:9} not asked what is waited for: {answer}"
                yield Line("not_asked", text, {"service": service, "why": answer})
                continue
            for what, name, why in [*_verdict(answer), *_gates(answer)]:
                yield Line(
                    "waits",
                    f"{service:9} {what} waits for {name}: {printable(why)}",
                    {"service": service, "what": what, "name": name, "why": why},
                )


async def _ask(
    http: httpx.AsyncClient, place: Place, service: str, path: str
) -> dict[str, Any] | str:
    """Return the answer, or why there is none."""
    if service not in place.urls:
        return "its address is not known"
    try:
        answer = await http.get(f"{place.urls[service]}{path}")
    except httpx.HTTPError:
        return "it does not answer"
    if answer.status_code in TOKEN_WANTED:
        return ANOTHER_TOKEN
    if answer.status_code == UNKNOWN_THERE:
        return "it has not heard of the campaign"
    if answer.is_error:
        return f"it answered {answer.status_code}"
    found: dict[str, Any] = answer.json()
    # Funding shows the campaign to everybody, and what its verdict waits for to a few.
    return ANOTHER_TOKEN if found.get("settling", ()) is None else found


def _verdict(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    missing = [line for line in answer.get("settling", ()) if not line["met"]]
    return [("the verdict", line["line"], line["detail"]) for line in missing]


def _gates(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"stage {stage['stage']}", line["name"], line["why"])
        for stage in answer.get("stages", ())
        for line in stage["gate"]
        if line["state"] != "passed"
    ]
