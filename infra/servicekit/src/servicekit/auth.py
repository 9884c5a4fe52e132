"""Who is calling: bearer tokens of one issuer, verified here without asking it (RFC 6750).

A refusal says what is wrong with the token and never repeats any of it.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jwt

from servicekit.issuer_keys import ALGORITHMS, IssuerKeys
from servicekit.problems import Problem

# A development issuer names itself like this; a service in production refuses to start with it.
DEVELOPMENT_ISSUER = "sosst-development-issuer"
LEEWAY_SECONDS = 10
TOKEN_CHARACTERS_MAX = 8_192
SUBJECT_CHARACTERS_MAX = 200
VERIFIED_TOKENS_MAX = 10_000
REALM = 'Bearer realm="sosst"'


class Role(StrEnum):
    """What a person may be, several at once, or another service of the platform."""

    CREATOR = "creator"
    BACKER = "backer"
    STAFF = "staff"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever the issuer says is calling; `subject` is their `person_id` everywhere."""

    subject: str
    roles: frozenset[Role] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was found good: by which key, for whom, and until when that holds."""

    key_id: str
    key: jwt.PyJWK
    principal: Principal
    expires: int


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token says, and by which key that is proved."""

    key_id: str
    key: jwt.PyJWK
    claims: Mapping[str, Any]


async def read_signed(token: str, issuer: str, audience: str, keys: IssuerKeys) -> Signed:
    """Return what a token of this issuer for this audience says, to a subject, until an instant.

    Raises a 401 problem for any other, or `DependencyAway` while no key is known.
    """
    algorithm, key_id = _signed_how(token)
    key = await keys.find(key_id)
    if key is None:
        raise refused("token-unknown-key", "no key of the issuer has this id (any more)")
    if key.algorithm_name != algorithm:
        raise refused("token-algorithm", "the key is for another algorithm")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise _refusal_of(error) from None
    return Signed(key_id, key, claims)


class TokenVerifier:
    """Turns the header `Authorization` into a principal.

    A token that was found good is not computed again while it has not expired and the very key
    that proved it is still the issuer's: each fetch of the keys brings new ones.
    """

    def __init__(
        self, issuer: str, audience: str, keys: IssuerKeys, now: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._now = now
        # By digest: the process holds nobody's token longer than a request.
        self._verified: dict[bytes, _Verified] = {}

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """Return who is calling; raises a 401 problem, or `DependencyAway` while no key is known.

        `authorization` are all headers of that name: more than one is nobody's.
        """
        token = _bearer(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and await self._still_good(known):
            return known.principal
        verified = await self._verify(token)
        if len(self._verified) >= VERIFIED_TOKENS_MAX:
            self._verified.clear()
        self._verified[digest] = verified
        return verified.principal

    async def _still_good(self, known: _Verified) -> bool:
        if known.expires <= self._now() - LEEWAY_SECONDS:
            return False
        return await self._keys.find(known.key_id) is known.key

    async def _verify(self, token: str) -> _Verified:
        signed = await read_signed(token, self._issuer, self._audience, self._keys)
        principal = _principal(signed.claims)
        return _Verified(signed.key_id, signed.key, principal, int(signed.claims["exp"]))


def refused(name: str, why: str) -> Problem:
    """Return the 401 problem of a token that is given and does not count."""
    challenge = f'{REALM}, error="invalid_token", error_description="{why}"'
    headers = {"WWW-Authenticate": challenge}
    return Problem(401, name, "The bearer token is not accepted", why, headers=headers)


def missing() -> Problem:
    """Return the 401 problem of a caller who gives no token."""
    title = "This needs a bearer token"
    return Problem(401, "token-missing", title, headers={"WWW-Authenticate": REALM})


def forbidden(who_may: str) -> Problem:
    """Return the 403 problem of a caller whose roles do not reach."""
    challenge = f'{REALM}, error="insufficient_scope"'
    title = "Your roles do not allow this"
    detail = f"allowed: {who_may}"
    return Problem(403, "role-missing", title, detail, headers={"WWW-Authenticate": challenge})


_REFUSALS: Mapping[type[jwt.InvalidTokenError], tuple[str, str]] = {
    jwt.ExpiredSignatureError: ("token-expired", "the token has expired"),
    jwt.ImmatureSignatureError: ("token-not-yet-valid", "the token is not valid yet"),
    jwt.InvalidAudienceError: ("token-other-audience", "the token is for another audience"),
    jwt.InvalidIssuerError: ("token-other-issuer", "the token is of another issuer"),
    jwt.InvalidSignatureError: ("token-forged", "the signature does not fit the token"),
}


def _refusal_of(error: jwt.InvalidTokenError) -> Problem:
    name, why = _REFUSALS.get(type(error), ("token-malformed", "this is not a complete token"))
    return refused(name, why)


def _bearer(authorization: Sequence[str]) -> str:
    if not authorization:
        raise missing()
    scheme, _, token = authorization[0].strip().partition(" ")
    token = token.strip()
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token:
        raise refused("token-malformed", "the header must be one bearer token")
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise refused("token-malformed", "the token is too long")
    return token


def _signed_how(token: str) -> tuple[str, str]:
    """Return algorithm and key id of the header, which nothing has vouched for yet."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, RecursionError, ValueError):
        raise refused("token-malformed", "this is not a token") from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm is None or str(algorithm).lower() == "none":
        raise refused("token-unsigned", "the token is not signed")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise refused("token-algorithm", "only EdDSA and RS256 are accepted")
    # RFC 7515: who does not understand every critical extension refuses; we understand none.
    if not isinstance(key_id, str) or not key_id or "crit" in header:
        raise refused("token-malformed", "the header names no key, or an extension")
    return algorithm, key_id


def _principal(claims: Mapping[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles", [])
    if not subject or len(subject) > SUBJECT_CHARACTERS_MAX:
        raise refused("token-malformed", "the subject is empty or too long")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise refused("token-malformed", "the roles are not a list of words")
    # Roles are an open vocabulary: the issuer may know more of them than this service.
    return Principal(subject, frozenset(Role(role) for role in roles if role in set(Role)))
