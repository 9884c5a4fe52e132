"""Signed webhooks of the provider: is it really the provider, and what does it concern."""

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass

TOLERANCE_SECONDS = 300
ID_CHARACTERS_MAX = 200
_STAMP = re.compile(r"[0-9]{1,15}")


class SignatureRefused(Exception):
    """Not signed by the provider, or too old."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What an event is about, as our own metadata on its object says; None for what it is not.

    A dispute is not ours, so it names itself.
    """

    campaign_id: str
    refund_id: str | None
    stage: int | None
    dispute_id: str | None = None


def check_signature(body: bytes, header: str, secrets: list[str], now: float | None = None) -> None:
    """Raise `SignatureRefused` unless one of the secrets signed the body within five minutes."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, given = parts.get("t", ""), parts.get("v1", "")
    if not _STAMP.fullmatch(stamp) or abs((now or time.time()) - int(stamp)) > TOLERANCE_SECONDS:
        raise SignatureRefused("the time of the signature is missing or too far away")
    signed = stamp.encode() + b"." + body
    expected = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    if not any(hmac.compare_digest(one.encode(), given.encode()) for one in expected):
        raise SignatureRefused("the signature is of nobody we know")


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
        return Concern(campaign_id, refund_id, int(stage) if stage else None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _dispute(about: dict[str, object]) -> Concern | None:
    dispute_id = about.get("id")
    if not isinstance(dispute_id, str) or not 0 < len(dispute_id) <= ID_CHARACTERS_MAX:
        return None
    return Concern("", None, None, dispute_id)
