"""What nobody else can make: HMAC-SHA256 over what a text is for, by secrets that rotate."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

SECRET_CHARACTERS_MIN = 16
CHARACTERS = 64
TEXT_CHARACTERS_MAX = 1_200


class Signatures:
    """Hexadecimal signatures for one use: the first secret signs, all of them verify."""

    def __init__(self, use: bytes, secrets: Sequence[str], characters: int = CHARACTERS) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed.

        A signature for one use is good for no other; it is cut to so many characters.
        """
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._use = use
        self._secrets = [one.encode() for one in secrets]
        self._characters = characters

    def sign(self, *named: str) -> str:
        return self._made(self._secrets[0], named)

    def verifies(self, signature: str, *named: str) -> bool:
        # Texts are compared, not what they encode: of one signature there is one text.
        made = (self._made(one, named) for one in self._secrets)
        return signature.isascii() and any(hmac.compare_digest(one, signature) for one in made)

    def _made(self, secret: bytes, named: Sequence[str]) -> str:
        message = self._use + "\n".join(named).encode()
        return hmac.new(secret, message, hashlib.sha256).hexdigest()[: self._characters]


class SignedFields:
    """A few fields in a text that fits in a link: everybody can read them, nobody write them."""

    def __init__(self, use: bytes, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._signatures = Signatures(use, secrets)

    def write(self, *fields: str | int) -> str:
        plain = json.dumps(fields, separators=(",", ":")).encode()
        named = base64.urlsafe_b64encode(plain).decode().rstrip("=")
        return f"{named}.{self._signatures.sign(named)}"

    def read(self, text: str) -> list[Any] | None:
        """Return the fields as they were written, None for a text that we did not write."""
        named, _, signature = text.partition(".")
        # What we write is ASCII; a lone surrogate of a caller's could not even be signed.
        if len(text) > TEXT_CHARACTERS_MAX or not text.isascii():
            return None
        if not self._signatures.verifies(signature, named):
            return None
        fields: list[Any] = json.loads(base64.urlsafe_b64decode(named + "=" * (-len(named) % 4)))
        return fields
