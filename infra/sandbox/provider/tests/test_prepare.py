"""A sandbox is made ready by one command, once or often."""

import asyncio
import sys

from infra.sandbox.provider.client import SandboxClient
from infra.sandbox.provider.tests.process import ROOT, SandboxProcess

WEBHOOK = "http://127.0.0.1:9/webhooks/sandbox"
SECRET = "whsec_known_to_both_sides"


async def prepared(*options: str) -> int | None:
    """Run the command and return its exit code."""
    command = (sys.executable, "-m", "infra.sandbox.provider", "prepare", *options)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    return await process.wait()


async def test_prepared_twice_is_prepared_once(
    sandbox: SandboxProcess, client: SandboxClient
) -> None:
    """One float, one endpoint with the secret that was given, however often it is asked for."""
    options = ["--address", sandbox.address, "--float", "EUR=5000", "--float", "JPY=70"]
    options += ["--webhook", WEBHOOK, "--webhook-secret", SECRET]
    assert await prepared(*options) == 0
    assert await prepared(*options) == 0
    platform = (await client.book())["accounts"]["acct_platform"]
    assert {name: of["available"] for name, of in platform.items()} == {"eur": 5000, "jpy": 70}
    endpoints = (await client.get("/v1/webhook_endpoints")).json()["data"]
    assert [endpoint["url"] for endpoint in endpoints] == [WEBHOOK]


async def test_a_secret_that_was_given_is_the_one_that_signs(client: SandboxClient) -> None:
    """Both sides can know it beforehand; without one it is drawn."""
    assert (await client.register_endpoint(WEBHOOK, secret=SECRET))["secret"] == SECRET
    assert (await client.register_endpoint(WEBHOOK))["secret"] != SECRET


async def test_what_cannot_be_prepared_is_said() -> None:
    """No sandbox there is 69; an address for webhooks without a secret is 64."""
    absent = "http://127.0.0.1:9"
    assert await prepared("--address", absent, "--float", "EUR=1") == 69
    assert await prepared("--address", absent, "--webhook", WEBHOOK) == 64
