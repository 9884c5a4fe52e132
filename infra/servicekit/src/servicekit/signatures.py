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
_as_json = json.JSONEncoder(separators=(",", ":")).encode


class Signatures:
    """Hexadecimal signatures for one use: the first secret signs, all of them verify."""

    def __init__(self, use: bytes, secrets: Sequence[str], characters: int = CHARACTERS) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed.

        A signature for one use is good for no other; it is cut to so many characters.
        """
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        # What all signatures of a secret begin with is worked out once: it is half of each.
        self._begun = [hmac.new(one.encode(), use, hashlib.sha256) for one in secrets]
        self._characters = characters

    def sign(self, *named: str) -> str:
        return self._made(self._begun[0], named)

    def verifies(self, signature: str, *named: str) -> bool:
        # Texts are compared, not what they encode: of one signature there is one text.
        made = (self._made(one, named) for one in self._begun)
        return signature.isascii() and any(hmac.compare_digest(one, signature) for one in made)

    def _made(self, begun: hmac.HMAC, named: Sequence[str]) -> str:
        signature = begun.copy()
        signature.update("\n".join(named).encode())
        return signature.hexdigest()[: self._characters]


class SignedFields:
    """A few fields in a text that fits in a link: everybody can read them, nobody write them.

    Links live on in mails for months, and the one that ends them for ever: those of the release
    before, which signed what the text encodes, are read as well.
    """

    def __init__(self, use: bytes, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._signatures = Signatures(use, secrets)

    def write(self, *fields: str | int) -> str:
        named = _text(_as_json(fields).encode())
        return f"{named}.{self._signatures.sign(named)}"

    def read(self, text: str) -> list[Any] | None:
        """Return the fields as they were written, None for a text that we did not write."""
        named, _, signature = text.partition(".")
        # What we write is ASCII; a lone surrogate of a caller's could not even be signed.
        if len(text) > TEXT_CHARACTERS_MAX or not text.isascii():
            return None
        verified = self._signatures.verifies(signature, named)
        if not verified and not self._was_written_before(named, signature):
            return None
        fields: list[Any] = json.loads(_bytes(named))
        return fields

    def _was_written_before(self, named: str, signature: str) -> bool:
        try:
            plain, digest = _bytes(named), _bytes(signature)
            message = plain.decode("ascii")
        except ValueError:
            return False
        # Also of these there is one text: what is left over at the end of base64 is nothing. What
        # is signed now is base64, so a signature of now is never good for a list of fields.
        if (_text(plain), _text(digest)) != (named, signature) or not message.startswith("["):
            return False
        return self._signatures.verifies(digest.hex(), message)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
