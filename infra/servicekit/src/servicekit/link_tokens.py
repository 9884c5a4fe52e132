"""Tokens that a personal link was exchanged for: one person, one object, few acts, a few minutes.

The service that made the link signs them with keys of its own, and the service that owns an act
verifies them by what that one publishes. Their issuer is nobody whose tokens a guard takes, and
who holds one is no `Principal`: it opens what asks for it by name, and nothing else.
"""

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.auth import SUBJECT_CHARACTERS_MAX, TOKEN_CHARACTERS_MAX, read_signed, refused
from servicekit.issuer_keys import IssuerKeys

ISSUER = "sosst-personal-links"
# A link that is revoked stops within this time.
VALID_SECONDS = 900
SEED_BYTES = 32


class LinkAct(StrEnum):
    """What the holder of a token may do."""

    READ = "read"
    ANSWER = "answer"
    CONFIRM = "confirm"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """Whoever holds a link of this person about this object, and what they may do by it."""

    person_id: str
    about: str
    acts: frozenset[LinkAct]


class LinkTokenKeys:
    """Ed25519 keys: the first signs, all of them are published."""

    def __init__(self, seeds: Sequence[str], now: Callable[[], float] = time.time) -> None:
        """Take the keys' seeds: 32 bytes each, in base64; raises `ValueError` for others."""
        if not seeds:
            raise ValueError("there is no key")
        self._keys = [Ed25519PrivateKey.from_private_bytes(_seed(one)) for one in seeds]
        self._now = now

    def token(
        self, holder: LinkHolder, audience: str, *, seconds_valid: int = VALID_SECONDS
    ) -> str:
        """Return a token that counts at this audience for these minutes."""
        now = int(self._now())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": holder.person_id,
            "about": holder.about,
            "scope": " ".join(sorted(holder.acts)),
            "iat": min(now, now + seconds_valid),
            "exp": now + seconds_valid,
        }
        key = self._keys[0]
        return jwt.encode(claims, key, "EdDSA", {"kid": _id_of(key)})

    def published(self) -> dict[str, Any]:
        """Return the public halves as issuers publish them (RFC 7517)."""
        return {"keys": [_described(key) for key in self._keys]}


class LinkTokenVerifier:
    """Says who holds a token, at one audience."""

    def __init__(self, audience: str, keys: IssuerKeys) -> None:
        self._audience = audience
        self._keys = keys

    async def holder(self, token: str, act: LinkAct) -> LinkHolder:
        """Return who may do this act by it; raises a 401 problem where nobody may.

        `DependencyAway` while no key is known.
        """
        if not token or len(token) > TOKEN_CHARACTERS_MAX:
            raise refused("token-malformed", "there is no token, or one that is too long")
        claims = (await read_signed(token, ISSUER, self._audience, self._keys)).claims
        holder = _holder(claims["sub"], claims.get("about"), claims.get("scope"))
        if act not in holder.acts:
            raise refused("token-scope", "the token is not for this act")
        return holder


def _holder(person_id: object, about: object, scope: object) -> LinkHolder:
    if not isinstance(scope, str) or not _is_name(about) or not _is_name(person_id):
        raise refused("token-malformed", "this is not a complete token of a link")
    # Acts are an open vocabulary: a newer issuer may know more of them.
    acts = frozenset(LinkAct(word) for word in scope.split() if word in set(LinkAct))
    return LinkHolder(str(person_id), str(about), acts)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= SUBJECT_CHARACTERS_MAX


def _described(key: Ed25519PrivateKey) -> dict[str, Any]:
    public = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    named = {"kid": _id_of(key), "alg": "EdDSA", "use": "sig"}
    return {"kty": "OKP", "crv": "Ed25519", "x": public} | named


def _id_of(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def _seed(text: str) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ValueError("a key is 32 bytes in base64")
    return seed
