"""A small client for demos and tests: checkout, control, figures."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

Body = dict[str, Any]


class SandboxClient:
    """Speaks to a sandbox at `address`; raises `httpx.HTTPStatusError` where it refuses.

    For the demo's checkout and for tests. Services use their own provider adapters.
    """

    def __init__(self, address: str, timeout_seconds: float = 30) -> None:
        self.http = httpx.AsyncClient(
            base_url=address,
            timeout=timeout_seconds,
            headers={"Authorization": "Bearer sk_test_sandbox"},
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.http.aclose()

    async def post(
        self,
        path: str,
        parameters: Mapping[str, object],
        *,
        key: str | None = None,
        account: str | None = None,
    ) -> httpx.Response:
        """A raw call: nested dicts and lists become brackets, no status is an error."""
        headers = {"Idempotency-Key": key, "Stripe-Account": account}
        return await self.http.post(
            path,
            data=_flatten(parameters),
            headers={name: value for name, value in headers.items() if value is not None},
        )

    async def get(
        self, path: str, *, account: str | None = None, **parameters: object
    ) -> httpx.Response:
        headers = {} if account is None else {"Stripe-Account": account}
        return await self.http.get(path, params=_flatten(parameters), headers=headers)

    async def charge(
        self,
        amount: int,
        currency: str,
        *,
        metadata: Mapping[str, str] | None = None,
        key: str | None = None,
        source: str = "tok_visa",
    ) -> Body:
        parameters = {"amount": amount, "currency": currency.lower(), "source": source}
        return _taken(
            await self.post("/v1/charges", {**parameters, "metadata": metadata or {}}, key=key)
        )

    async def top_up(self, amount: int, currency: str, *, key: str | None = None) -> Body:
        parameters = {"amount": amount, "currency": currency.lower()}
        return _taken(await self.post("/v1/topups", parameters, key=key))

    async def create_account(self, *, key: str | None = None) -> Body:
        return _taken(await self.post("/v1/accounts", {}, key=key))

    async def register_endpoint(
        self, url: str, *, key: str | None = None, secret: str | None = None
    ) -> Body:
        parameters = {"url": url} | ({} if secret is None else {"secret": secret})
        return _taken(await self.post("/v1/webhook_endpoints", parameters, key=key))

    async def order_fault(self, kind: str, operation: str, **order: object) -> Body:
        return await self.control("/faults", kind=kind, operation=operation, **order)

    async def advance_clock(self, seconds: float) -> Body:
        return await self.control("/clock", advance_seconds=seconds)

    async def settle(self, *kinds: str) -> Body:
        return await self.control("/settle", **({"kinds": kinds} if kinds else {}))

    async def change_settings(self, **changes: object) -> Body:
        return await self.control("/settings", **changes)

    async def dispute(self, charge: str, **order: object) -> Body:
        """Begin one; `status` inquiry, opened (at once, the default) or prevented."""
        return await self.control("/disputes", charge=charge, **order)

    async def move_dispute(self, dispute: str, status: str, **order: object) -> Body:
        """Opened, won, lost, closed or prevented."""
        return await self.control(f"/disputes/{dispute}", status=status, **order)

    async def control(self, path: str, **body: object) -> Body:
        return _taken(await self.http.post(f"/control{path}", json=body))

    async def book(self, *, charges: bool = True) -> Body:
        return _taken(await self.http.get("/control/book", params={"charges": charges}))


def _taken(response: httpx.Response) -> Body:
    response.raise_for_status()
    body: Body = response.json()
    return body


def _flatten(parameters: Mapping[str, object]) -> dict[str, str | list[str]]:
    flat: dict[str, str | list[str]] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}[{inner}]": str(each) for inner, each in value.items()}
        elif isinstance(value, (list, tuple)):
            flat[f"{name}[]"] = [str(each) for each in value]
        else:
            flat[name] = str(value)
    return flat
