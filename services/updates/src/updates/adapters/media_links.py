"""Links that let whoever brings them read one file for a while, signed by HMAC-SHA256."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from updates.domain.media import Media

# A signature for this use is good for no other.
USE = b"sosst updates media link v1\n"
SECRET_CHARACTERS_MIN = 16
_LINK = re.compile(r"(\d{1,12})-([0-9a-f]{64})")


class SignedMediaLinks:
    """`ports.MediaLinks`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str], seconds: int) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed."""
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._secrets = [one.encode() for one in secrets]
        self._seconds = seconds

    def sign(self, media: Media, now: datetime) -> str:
        # Links of the same half of their time are the same, so that what was read is not read anew.
        half = max(1, self._seconds // 2)
        until = (int(now.timestamp()) // half + 2) * half
        return f"{until}-{_signature(self._secrets[0], media, until)}"

    def allows(self, media: Media, link: str, now: datetime) -> bool:
        found = _LINK.fullmatch(link)
        if found is None or int(found[1]) < now.timestamp():
            return False
        made = (_signature(one, media, int(found[1])) for one in self._secrets)
        return any(hmac.compare_digest(one, found[2]) for one in made)


def _signature(secret: bytes, media: Media, until: int) -> str:
    # The upload is of the name too: nothing is let out under a link to what was there before.
    named = "\n".join((media.campaign_id, media.media_id, media.upload, str(until)))
    return hmac.new(secret, USE + named.encode(), hashlib.sha256).hexdigest()
