"""What nobody else can make: HMAC-SHA256 over what a link is for, by secrets that rotate."""

import hashlib
import hmac
from collections.abc import Sequence

SECRET_CHARACTERS_MIN = 16


class Signatures:
    """Hexadecimal signatures for one use: the first secret signs, all of them verify."""

    def __init__(self, use: bytes, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed."""
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._use = use
        self._secrets = [one.encode() for one in secrets]

    def sign(self, *named: str) -> str:
        return self._made(self._secrets[0], named)

    def verifies(self, signature: str, *named: str) -> bool:
        made = (self._made(one, named) for one in self._secrets)
        return any(hmac.compare_digest(one, signature) for one in made)

    def _made(self, secret: bytes, named: Sequence[str]) -> str:
        return hmac.new(secret, self._use + "\n".join(named).encode(), hashlib.sha256).hexdigest()
