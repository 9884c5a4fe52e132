"""What whoever has a share link brings: its id, signed by HMAC-SHA256 for one update."""

import hashlib
import hmac
import re
from collections.abc import Sequence

from updates.domain.share_link import ShareLink

# A signature for this use is good for no other.
USE = b"sosst updates share link v1\n"
SECRET_CHARACTERS_MIN = 16
_GIVEN = re.compile(r"([A-Za-z0-9._:-]{1,100})~([0-9a-f]{64})")


class HmacShareLinkSigner:
    """`ports.ShareLinkSigner`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed."""
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._secrets = [one.encode() for one in secrets]

    def sign(self, link: ShareLink) -> str:
        named = (link.campaign_id, link.update_id, link.link_id)
        return f"{link.link_id}~{_signature(self._secrets[0], named)}"

    def link_id_of(self, campaign_id: str, update_id: str, given: str) -> str | None:
        found = _GIVEN.fullmatch(given)
        if found is None:
            return None
        named = (campaign_id, update_id, found[1])
        made = (_signature(one, named) for one in self._secrets)
        return found[1] if any(hmac.compare_digest(one, found[2]) for one in made) else None


def _signature(secret: bytes, named: tuple[str, ...]) -> str:
    return hmac.new(secret, USE + "\n".join(named).encode(), hashlib.sha256).hexdigest()
