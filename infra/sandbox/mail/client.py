"""A small client for demos and tests: what came, and faults."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import httpx

from infra.native.plain_http import NO_AUTHORITIES

PAGE = 1_000


class MailClient:
    """Asks a mail sandbox at `address`; raises `httpx.HTTPStatusError` where it refuses."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def mails(self, recipient: str | None = None) -> list[dict[str, Any]]:
        """Return everything that came, in order; of one recipient where one is named."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["number"] if found else 0
            query = {"after": str(after), "limit": str(PAGE)}
            query |= {"recipient": recipient} if recipient else {}
            page = (await self._ask("GET", "/mails", params=query)).json()["items"]
            found += page
            if len(page) < PAGE:
                return found

    async def count(self) -> dict[str, int]:
        counted: dict[str, int] = (await self._ask("GET", "/mails/count")).json()
        return counted

    async def mail(self, number: int) -> EmailMessage:
        """Return one mail, parsed by the standard library."""
        content = (await self._ask("GET", f"/mails/{number}")).content
        return message_from_bytes(content, policy=default)

    async def plant(self, kind: str, recipient: str = "*", **more: object) -> None:
        """Let something go wrong from now on."""
        await self._ask(
            "POST", "/control/faults", json={"kind": kind, "recipient": recipient} | more
        )

    async def forget_faults(self) -> None:
        await self._ask("DELETE", "/control/faults")

    async def report_to(self, url: str, secret: str) -> None:
        """Say where bounces and complaints are reported."""
        await self._ask("PUT", "/control/reports", json={"url": url, "secret": secret})

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=10, trust_env=False, verify=NO_AUTHORITIES) as http:
            answer = await http.request(method, f"{self.address}{path}", **more)
        answer.raise_for_status()
        return answer
