"""Signed webhooks of the provider: is it really the provider, and what does it concern."""

import json
from dataclasses import dataclass

import stripe

from payouts.domain.refund import Refund, RefundState

TOLERANCE_SECONDS = 300
ID_CHARACTERS_MAX = 200


class SignatureRefused(Exception):
    """Not signed by the provider, or too old."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What an event is about, as our own metadata on its object says; None for what it is not.

    A dispute is not ours, so it names itself. `said` is the object's own id and status.
    """

    campaign_id: str
    refund_id: str | None
    stage: int | None
    dispute_id: str | None = None
    said: tuple[object, object] = (None, None)

    def is_known_of(self, refund: Refund) -> bool:
        """Whether it says of a refund that succeeded just that, so that looking tells nothing."""
        if refund.state is not RefundState.SUCCEEDED:
            return False
        return self.said == (refund.attempt.provider_refund_id, "succeeded")


def check_signature(body: bytes, header: str, secrets: list[str]) -> None:
    """Raise `SignatureRefused` unless one of the secrets signed the body within five minutes."""
    refusal = "no secret is known"
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
            return
        except stripe.SignatureVerificationError as error:
            refusal = error.user_message or "not signed"
        except (UnicodeError, TypeError):
            # The library reads bytes as text and compares signatures as ASCII.
            refusal = "body or signature is no text"
    raise SignatureRefused(refusal)


def concern_of(body: bytes) -> Concern | None:
    """Return what the event is about, None if it is nothing of ours."""
    try:
        about = json.loads(body)["data"]["object"]
        if about.get("object") == "dispute":
            return _dispute(about)
        metadata = about["metadata"]
        campaign_id = metadata.get("campaign_id")
        stage = metadata.get("stage")
        refund_id = metadata.get("refund_id")
        if not isinstance(campaign_id, str) or not isinstance(refund_id, str | None):
            return None
        said = about.get("id"), about.get("status")
        return Concern(campaign_id, refund_id, int(stage) if stage else None, said=said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _dispute(about: dict[str, object]) -> Concern | None:
    dispute_id = about.get("id")
    if not isinstance(dispute_id, str) or not 0 < len(dispute_id) <= ID_CHARACTERS_MAX:
        return None
    return Concern("", None, None, dispute_id)
