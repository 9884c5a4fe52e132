"""The real issuer process: tokens that count, keys that outlive it, and where it does not start."""

import asyncio
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from infra.native.folders import REPOSITORY
from infra.sandbox.issuer.client import IssuerClient
from infra.sandbox.issuer.tokens import DEVELOPMENT_AUDIENCE, Caller, creator
from infra.suite.processes import IssuerProcess
from servicekit.auth import DEVELOPMENT_ISSUER, Principal, Role, TokenVerifier
from servicekit.issuer_keys import PublishedKeys
from servicekit.problems import Problem

ANNA = Caller("anna", ("creator", "backer"))


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[IssuerProcess]:
    process = IssuerProcess(tmp_path / "issuer", detached=False)
    await asyncio.to_thread(process.start)
    yield process
    await asyncio.to_thread(process.stop)


def verifier(issuer: IssuerProcess) -> TokenVerifier:
    """Return a service's own verifier, which looks again at once for an unknown key."""
    keys = PublishedKeys(IssuerClient(issuer.url).keys_url, fetch_pause_seconds=0)
    return TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, keys)


async def refusal(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(Problem) as refused:
        await verifier.principal([f"Bearer {token}"])
    return refused.value.name


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
async def test_a_token_counts_over_rotation_and_kill(issuer: IssuerProcess, algorithm: str) -> None:
    """Old and new key count until the old one is withdrawn; kill -9 loses neither."""
    client, verify = IssuerClient(issuer.url), verifier(issuer)
    old = await client.token(ANNA)
    everything = Principal("anna", frozenset({Role.CREATOR, Role.BACKER}))
    assert await verify.principal([f"Bearer {old}"]) == everything
    await client.rotate(forget=False, algorithm=algorithm)
    await asyncio.to_thread(issuer.kill)
    await asyncio.to_thread(issuer.start)
    new = await client.token(ANNA)
    for token in (old, new):
        assert await verify.principal([f"Bearer {token}"]) == everything
    await client.rotate(forget=True)
    late = verifier(issuer)
    assert [await refusal(late, token) for token in (old, new)] == ["token-unknown-key"] * 2


async def test_bad_tokens_are_made_on_demand(issuer: IssuerProcess) -> None:
    """Expired and for another audience, for whoever wants to see what they are told."""
    client, verify = IssuerClient(issuer.url), verifier(issuer)
    expired = await client.token(ANNA, seconds_valid=-60)
    elsewhere = await client.token(ANNA, audience="shop")
    assert await refusal(verify, expired) == "token-expired"
    assert await refusal(verify, elsewhere) == "token-other-audience"


async def test_a_shell_gets_the_token_alone(issuer: IssuerProcess) -> None:
    """What `make up` prints is a line that works."""
    query = {"subject": "anna", "role": ["creator", "backer"]}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{issuer.url}/token", params=query)
    found = await verifier(issuer).principal([f"Bearer {answer.text}"])
    assert found == Principal("anna", frozenset({Role.CREATOR, Role.BACKER}))


async def test_a_token_is_asked_for_once(issuer: IssuerProcess) -> None:
    """The client keeps it; after a rotation it asks anew."""
    client = IssuerClient(issuer.url)
    first = await client.headers(creator("anna"))
    assert await client.headers(creator("anna")) == first and await client.headers(None) == {}
    await client.rotate(forget=True)
    assert await client.headers(creator("anna")) != first


async def test_the_keys_are_their_owners_only(issuer: IssuerProcess, tmp_path: Path) -> None:
    """Nobody else on the machine can read what signs."""
    mode = (tmp_path / "issuer" / "keys.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.sandbox.issuer", "run", "--port", "0", *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("mode", [[], ["--mode", "production"]])
def test_it_does_not_start_in_production(tmp_path: Path, mode: list[str]) -> None:
    """Exit code 64 and one line, also where no mode is given; no key is made."""
    ended = run("--keys", str(tmp_path / "keys.json"), *mode)
    assert ended.returncode == 64 and ended.stderr.count("\n") == 1
    assert "production" in ended.stderr and not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("content", ["", "{}", '[{"kid": "x"}]', "[1]"])
def test_it_does_not_start_on_keys_that_it_cannot_read(tmp_path: Path, content: str) -> None:
    """Exit code 69 and one line; the file stays as it is."""
    keys = tmp_path / "keys.json"
    keys.write_text(content)
    ended = run("--keys", str(keys), "--mode", "development")
    assert ended.returncode == 69 and ended.stderr.count("\n") == 1
    assert keys.read_text() == content
