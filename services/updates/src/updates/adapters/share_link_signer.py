"""What whoever has a share link brings: its id, signed by HMAC-SHA256 for one update."""

import re
from collections.abc import Sequence

from servicekit.signatures import Signatures
from updates.domain.share_link import ShareLink

# A signature for this use is good for no other.
USE = b"sosst updates share link v1\n"
_GIVEN = re.compile(r"([A-Za-z0-9._:-]{1,100})~([0-9a-f]{64})")


class HmacShareLinkSigner:
    """`ports.ShareLinkSigner`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._signatures = Signatures(USE, secrets)

    def sign(self, link: ShareLink) -> str:
        named = (link.campaign_id, link.update_id, link.link_id)
        return f"{link.link_id}~{self._signatures.sign(*named)}"

    def link_id_of(self, campaign_id: str, update_id: str, given: str) -> str | None:
        found = _GIVEN.fullmatch(given)
        if found is None:
            return None
        is_ours = self._signatures.verifies(found[2], campaign_id, update_id, found[1])
        return found[1] if is_ours else None
