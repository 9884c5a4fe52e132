"""The kinds of callers: nobody, tokens that do not count, and people who own things or do not."""

import base64
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from infra.sandbox.issuer.keys import KeyFile, SigningKey
from infra.sandbox.issuer.tokens import (
    DEVELOPMENT_AUDIENCE,
    SERVICE,
    STAFF,
    Caller,
    backer,
    claims_of,
    creator,
)
from servicekit.access import Guard
from servicekit.auth import DEVELOPMENT_ISSUER, Role, TokenVerifier
from servicekit.issuer_keys import FixedKeys, keys_of
from servicekit.link_tokens import LinkAct, LinkHolder, LinkTokenKeys, LinkTokenVerifier

OWNER, BACKER, CAMPAIGN = "creator-1", "backer-1", "campaign-1"
# With which notifier signs tokens of personal links, and which updates knows.
BEGUN = time.time()
LINK_KEYS = LinkTokenKeys(
    [base64.b64encode(b"a key of links, of these tests..").decode()], now=lambda: BEGUN
)
# Who a token that does not count speaks for: were it believed, every route would open.
EVERYTHING = Caller(OWNER, tuple(Role))
PEOPLE: Mapping[str, Caller] = {
    "backer": backer(BACKER),
    "other backer": backer("backer-2"),
    "creator": creator(OWNER),
    "other creator": creator("creator-2"),
    "staff": STAFF,
    "service": SERVICE,
}
# What each kind of token that does not count is told.
REFUSALS: Mapping[str, str] = {
    "nobody": "token-missing",
    "expired": "token-expired",
    "other audience": "token-other-audience",
    "unsigned": "token-unsigned",
    "unknown key": "token-unknown-key",
    "rotated key": "token-unknown-key",
    "personal link": "token-unknown-key",
}
KINDS = (*REFUSALS, *PEOPLE)
LINKS_KNOWN = LinkTokenVerifier("updates", FixedKeys(*keys_of(LINK_KEYS.published()).values()))


class Callers:
    """An issuer that has rotated its key, a guard that knows what it publishes, and its tokens."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            keys = KeyFile(Path(folder) / "keys.json")
            self._rotated = keys.current
            self._key = keys.rotate(forget=True)
            published = keys_of({"keys": [key.public() for key in keys.keys]})
        verifier = FixedKeys(*published.values())
        self.guard = Guard(TokenVerifier(DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, verifier))

    def headers(self, kind: str) -> dict[str, str]:
        """Return the headers with which a caller of this kind calls."""
        if kind == "nobody":
            return {}
        token = self._key.sign(claims_of(PEOPLE[kind])) if kind in PEOPLE else self._bad(kind)
        return {"Authorization": f"Bearer {token}"}

    def _bad(self, kind: str) -> str:
        good = claims_of(EVERYTHING)
        match kind:
            case "expired":
                return self._key.sign(claims_of(EVERYTHING, seconds_valid=-60))
            case "other audience":
                return self._key.sign(claims_of(EVERYTHING, audience="shop"))
            case "unsigned":
                header = {"alg": "none", "kid": self._key.key_id}
                return f"{_part(header)}.{_part(dict(good))}."
            case "unknown key":
                return SigningKey.generate().sign(good)
            case "rotated key":
                return self._rotated.sign(good)
            case "personal link":
                return link_token(DEVELOPMENT_AUDIENCE)
        raise KeyError(kind)


def link_token(audience: str, *, seconds_valid: int = 86_400) -> str:
    """Return what the backer's personal link is exchanged for, with every act; for a whole run."""
    holder = LinkHolder(BACKER, CAMPAIGN, frozenset(LinkAct))
    return LINK_KEYS.token(holder, audience, seconds_valid=seconds_valid)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
