"""Personal links signed by HMAC-SHA256; what they name stands in them and is no secret."""

from collections.abc import Sequence
from datetime import UTC, datetime

from payouts.ports.claim_links import LinkName
from servicekit.signatures import SignedFields

# A signature for this use is good for no other.
USE = b"sosst payouts personal claim link v1\n"


class SignedClaimLinks:
    """`ports.ClaimLinkKeys`: the first secret signs, all of them verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._fields = SignedFields(USE, secrets)

    def sign(self, name: LinkName) -> str:
        issued = int(name.issued_at.timestamp() * 1_000)
        return self._fields.write(name.campaign_id, name.refund_id, name.number, issued)

    def read(self, text: str) -> LinkName | None:
        fields = self._fields.read(text)
        if fields is None:
            return None
        campaign_id, refund_id, number, issued = fields
        seconds, milliseconds = divmod(issued, 1_000)
        issued_at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1_000)
        return LinkName(campaign_id, refund_id, number, issued_at)
