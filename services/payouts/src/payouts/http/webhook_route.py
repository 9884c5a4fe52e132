"""The route by which the provider says that something happened."""

from fastapi import FastAPI, Request

from payouts.http.models import Identifier
from payouts.http.parts import Parts
from payouts.http.webhooks import SignatureRefused, Wakes, check_signature, concern_of
from payouts.metrics import PROVIDER_WEBHOOKS
from servicekit.causes import because_of
from servicekit.problems import Problem

WEBHOOK_BYTES_MAX = 256 * 1024


def add_webhook_route(api: FastAPI, parts: Parts) -> None:
    """Add it."""
    guard = parts.guard
    wakes = Wakes(parts.units, parts.queries, parts.clock)

    @api.post("/webhooks/{provider}", dependencies=[guard.proven_by("signature of the provider")])
    async def hear_webhook(provider: Identifier, request: Request) -> dict[str, str]:
        """Hear that something happened at the provider; it only wakes our own look."""
        body = await _bounded_body(request)
        try:
            signature = request.headers.get("Stripe-Signature", "")
            check_signature(body, signature, parts.webhook_secrets)
        except SignatureRefused as refusal:
            PROVIDER_WEBHOOKS.labels("refused").inc()
            raise Problem(401, "signature-refused", "Not signed", str(refusal)) from None
        # It only wakes: what follows belongs to the story of the refund or stage, not to the call.
        concern = concern_of(body)
        with because_of([]):
            woke = concern is not None and await wakes.hear(concern)
        PROVIDER_WEBHOOKS.labels("woke" if woke else "ignored").inc()
        return {"status": "woke" if woke else "ignored"}


async def _bounded_body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > WEBHOOK_BYTES_MAX:
            raise Problem(413, "too-large", "The body is too large")
    return body
