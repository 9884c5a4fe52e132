"""Makes a sandbox ready for a suite: a float, and where its webhooks go."""

from __future__ import annotations

from collections.abc import Sequence

from infra.sandbox.provider.client import SandboxClient


async def prepare(
    client: SandboxClient, floats: Sequence[tuple[str, int]], webhook: str | None, secret: str
) -> list[str]:
    """Top up and register what is not yet there; return a line for each thing that was done.

    The endpoint is known by its address and the float by an idempotency key, so that once more
    changes nothing.
    """
    done = []
    for currency, amount in floats:
        await client.top_up(amount, currency, key=f"float-{currency}")
        done.append(f"a float of {amount} {currency}")
    if webhook is not None and webhook not in await _registered(client):
        await client.register_endpoint(webhook, secret=secret)
        done.append(f"webhooks go to {webhook}")
    return done


async def _registered(client: SandboxClient) -> set[str]:
    endpoints = (await client.get("/v1/webhook_endpoints", limit=100)).raise_for_status().json()
    return {endpoint["url"] for endpoint in endpoints["data"]}
