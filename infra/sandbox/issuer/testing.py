"""For tests of one service's API: a guard that knows one key, and callers who have its tokens."""

from __future__ import annotations

import jwt

from infra.sandbox.issuer.keys import SigningKey
from infra.sandbox.issuer.tokens import DEVELOPMENT_AUDIENCE, Caller, claims_of
from servicekit.access import Guard
from servicekit.auth import DEVELOPMENT_ISSUER, TokenVerifier
from servicekit.issuer_keys import FixedKeys

KEY = SigningKey.generate()


def unit_guard() -> Guard:
    """Return the real guard over a key of this process."""
    keys = FixedKeys(jwt.PyJWK(KEY.public()))
    return Guard(TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, keys))


def bearer(caller: Caller) -> dict[str, str]:
    """Return the headers with which a caller calls."""
    return {"Authorization": f"Bearer {KEY.sign(claims_of(caller))}"}
