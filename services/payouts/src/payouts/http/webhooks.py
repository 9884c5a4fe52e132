"""Signed webhooks of the provider: is it really the provider, and what does it concern.

Each refund of a run brings some, at the pace at which they leave. What comes within a moment is
looked at together, and by then most of it is known: our own answers were saved meanwhile. One
that overtook the answer to the refund's own call is given time: waking the refund costs a call
that tells nothing, and the slower we are, the more of them there would be.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import stripe

from payouts.domain.refund import Refund, RefundState
from payouts.domain.stage import Stage
from payouts.handlers.wake import wake, wake_disputes
from payouts.ports.queries import Queries
from payouts.ports.unit import PayoutsUnit
from servicekit.clock import Clock
from servicekit.lanes import Lanes
from servicekit.units import UnitsOfWork

TOLERANCE_SECONDS = 300
GATHER_SECONDS = 0.25
# How long the answer to a refund's own call may take until its webhook wakes the refund. Together
# far below what any provider waits for our answer.
PATIENCE_SECONDS = (0.5, 1.0)
ID_CHARACTERS_MAX = 200


class SignatureRefused(Exception):
    """Not signed by the provider, or too old."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What an event is about, as our own metadata on its object says; None for what it is not.

    A dispute is not ours, so it names itself. `said` is the object's own id and status, `reference`
    what it says of a refund's way through the acquirer.
    """

    campaign_id: str
    refund_id: str | None
    stage: int | None
    dispute_id: str | None = None
    said: tuple[object, object] = (None, None)
    reference: object = None

    def is_known_of(self, refund: Refund) -> bool:
        """Whether it says of a refund that succeeded just that, so that looking tells nothing."""
        if refund.state is not RefundState.SUCCEEDED:
            return False
        attempt = refund.attempt
        same = self.said == (attempt.provider_refund_id, "succeeded")
        return same and self.reference in (None, attempt.acquirer_reference)

    def overtook(self, refund: Refund) -> bool:
        """Whether it says what the answer to the refund's own call says, which is on its way."""
        return refund.state is RefundState.SUBMITTED and self.said[1] == "succeeded"


class Heard(Enum):
    """What a webhook came to."""

    WOKE = auto()
    KNOWN = auto()
    TOO_EARLY = auto()


@dataclass(frozen=True, slots=True)
class _Question:
    """Something to look at; `patient` if it may be asked again where it came too early."""

    concern: Concern
    patient: bool


class Wakes:
    """Wakes the work that webhooks concern, that of many at once."""

    def __init__(self, units: UnitsOfWork[PayoutsUnit], queries: Queries, clock: Clock) -> None:
        self._units = units
        self._queries = queries
        self._clock = clock
        self._lanes: Lanes[_Question, Heard] = Lanes(self._answer, gather_seconds=GATHER_SECONDS)

    async def hear(self, concern: Concern) -> bool:
        """Return, once it is saved, whether something was woken: what is known of wakes nothing."""
        for seconds in PATIENCE_SECONDS:
            heard = await self._lanes.submit("", _Question(concern, patient=True))
            if heard is not Heard.TOO_EARLY:
                return heard is Heard.WOKE
            await asyncio.sleep(seconds)
        return await self._lanes.submit("", _Question(concern, patient=False)) is Heard.WOKE

    async def _answer(self, _: str, questions: Sequence[_Question]) -> list[Heard]:
        found = await self._refunds([one.concern for one in questions])
        early = [_is_early(one, found.get(one.concern.refund_id)) for one in questions]
        now = [one.concern for one, waits in zip(questions, early, strict=True) if not waits]
        woken = iter(await self._wake(now, found))
        return [Heard.TOO_EARLY if waits else next(woken) for waits in early]

    async def _wake(
        self, concerns: Sequence[Concern], found: Mapping[str | None, Refund]
    ) -> list[Heard]:
        named = {one.refund_id for one in concerns}
        refunds = {name: refund for name, refund in found.items() if name in named}
        stages = await self._stages(concerns)
        disputes = {one.dispute_id for one in concerns if one.dispute_id is not None}
        woken = [
            one.dispute_id is not None
            or one.refund_id in refunds
            or (one.campaign_id, one.stage) in stages
            for one in concerns
        ]
        if any(woken):
            now = self._clock.now()

            async def save(unit: PayoutsUnit) -> None:
                await wake(unit, list(refunds.values()), list(stages.values()), now)
                await wake_disputes(unit, sorted(disputes), now)

            await self._units.run(save)
        return [Heard.WOKE if one else Heard.KNOWN for one in woken]

    async def _refunds(self, concerns: Sequence[Concern]) -> dict[str | None, Refund]:
        named = {one.refund_id for one in concerns if one.refund_id is not None}
        found = await self._queries.refunds_named(named)
        news: dict[str | None, Refund] = {}
        for one in concerns:
            refund = found.get(one.refund_id or "")
            ours = refund is not None and refund.campaign_id == one.campaign_id
            if refund is not None and ours and not one.is_known_of(refund):
                news[refund.refund_id] = refund
        return news

    async def _stages(self, concerns: Sequence[Concern]) -> dict[tuple[str, int | None], Stage]:
        campaigns = {one.campaign_id for one in concerns if one.stage is not None}
        wanted = {(one.campaign_id, one.stage) for one in concerns}
        stages = [stage for one in sorted(campaigns) for stage in await self._queries.stages(one)]
        by_name: dict[tuple[str, int | None], Stage] = {
            (stage.campaign_id, stage.number): stage for stage in stages
        }
        return {name: stage for name, stage in by_name.items() if name in wanted}


def _is_early(question: _Question, refund: Refund | None) -> bool:
    return question.patient and refund is not None and question.concern.overtook(refund)


def check_signature(body: bytes, header: str, secrets: Sequence[str]) -> None:
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
        card = (about.get("destination_details") or {}).get("card") or {}
        number = int(stage) if stage else None
        return Concern(campaign_id, refund_id, number, said=said, reference=card.get("reference"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _dispute(about: dict[str, object]) -> Concern | None:
    dispute_id = about.get("id")
    if not isinstance(dispute_id, str) or not 0 < len(dispute_id) <= ID_CHARACTERS_MAX:
        return None
    return Concern("", None, None, dispute_id)
