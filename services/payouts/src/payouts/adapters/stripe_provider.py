"""The payment provider: Stripe, by separate charges and transfers to connected accounts.

No retries here: whether a call may be repeated is decided by the domain (`money.md` 6). The
development sandbox speaks the same subset, so this is what runs in front of it, too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import stripe
import structlog

from payouts.adapters import stripe_calls as calls
from payouts.adapters import stripe_objects as objects
from payouts.adapters.stripe_objects import Body
from payouts.domain.dispute import DisputeSeen
from payouts.domain.reconciliation import Movement
from payouts.domain.refund import Refund
from payouts.domain.refund_outcome import RefundSeen
from payouts.domain.stage import Stage
from payouts.domain.stage_outcome import PayoutSeen, TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.ports.provider import (
    MANUAL,
    CashMovement,
    Declined,
    MadeBefore,
    NoAnswer,
    NotThere,
    PlatformAccount,
    ProviderBalance,
    Throttled,
    found_among,
)
from servicekit.pace import Pace

log = structlog.get_logger()

ALREADY_REFUNDED = "charge_already_refunded"


class StripeProvider:
    """`ports.Provider` over Stripe's interface of the version that the library is made for.

    A payment is known by its charge (`ch_…`, `py_…`).
    """

    def __init__(self, address: str, secret_key: str, timeout_seconds: float, pace: Pace) -> None:
        self._transport = calls.AiohttpTransport(timeout_seconds, pace)
        self._stripe = stripe.StripeClient(
            secret_key,
            http_client=self._transport,
            base_addresses={"api": address},
            max_network_retries=0,
        ).v1
        self._oldest: dict[str, Body] = {}

    async def close(self) -> None:
        await self._transport.close_async()

    async def create_refund(
        self, refund: Refund
    ) -> RefundSeen | MadeBefore | Declined | Throttled | NoAnswer:
        wanted: stripe.params.RefundCreateParams = {
            "charge": refund.payment_reference,
            "amount": refund.amount,
            "metadata": {
                "attempt_id": refund.attempt_id,
                "attempt": str(refund.attempt.number),
                "refund_id": refund.refund_id,
                "campaign_id": refund.campaign_id,
            },
        }
        answer = await calls.create(
            "refunds.create", self._stripe.refunds.create_async, wanted, refund.attempt_id
        )
        if isinstance(answer, Mapping):
            return objects.refund_seen(answer)
        return await self._declined(refund, answer) if isinstance(answer, Declined) else answer

    async def find_refund(self, refund: Refund) -> RefundSeen | MadeBefore | NotThere | NoAnswer:
        found = await self.refunds_of(refund)
        return found if isinstance(found, NoAnswer) else found_among(found, refund)

    async def refunds_of(self, refund: Refund) -> list[RefundSeen] | NoAnswer:
        found = await self._refunds(refund, {"refund_id": refund.refund_id})
        return found if isinstance(found, NoAnswer) else [objects.refund_seen(one) for one in found]

    async def create_transfer(self, stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        wanted: stripe.params.TransferCreateParams = {
            "amount": stage.sent,
            "currency": stage.currency.lower(),
            "destination": stage.attempt.account,
            "transfer_group": stage.stage_id,
            "metadata": _attempt_of(stage),
        }
        answer = await calls.create(
            "transfers.create", self._stripe.transfers.create_async, wanted, stage.transfer_key
        )
        return objects.transfer_seen(answer) if isinstance(answer, Mapping) else answer

    async def find_transfer(self, stage: Stage) -> TransferSeen | NotThere | NoAnswer:
        found = await self._transfers(stage, {"attempt_id": stage.attempt_id})
        if isinstance(found, NoAnswer):
            return found
        return objects.transfer_seen(found[0]) if found else NotThere()

    async def transfers_of(self, stage: Stage) -> list[TransferMade] | NoAnswer:
        found = await self._transfers(stage, _stage_of(stage))
        if isinstance(found, NoAnswer):
            return found
        return [objects.transfer_made(one) for one in found]

    async def create_payout(self, stage: Stage) -> PayoutSeen | Declined | Throttled | NoAnswer:
        wanted: stripe.params.PayoutCreateParams = {
            "amount": stage.sent,
            "currency": stage.currency.lower(),
            "metadata": _attempt_of(stage),
        }
        answer = await calls.create(
            "payouts.create",
            self._stripe.payouts.create_async,
            wanted,
            stage.payout_key,
            stage.attempt.account,
        )
        return objects.payout_seen(answer) if isinstance(answer, Mapping) else answer

    async def find_payout(self, stage: Stage) -> PayoutSeen | NotThere | NoAnswer:
        attempt = {"attempt_id": stage.attempt_id}
        found = await self._payouts(stage.attempt.account, attempt)
        if isinstance(found, NoAnswer):
            return found
        return objects.payout_seen(found[0]) if found else NotThere()

    async def payouts_of(self, stage: Stage, account: str) -> list[PayoutSeen] | NoAnswer:
        found = await self._payouts(account, _stage_of(stage))
        return found if isinstance(found, NoAnswer) else [objects.payout_seen(one) for one in found]

    async def find_dispute(self, dispute_id: str) -> DisputeSeen | NotThere | NoAnswer:
        retrieve = self._stripe.disputes.retrieve_async
        found = await calls.read("disputes.retrieve", retrieve, dispute_id)
        return objects.dispute_seen(found) if isinstance(found, Mapping) else found

    async def account_problem(self, account: str) -> str | NoAnswer | None:
        retrieve = self._stripe.accounts.retrieve_async
        found = await calls.read("accounts.retrieve", retrieve, account)
        if isinstance(found, NotThere):
            return "account-unknown"
        if isinstance(found, NoAnswer):
            return found
        if not found["payouts_enabled"]:
            return str(found["requirements"]["disabled_reason"] or "payouts-disabled")
        schedule = objects.payout_schedule(found)
        return None if schedule == MANUAL else f"payout-schedule-{schedule}"

    async def balance(self, currency: str) -> ProviderBalance | None:
        found = await calls.read("balance.retrieve", self._stripe.balance.retrieve_async)
        return objects.balance_in(found, currency) if isinstance(found, Mapping) else None

    async def movements_after(self, cursor: str | None) -> list[CashMovement] | None:
        page = await self._movements("", cursor)
        return None if page is None else [objects.cash_movement(one) for one in page]

    async def movements_of(self, account: str, cursor: str | None) -> list[Movement] | None:
        page = await self._movements(account, cursor)
        return None if page is None else [objects.movement(one, account) for one in page]

    async def campaign_of(self, movement: CashMovement) -> str | NoAnswer | None:
        retrieve = {
            "refund": self._stripe.refunds.retrieve_async,
            "transfer": self._stripe.transfers.retrieve_async,
        }.get(movement.type)
        if retrieve is None:
            return None
        found = await calls.read(f"{movement.type}s.retrieve", retrieve, movement.source)
        if isinstance(found, NotThere):
            return None
        if isinstance(found, NoAnswer):
            return found
        campaign_id: str | None = (found.get("metadata") or {}).get("campaign_id")
        return campaign_id

    async def platform_account(self) -> PlatformAccount | None:
        retrieve = self._stripe.accounts.retrieve_current_async
        found = await calls.read("account.retrieve", retrieve)
        if not isinstance(found, Mapping):
            return None
        return PlatformAccount(str(found["id"]), objects.payout_schedule(found))

    async def _declined(
        self, refund: Refund, answer: Declined
    ) -> RefundSeen | MadeBefore | Declined | NoAnswer:
        """Believe a refusal only if no attempt of ours is what it comes from."""
        already = answer.reason == ALREADY_REFUNDED
        if not already and len(refund.attempts) == 1:
            return answer
        found = await self.find_refund(refund)
        if not isinstance(found, NotThere):
            return replace(found, refused=True) if isinstance(found, MadeBefore) else found
        if already and len(refund.attempts) > 1:
            # By an attempt that was absent when it was looked up, or by somebody else: as long as
            # the list does not say, the money is neither owed again nor gone.
            log.error("already refunded, and no refund of ours is listed", refund=refund.refund_id)
            return NoAnswer()
        return answer

    async def _refunds(self, refund: Refund, metadata: Mapping[str, str]) -> list[Body] | NoAnswer:
        return await calls.find_all(
            "refunds.list",
            self._stripe.refunds.list_async,
            {"charge": refund.payment_reference},
            metadata,
        )

    async def _transfers(self, stage: Stage, metadata: Mapping[str, str]) -> list[Body] | NoAnswer:
        found = await calls.find_all(
            "transfers.list",
            self._stripe.transfers.list_async,
            {"transfer_group": stage.stage_id},
            metadata,
        )
        if isinstance(found, NoAnswer):
            return found
        whole: list[Body] = []
        for transfer in found:
            shown = await self._with_all_reversals(transfer)
            if isinstance(shown, NoAnswer):
                return shown
            whole.append(shown)
        return whole

    async def _with_all_reversals(self, transfer: Body) -> Body | NoAnswer:
        if objects.shows_all_reversals(transfer):
            return transfer

        async def of_transfer(parameters: Any, options: stripe.RequestOptions) -> Any:
            listed = self._stripe.transfers.reversals.list_async
            return await listed(transfer["id"], parameters, options)

        found = await calls.find_all("transfer_reversals.list", of_transfer, {}, {})
        return found if isinstance(found, NoAnswer) else objects.with_reversals(transfer, found)

    async def _payouts(self, account: str, metadata: Mapping[str, str]) -> list[Body] | NoAnswer:
        listed = self._stripe.payouts.list_async
        return await calls.find_all("payouts.list", listed, {}, metadata, account)

    async def _movements(self, account: str, cursor: str | None) -> list[Body] | None:
        """Read the oldest page behind the cursor, oldest first."""
        operation = "balance_transactions.list"
        listed = self._stripe.balance_transactions.list_async
        if cursor is None and account not in self._oldest:
            page = await calls.oldest_page(operation, listed, account)
            if not isinstance(page, NoAnswer) and page["data"]:
                # It stays the oldest: who asks again before anything is old enough to be passed
                # does not search again.
                self._oldest[account] = page["data"][-1]
            return None if isinstance(page, NoAnswer) else list(reversed(page["data"]))
        first = [] if cursor else [self._oldest[account]]
        before = {"ending_before": cursor or first[0]["id"]}
        page = await calls.read_page(operation, listed, before, account)
        return None if isinstance(page, NoAnswer) else [*first, *reversed(page["data"])]


def _stage_of(stage: Stage) -> dict[str, str]:
    return {"campaign_id": stage.campaign_id, "stage": str(stage.number)}


def _attempt_of(stage: Stage) -> dict[str, str]:
    return {
        "attempt_id": stage.attempt_id,
        "attempt": str(stage.attempt.number),
        **_stage_of(stage),
    }
