"""Personal links signed by HMAC-SHA256; what they name stands in them and is no secret."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from payouts.ports.claim_links import LinkName

# A signature for this use is good for no other.
USE = b"sosst payouts personal claim link v1\n"
SECRET_CHARACTERS_MIN = 16
TEXT_CHARACTERS_MAX = 1_200


class SignedClaimLinks:
    """`ports.ClaimLinkKeys`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed."""
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._secrets = [one.encode() for one in secrets]

    def sign(self, name: LinkName) -> str:
        issued = int(name.issued_at.timestamp() * 1_000)
        fields = [name.campaign_id, name.refund_id, name.number, issued]
        named = json.dumps(fields, separators=(",", ":")).encode()
        return f"{_text(named)}.{_text(_signature(self._secrets[0], named))}"

    def read(self, text: str) -> LinkName | None:
        if len(text) > TEXT_CHARACTERS_MAX:
            return None
        named, _, given = text.partition(".")
        try:
            message, signature = _bytes(named), _bytes(given)
        except (ValueError, binascii.Error):
            return None
        if not any(hmac.compare_digest(_signature(s, message), signature) for s in self._secrets):
            return None
        campaign_id, refund_id, number, issued = json.loads(message)
        seconds, milliseconds = divmod(issued, 1_000)
        issued_at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1_000)
        return LinkName(campaign_id, refund_id, number, issued_at)


def _signature(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, USE + message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
