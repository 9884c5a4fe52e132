"""Endpoints' secrets, made of a key whenever they are needed: a stolen database signs nothing."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from notifier.domain.webhook_endpoint import SigningSecret

# What is made for this use is good for no other.
USE = b"sosst notifier webhook secret v1\n"
KEY_CHARACTERS_MIN = 32
SALT_BYTES = 24
PREFIX = "whsec_"


class DerivedWebhookSecrets:
    """`ports.WebhookSecrets`: the first key makes new ones, all of them make those drawn before."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take the keys; raises `ValueError` for none, or for one that can be guessed."""
        if not keys or any(len(key) < KEY_CHARACTERS_MIN for key in keys):
            raise ValueError(f"a key has at least {KEY_CHARACTERS_MIN} characters")
        self._keys = {_key_id(key): key.encode() for key in keys}
        self._current = _key_id(keys[0])

    def draw(self, secret_id: str, made_by: str, now: datetime) -> SigningSecret:
        salt = secrets.token_hex(SALT_BYTES)
        return SigningSecret(secret_id, self._current, salt, made_by, now)

    def secret(self, endpoint_id: str, drawn: SigningSecret) -> str | None:
        key = self._keys.get(drawn.key_id)
        if key is None:
            return None
        named = f"{endpoint_id}\n{drawn.secret_id}\n{drawn.salt}".encode()
        made = hmac.new(key, USE + named, hashlib.sha256).digest()
        return PREFIX + base64.b64encode(made).decode()


def _key_id(key: str) -> str:
    """Return what names a key and tells nothing of it."""
    return hashlib.sha256(USE + b"key\n" + key.encode()).hexdigest()[:16]
