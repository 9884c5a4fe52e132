"""Tokens of every kind: which count, and what each that does not is told."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.sandbox.issuer.keys import SigningKey
from infra.sandbox.issuer.tokens import DEVELOPMENT_AUDIENCE, Caller, claims_of
from servicekit.auth import DEVELOPMENT_ISSUER, LEEWAY_SECONDS, Principal, Role, TokenVerifier
from servicekit.issuer_keys import FixedKeys
from servicekit.problems import Problem

KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in ("EdDSA", "RS256")}
KEY = KEYS["EdDSA"]
ANNA = Caller("anna", ("creator", "backer"))
VERIFIER = TokenVerifier(
    DEVELOPMENT_ISSUER,
    DEVELOPMENT_AUDIENCE,
    FixedKeys(*(jwt.PyJWK(key.public()) for key in KEYS.values())),
)


def claims(**changes: object) -> Mapping[str, Any]:
    """Return good claims with some changed; None takes one away."""
    given = dict(claims_of(ANNA)) | changes
    return {name: value for name, value in given.items() if value is not None}


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def unsigned(algorithm: object = "none") -> str:
    return f"{part({'alg': algorithm, 'kid': KEY.key_id})}.{part(claims())}."


def signed_with_the_public_key() -> str:
    """What a reader that trusts `alg` would take: HMAC, the secret being public."""
    head = f"{part({'alg': 'HS256', 'kid': KEY.key_id})}.{part(claims())}"
    secret = KEY.public()["x"].encode()
    return f"{head}.{part(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def with_another_body() -> str:
    """A good signature over other claims."""
    head, _, signature = KEY.sign(claims()).split(".")
    return f"{head}.{part(claims(sub='mallory'))}.{signature}"


def signed_over(payload: bytes) -> str:
    """A good signature over claims that are none."""
    head = f"{part({'alg': 'EdDSA', 'kid': KEY.key_id})}.{part(payload)}"
    assert isinstance(KEY.private, Ed25519PrivateKey)
    return f"{head}.{part(KEY.private.sign(head.encode()))}"


def signed_with(**changes: object) -> str:
    """A good signature over claims that the library itself would not sign."""
    return signed_over(json.dumps(claims(**changes)).encode())


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_good_token_names_subject_and_roles(algorithm: str) -> None:
    """Both algorithms count; a role that we do not know is none of ours."""
    token = KEYS[algorithm].sign(claims(roles=["creator", "backer", "astronaut"]))
    found = await VERIFIER.principal([f"bearer  {token}"])
    assert found == Principal("anna", frozenset({Role.CREATOR, Role.BACKER}))


async def test_a_token_without_roles_is_somebody_without_roles() -> None:
    """And clocks may differ by the leeway, in both directions."""
    now = int(time.time())
    late = claims(roles=None, exp=now - LEEWAY_SECONDS + 5, iat=now + LEEWAY_SECONDS - 5)
    assert await VERIFIER.principal([f"Bearer {KEY.sign(late)}"]) == Principal("anna")


REFUSED: Mapping[str, tuple[str, Callable[[], str]]] = {
    "expired": ("token-expired", lambda: KEY.sign(claims(exp=int(time.time()) - 60))),
    "not yet valid": ("token-not-yet-valid", lambda: KEY.sign(claims(nbf=2**33))),
    "issued tomorrow": ("token-not-yet-valid", lambda: KEY.sign(claims(iat=2**33, exp=2**34))),
    "other audience": ("token-other-audience", lambda: KEY.sign(claims(aud="shop"))),
    "other issuer": ("token-other-issuer", lambda: KEY.sign(claims(iss="elsewhere"))),
    "unsigned": ("token-unsigned", unsigned),
    "unsigned in capitals": ("token-unsigned", lambda: unsigned("NoNe")),
    "no algorithm": ("token-unsigned", lambda: unsigned(None)),
    "odd algorithm": ("token-algorithm", lambda: unsigned(["EdDSA"])),
    "HMAC by the public key": ("token-algorithm", signed_with_the_public_key),
    "unknown key": ("token-unknown-key", lambda: SigningKey.generate().sign(claims())),
    "another's key id": (
        "token-forged",
        lambda: SigningKey.generate().sign(claims(), {"kid": KEY.key_id}),
    ),
    "key of another kind": (
        "token-algorithm",
        lambda: KEYS["RS256"].sign(claims(), {"kid": KEY.key_id}),
    ),
    "another body": ("token-forged", with_another_body),
    "no key id": ("token-malformed", lambda: jwt.encode(dict(claims()), KEY.private, "EdDSA")),
    "critical": ("token-malformed", lambda: KEY.sign(claims(), {"crit": ["b64"], "b64": True})),
    "no subject": ("token-malformed", lambda: KEY.sign(claims(sub=None))),
    "empty subject": ("token-malformed", lambda: KEY.sign(claims(sub=""))),
    "long subject": ("token-malformed", lambda: KEY.sign(claims(sub="x" * 201))),
    "no expiry": ("token-malformed", lambda: KEY.sign(claims(exp=None))),
    "no audience": ("token-malformed", lambda: KEY.sign(claims(aud=None))),
    "no issuer": ("token-malformed", lambda: KEY.sign(claims(iss=None))),
    "expiry in words": ("token-malformed", lambda: KEY.sign(claims(exp="soon"))),
    "expiry of lists": ("token-malformed", lambda: KEY.sign(claims(exp=[1]))),
    "endless expiry": ("token-malformed", lambda: KEY.sign(claims(exp=float("inf")))),
    "expiry of no number": ("token-malformed", lambda: KEY.sign(claims(exp=float("nan")))),
    "endless beginning": ("token-malformed", lambda: KEY.sign(claims(nbf=float("inf")))),
    "issue of lists": ("token-malformed", lambda: KEY.sign(claims(iat=[1]))),
    "issuers in a list": ("token-other-issuer", lambda: signed_with(iss=[DEVELOPMENT_ISSUER])),
    "audience of numbers": ("token-other-audience", lambda: KEY.sign(claims(aud=[1]))),
    "audience of objects": ("token-other-audience", lambda: KEY.sign(claims(aud={"a": 1}))),
    "subject of numbers": ("token-malformed", lambda: KEY.sign(claims(sub=5))),
    "claims of lists": ("token-malformed", lambda: signed_over(b"[]")),
    "claims of nothing": ("token-malformed", lambda: signed_over(b"")),
    "nested claims": ("token-malformed", lambda: signed_over(b"[" * 4_000)),
    "roles in one word": ("token-malformed", lambda: KEY.sign(claims(roles="staff"))),
    "roles of numbers": ("token-malformed", lambda: KEY.sign(claims(roles=[1]))),
    "nothing": ("token-malformed", lambda: ""),
    "words": ("token-malformed", lambda: "let me in"),
    "dots": ("token-malformed", lambda: "a.b.c"),
    "nested": ("token-malformed", lambda: f"{part(b'[' * 3_000)}.e30.e30"),
    "huge": ("token-malformed", lambda: KEY.sign(claims(note="x" * 9_000))),
    "not ASCII": ("token-malformed", lambda: "é.é.é"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_bad_token_is_told_what_is_wrong_with_it(kind: str) -> None:
    """401 with a type of its own and a challenge, and nothing of the token is repeated."""
    name, token = REFUSED[kind]
    given = token()
    with pytest.raises(Problem) as refused:
        await VERIFIER.principal([f"Bearer {given}"])
    problem = refused.value
    assert (problem.status, problem.name) == (401, name)
    challenge = problem.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="sosst", error="invalid_token"')
    assert not given or given not in f"{problem} {challenge}"


@pytest.mark.parametrize(
    ("authorization", "name", "error"),
    [
        ([], "token-missing", False),
        (["Basic YTpi"], "token-malformed", True),
        (["Bearer"], "token-malformed", True),
        (["Bearer a", "Bearer b"], "token-malformed", True),
    ],
)
async def test_the_header_is_one_bearer_token(
    authorization: list[str], name: str, error: bool
) -> None:
    """Who gives none is asked for one; RFC 6750 leaves the error out there."""
    with pytest.raises(Problem) as refused:
        await VERIFIER.principal(authorization)
    assert (refused.value.status, refused.value.name) == (401, name)
    assert ("error=" in refused.value.headers["WWW-Authenticate"]) is error


class ChangingKeys:
    """Keys that are fetched anew, the same or others."""

    def __init__(self, *keys: SigningKey) -> None:
        self.fetch(*keys)

    def fetch(self, *keys: SigningKey) -> None:
        self._fixed = FixedKeys(*(jwt.PyJWK(key.public()) for key in keys))

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        return await self._fixed.find(key_id)


async def test_a_token_is_computed_once_and_again_with_each_fetch_of_the_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was found good by a key says nothing once the issuer has taken that key away."""
    keys, computed, decode = ChangingKeys(KEY), [], jwt.decode

    def counting(token: str, *arguments: Any, **options: Any) -> Any:
        computed.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", counting)
    verifier = TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, keys)
    header = [f"Bearer {KEY.sign(claims())}"]
    assert await verifier.principal(header) == await verifier.principal(header)
    assert len(computed) == 1
    keys.fetch(KEY)
    await verifier.principal(header)
    assert len(computed) == 2
    keys.fetch(KEYS["RS256"])
    with pytest.raises(Problem) as refusal:
        await verifier.principal(header)
    assert refusal.value.name == "token-unknown-key"


async def test_a_token_that_was_good_expires_at_its_time() -> None:
    """To the second and with the leeway, as if it were seen for the first time."""
    now = [time.time()]
    verifier = TokenVerifier(
        DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, ChangingKeys(KEY), lambda: now[0]
    )
    expires = int(now[0]) - LEEWAY_SECONDS + 60
    header = [f"Bearer {KEY.sign(claims(exp=expires))}"]
    assert await verifier.principal(header)
    now[0] = expires + LEEWAY_SECONDS
    computed = []

    async def computing(token: str) -> Any:
        computed.append(token)
        raise LookupError

    verifier._verify = computing  # type: ignore[method-assign]
    with pytest.raises(LookupError):
        await verifier.principal(header)
    now[0] -= 1
    assert await verifier.principal(header) and len(computed) == 1


async def test_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends ever new ones fills no memory."""
    monkeypatch.setattr("servicekit.auth.VERIFIED_TOKENS_MAX", 3)
    verifier = TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, ChangingKeys(KEY))
    for number in range(8):
        await verifier.principal([f"Bearer {KEY.sign(claims(sub=f'person-{number}'))}"])
        assert len(verifier._verified) <= 3
