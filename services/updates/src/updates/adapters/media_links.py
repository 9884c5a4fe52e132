"""Links that let whoever brings them read one file for a while, signed by HMAC-SHA256."""

import re
from collections.abc import Sequence
from datetime import datetime

from servicekit.signatures import Signatures
from updates.domain.media import Media

# A signature for this use is good for no other.
USE = b"sosst updates media link v1\n"
_LINK = re.compile(r"(\d{1,12})-([0-9a-f]{64})")


class SignedMediaLinks:
    """`ports.MediaLinks`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str], seconds: int) -> None:
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._signatures = Signatures(USE, secrets)
        self._seconds = seconds

    def sign(self, media: Media, now: datetime) -> str:
        # Links of the same half of their time are the same, so that what was read is not read anew.
        half = max(1, self._seconds // 2)
        until = str((int(now.timestamp()) // half + 2) * half)
        return f"{until}-{self._signatures.sign(*_named(media, until))}"

    def allows(self, media: Media, link: str, now: datetime) -> bool:
        found = _LINK.fullmatch(link)
        if found is None or int(found[1]) < now.timestamp():
            return False
        return self._signatures.verifies(found[2], *_named(media, str(int(found[1]))))


def _named(media: Media, until: str) -> tuple[str, ...]:
    # The upload is of the name too: nothing is let out under a link to what was there before.
    return media.campaign_id, media.media_id, media.upload, until
