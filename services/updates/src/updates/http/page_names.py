"""Names that a page gives to what its forms will make, so that a form sent twice is one act.

They follow from the token that opened the page and from a secret of this process: nobody can guess
them, the page shown again has the same ones, and they are kept nowhere.
"""

import base64
import hashlib
import hmac
import secrets


class PageNames:
    """Draws names; those of two processes differ, and each form carries its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def name(self, token: str, *parts: str) -> str:
        """Return the name of a claim, or of a line of its thread."""
        return self._digest(token, parts).hex()[:32]

    def ballot(self, token: str, survey_id: str) -> str:
        """Return a ballot; an anonymous answer is kept under what only its writer knows (0031)."""
        digest = self._digest(token, ("ballot", survey_id))
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _digest(self, token: str, parts: tuple[str, ...]) -> bytes:
        return hmac.digest(self._secret, "\n".join((token, *parts)).encode(), hashlib.sha256)
