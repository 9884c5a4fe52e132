"""Tokens of personal links: for one person, object and audience, for minutes, and for few acts."""

import base64
import time
from collections.abc import Callable, Mapping

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.sandbox.issuer.testing import KEY, unit_guard
from infra.sandbox.issuer.tokens import Caller, claims_of
from servicekit.auth import DEVELOPMENT_ISSUER, Role, TokenVerifier
from servicekit.issuer_keys import FixedKeys, keys_of
from servicekit.link_tokens import (
    ISSUER,
    VALID_SECONDS,
    LinkAct,
    LinkHolder,
    LinkTokenKeys,
    LinkTokenVerifier,
)
from servicekit.problems import Problem

SEEDS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
KEYS = LinkTokenKeys(SEEDS)
READS = LinkHolder("anna", "lamp", frozenset({LinkAct.READ}))
AUDIENCE = "updates"


def published(keys: LinkTokenKeys) -> FixedKeys:
    return FixedKeys(*keys_of(keys.published()).values())


VERIFIER = LinkTokenVerifier(AUDIENCE, published(KEYS))


def signed(**changes: object) -> str:
    """Return a token of our key that says something else; None takes a claim away."""
    good = jwt.decode(KEYS.token(READS, AUDIENCE), options={"verify_signature": False})
    claims = {name: value for name, value in (good | changes).items() if value is not None}
    key = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    return jwt.encode(claims, key, "EdDSA", {"kid": next(iter(keys_of(KEYS.published())))})


async def test_a_token_says_who_about_what_and_which_acts() -> None:
    """An act that only a newer issuer knows is none; what it does not name is refused."""
    assert await VERIFIER.holder(KEYS.token(READS, AUDIENCE), LinkAct.READ) == READS
    assert await VERIFIER.holder(signed(scope="read fly"), LinkAct.READ) == READS
    for act in set(LinkAct) - READS.acts:
        with pytest.raises(Problem, match="token-scope"):
            await VERIFIER.holder(KEYS.token(READS, AUDIENCE), act)


async def test_keys_are_changed_without_a_token_that_breaks() -> None:
    """The second key is published before it signs; one that is no more published counts no more."""
    turned = LinkTokenKeys(list(reversed(SEEDS)))
    assert await VERIFIER.holder(turned.token(READS, AUDIENCE), LinkAct.READ) == READS
    alone = LinkTokenVerifier(AUDIENCE, published(LinkTokenKeys(SEEDS[1:])))
    with pytest.raises(Problem, match="token-unknown-key"):
        await alone.holder(KEYS.token(READS, AUDIENCE), LinkAct.READ)


def test_what_is_published_is_public() -> None:
    """No private half, and nobody can make another token of it."""
    for key in KEYS.published()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    for seeds in ([], ["short"], [base64.b64encode(b"short").decode()]):
        with pytest.raises(ValueError, match="key"):
            LinkTokenKeys(seeds)


REFUSED: Mapping[str, tuple[str, Callable[[], str]]] = {
    "nothing": ("token-malformed", str),
    "too long": ("token-malformed", lambda: "x" * 10_000),
    "expired": ("token-expired", lambda: KEYS.token(READS, AUDIENCE, seconds_valid=-60)),
    "other audience": ("token-other-audience", lambda: KEYS.token(READS, "payouts")),
    "other issuer": ("token-other-issuer", lambda: signed(iss=DEVELOPMENT_ISSUER)),
    "of the platform": ("token-unknown-key", lambda: KEY.sign(claims_of(Caller("anna")))),
    "other key": (
        "token-unknown-key",
        lambda: LinkTokenKeys([base64.b64encode(b"k" * 32).decode()]).token(READS, AUDIENCE),
    ),
    "about nothing": ("token-malformed", lambda: signed(about=None)),
    "about a list": ("token-malformed", lambda: signed(about=["lamp"])),
    "without acts": ("token-malformed", lambda: signed(scope=None)),
    "acts in a list": ("token-malformed", lambda: signed(scope=["read"])),
    "of nobody": ("token-malformed", lambda: signed(sub=None)),
    "for ever": ("token-malformed", lambda: signed(exp=None)),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_any_other_token_is_refused_with_its_reason(name: str) -> None:
    """The same reasons as of tokens of the platform's issuer."""
    reason, make = REFUSED[name]
    with pytest.raises(Problem) as refusal:
        await VERIFIER.holder(make(), LinkAct.READ)
    assert (refusal.value.status, refusal.value.name) == (401, reason)


def test_it_holds_for_minutes() -> None:
    """So that a revoked link stops soon."""
    said = jwt.decode(KEYS.token(READS, AUDIENCE), options={"verify_signature": False})
    assert said["exp"] - said["iat"] == VALID_SECONDS <= 15 * 60
    assert abs(said["iat"] - time.time()) < 60


async def test_a_guard_takes_it_from_nobody_even_if_it_knew_the_key() -> None:
    """It names no role, and its issuer is none whose tokens a service takes."""
    token = KEYS.token(LinkHolder("anna", "lamp", frozenset(LinkAct)), "sosst")
    confused = TokenVerifier(DEVELOPMENT_ISSUER, "sosst", published(KEYS))
    with pytest.raises(Problem, match="token-other-issuer"):
        await confused.principal([f"Bearer {token}"])
    rule = unit_guard().allow(*Role).dependency
    with pytest.raises(Problem, match="token-unknown-key"):
        await rule._verifier.principal([f"Bearer {token}"])
    assert ISSUER != DEVELOPMENT_ISSUER
