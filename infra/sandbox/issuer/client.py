"""A small client for demos and tests: tokens, kept as long as they are good, and rotation."""

from __future__ import annotations

import time
from typing import Any

import httpx

from infra.native.plain_http import NO_AUTHORITIES
from infra.sandbox.issuer.tokens import VALID_SECONDS, Caller

# Well before its end, so that no token expires on its way.
KEPT_SECONDS = VALID_SECONDS / 2


class IssuerClient:
    """Asks a development issuer at `address`; raises `httpx.HTTPStatusError` where it refuses."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._tokens: dict[Caller, tuple[float, str]] = {}

    @property
    def keys_url(self) -> str:
        return f"{self.address}/.well-known/jwks.json"

    async def headers(self, caller: Caller | None) -> dict[str, str]:
        """Return the headers with which a caller calls; None is nobody."""
        if caller is None:
            return {}
        kept_until, token = self._tokens.get(caller, (0.0, ""))
        if time.monotonic() >= kept_until:
            token = await self.token(caller)
            self._tokens[caller] = (time.monotonic() + KEPT_SECONDS, token)
        return {"Authorization": f"Bearer {token}"}

    async def token(self, caller: Caller, **changes: object) -> str:
        """Return a new token; `changes` are further members of the request."""
        body = {"subject": caller.subject, "roles": list(caller.roles)} | changes
        return str((await self._post("/token", body))["access_token"])

    async def rotate(self, *, forget: bool, algorithm: str = "EdDSA") -> None:
        """Let the issuer sign with a new key; tokens of the old one are not kept here."""
        self._tokens.clear()
        await self._post("/control/rotate", {"forget": forget, "algorithm": algorithm})

    async def _post(self, path: str, body: object) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=10, trust_env=False, verify=NO_AUTHORITIES) as http:
            response = await http.post(f"{self.address}{path}", json=body)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
