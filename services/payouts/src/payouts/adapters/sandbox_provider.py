"""The payment provider over HTTP, in Stripe's shapes as far as the sandbox speaks them.

No retries here: whether a call may be repeated is decided by the domain (`money.md` 6).
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog

from payouts.domain.dispute import DisputeSeen, ProviderDisputeStatus
from payouts.domain.reconciliation import Movement
from payouts.domain.refund import Refund
from payouts.domain.refund_outcome import ProviderRefundStatus, RefundSeen
from payouts.domain.stage import Stage
from payouts.domain.stage_outcome import PayoutSeen, ProviderPayoutStatus, TransferSeen
from payouts.domain.stage_recovery import TransferMade
from payouts.metrics import PROVIDER_DURATION, PROVIDER_REQUESTS
from payouts.ports.provider import (
    CashMovement,
    Declined,
    NoAnswer,
    NotThere,
    ProviderBalance,
    Throttled,
)
from servicekit import traces

log = structlog.get_logger()

PAGE = 100
Body = dict[str, Any]
# What another try cannot help against: the means of payment or the account is closed to us.
_FINAL_REASONS = frozenset(
    {
        "charge_already_refunded",
        "amount_too_large",
        "resource_missing",
        "expired_or_canceled_card",
        "lost_or_stolen_card",
        "payouts_not_allowed",
    }
)

# Anything else is open: evidence is asked for, or looked at.
_DISPUTE_STATUSES = {
    "warning_needs_response": ProviderDisputeStatus.INQUIRY,
    "warning_under_review": ProviderDisputeStatus.INQUIRY,
    "warning_closed": ProviderDisputeStatus.CLOSED,
    "won": ProviderDisputeStatus.WON,
    "lost": ProviderDisputeStatus.LOST,
    "prevented": ProviderDisputeStatus.PREVENTED,
}


class SandboxProvider:
    """`ports.Provider` over the sandbox's HTTP interface."""

    def __init__(self, address: str, secret_key: str, timeout_seconds: float) -> None:
        self._http = httpx.AsyncClient(
            base_url=address,
            timeout=timeout_seconds,
            headers={"Authorization": f"Bearer {secret_key}"},
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def create_refund(self, refund: Refund) -> RefundSeen | Declined | Throttled | NoAnswer:
        body = {
            "charge": refund.payment_reference,
            "amount": str(refund.amount),
            "metadata[attempt_id]": refund.attempt_id,
            "metadata[attempt]": str(refund.attempt.number),
            "metadata[refund_id]": refund.refund_id,
            "metadata[campaign_id]": refund.campaign_id,
        }
        answer = await self._post("refunds.create", "/v1/refunds", body, refund.attempt_id)
        if isinstance(answer, Declined) and answer.reason == "charge_already_refunded":
            # Success only if the refund found is ours.
            found = await self.find_refund(refund)
            return answer if isinstance(found, NotThere) else found
        return _refund_seen(answer) if isinstance(answer, dict) else answer

    async def find_refund(self, refund: Refund) -> RefundSeen | NotThere | NoAnswer:
        query = {"charge": refund.payment_reference}
        found = await self._find("refunds.list", "/v1/refunds", query, refund.attempt_id)
        return _refund_seen(found) if isinstance(found, dict) else found

    async def find_dispute(self, dispute_id: str) -> DisputeSeen | NotThere | NoAnswer:
        status, body = await self._get("disputes.retrieve", f"/v1/disputes/{dispute_id}", {})
        if status == 404:
            return NotThere()
        return _dispute_seen(body) if status == 200 else NoAnswer()

    async def create_transfer(self, stage: Stage) -> TransferSeen | Declined | Throttled | NoAnswer:
        body = _stage_body(stage) | {
            "destination": stage.attempt.account,
            "transfer_group": stage.stage_id,
        }
        answer = await self._post("transfers.create", "/v1/transfers", body, stage.transfer_key)
        return _transfer_seen(answer) if isinstance(answer, dict) else answer

    async def find_transfer(self, stage: Stage) -> TransferSeen | NotThere | NoAnswer:
        query = {"transfer_group": stage.stage_id}
        found = await self._find("transfers.list", "/v1/transfers", query, stage.attempt_id)
        return _transfer_seen(found) if isinstance(found, dict) else found

    async def create_payout(self, stage: Stage) -> PayoutSeen | Declined | Throttled | NoAnswer:
        answer = await self._post(
            "payouts.create",
            "/v1/payouts",
            _stage_body(stage),
            stage.payout_key,
            stage.attempt.account,
        )
        return _payout_seen(answer) if isinstance(answer, dict) else answer

    async def find_payout(self, stage: Stage) -> PayoutSeen | NotThere | NoAnswer:
        found = await self._find(
            "payouts.list", "/v1/payouts", {}, stage.attempt_id, stage.attempt.account
        )
        return _payout_seen(found) if isinstance(found, dict) else found

    async def refunds_of(self, refund: Refund) -> list[RefundSeen] | NoAnswer:
        found = await self._find_all(
            "refunds.list",
            "/v1/refunds",
            {"charge": refund.payment_reference},
            {"refund_id": refund.refund_id},
        )
        return found if isinstance(found, NoAnswer) else [_refund_seen(one) for one in found]

    async def transfers_of(self, stage: Stage) -> list[TransferMade] | NoAnswer:
        query = {"transfer_group": stage.stage_id}
        found = await self._find_all("transfers.list", "/v1/transfers", query, _stage_of(stage))
        return found if isinstance(found, NoAnswer) else [_transfer_made(one) for one in found]

    async def payouts_of(self, stage: Stage, account: str) -> list[PayoutSeen] | NoAnswer:
        found = await self._find_all("payouts.list", "/v1/payouts", {}, _stage_of(stage), account)
        return found if isinstance(found, NoAnswer) else [_payout_seen(one) for one in found]

    async def account_problem(self, account: str) -> str | NoAnswer | None:
        status, body = await self._get("accounts.retrieve", f"/v1/accounts/{account}", {})
        if status == 404:
            return "account-unknown"
        if status != 200:
            return NoAnswer()
        if body["payouts_enabled"]:
            return None
        return str(body["requirements"]["disabled_reason"] or "payouts-disabled")

    async def balance(self, currency: str) -> ProviderBalance | None:
        status, body = await self._get("balance.retrieve", "/v1/balance", {})
        if status != 200:
            return None
        available = _amount_in(body["available"], currency)
        return ProviderBalance(available, available + _amount_in(body["pending"], currency))

    async def movements_after(self, cursor: str | None) -> list[CashMovement] | None:
        query = {"limit": str(PAGE), "ending_before": cursor or "start"}
        status, body = await self._get(
            "balance_transactions.list", "/v1/balance_transactions", query
        )
        if status != 200:
            return None
        newest_first = body["data"]
        return [
            CashMovement(one["id"], one["type"], one["source"]) for one in reversed(newest_first)
        ]

    async def movements_of(self, account: str, cursor: str | None) -> list[Movement] | None:
        query = {"limit": str(PAGE), "ending_before": cursor or "start"}
        path = "/v1/balance_transactions"
        status, body = await self._get("balance_transactions.list", path, query, account)
        if status != 200:
            return None
        return [_movement(one, account) for one in reversed(body["data"])]

    async def campaign_of(self, movement: CashMovement) -> str | NoAnswer | None:
        kind = {"refund": "refunds", "transfer": "transfers"}.get(movement.type)
        if kind is None:
            return None
        path = f"/v1/{kind}/{movement.source}"
        status, body = await self._get(f"{kind}.retrieve", path, {})
        if status == 404:
            return None
        if status != 200:
            return NoAnswer()
        campaign_id: str | None = body["metadata"].get("campaign_id")
        return campaign_id

    async def payout_schedule(self) -> str | None:
        status, body = await self._get("account.retrieve", "/v1/account", {})
        return str(body["settings"]["payouts"]["schedule"]["interval"]) if status == 200 else None

    async def _post(
        self, operation: str, path: str, body: Mapping[str, str], key: str, account: str = ""
    ) -> Body | Declined | Throttled | NoAnswer:
        headers = {"Idempotency-Key": key} | _acting_for(account)
        status, answer, retry_after = await self._call(
            operation, lambda: self._http.post(path, data=dict(body), headers=headers)
        )
        if status == 200:
            return answer
        error = answer.get("error", {})
        code = str(error.get("code") or error.get("type") or status)
        if status == 429 or code == "idempotency_key_in_use":
            return Throttled(retry_after)
        if status == 500:
            return NoAnswer(key_spent=True)
        if status == 0 or status >= 500:
            return NoAnswer()
        return Declined(code, code not in _FINAL_REASONS, code == "balance_insufficient")

    async def _find(
        self,
        operation: str,
        path: str,
        query: Mapping[str, str],
        attempt_id: str,
        account: str = "",
    ) -> Body | NotThere | NoAnswer:
        """Return the object whose metadata names the attempt."""
        wanted = {"attempt_id": attempt_id}
        found = await self._find_all(operation, path, query, wanted, account)
        if isinstance(found, NoAnswer):
            return found
        return found[0] if found else NotThere()

    async def _find_all(
        self,
        operation: str,
        path: str,
        query: Mapping[str, str],
        metadata: Mapping[str, str],
        account: str = "",
    ) -> list[Body] | NoAnswer:
        """Walk the whole list for the objects whose metadata says this."""
        page = dict(query) | {"limit": str(PAGE)}
        found: list[Body] = []
        while True:
            status, body = await self._get(operation, path, page, account)
            if status != 200:
                return NoAnswer()
            found += [one for one in body["data"] if metadata.items() <= one["metadata"].items()]
            if not body["has_more"]:
                return found
            page["starting_after"] = body["data"][-1]["id"]

    async def _get(
        self, operation: str, path: str, query: Mapping[str, str], account: str = ""
    ) -> tuple[int, Body]:
        status, body, _ = await self._call(
            operation,
            lambda: self._http.get(path, params=dict(query), headers=_acting_for(account)),
        )
        return status, body

    async def _call(self, operation: str, send: Callable[[], Any]) -> tuple[int, Body, float]:
        """Return status (0 for no answer), body and Retry-After; raise nothing."""
        began = time.monotonic()
        try:
            # What is ours stays ours: the provider is told neither trace nor story.
            with traces.span(f"provider {operation}", "client"):
                response = await send()
            status, body = response.status_code, response.json()
            retry_after = float(response.headers.get("Retry-After", "1"))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("no answer of the provider", operation=operation, error=repr(error))
            status, body, retry_after = 0, {}, 1.0
        PROVIDER_DURATION.labels(operation).observe(time.monotonic() - began)
        PROVIDER_REQUESTS.labels(operation, _outcome(status)).inc()
        return status, body, retry_after


def _outcome(status: int) -> str:
    if status == 200:
        return "ok"
    if status == 429:
        return "throttled"
    if status == 0:
        return "unknown"
    return "error" if status >= 500 else "declined"


def _acting_for(account: str) -> dict[str, str]:
    return {"Stripe-Account": account} if account else {}


def _stage_of(stage: Stage) -> dict[str, str]:
    return {"campaign_id": stage.campaign_id, "stage": str(stage.number)}


def _stage_body(stage: Stage) -> dict[str, str]:
    return {
        "amount": str(stage.sent),
        "currency": stage.currency.lower(),
        "metadata[attempt_id]": stage.attempt_id,
        "metadata[attempt]": str(stage.attempt.number),
        "metadata[campaign_id]": stage.campaign_id,
        "metadata[stage]": str(stage.number),
    }


def _amount_in(amounts: list[Body], currency: str) -> int:
    return sum(int(one["amount"]) for one in amounts if one["currency"] == currency.lower())


def _movement(body: Body, account: str) -> Movement:
    return Movement(
        id=body["id"],
        account=account,
        type=body["type"],
        source=body["source"],
        amount=int(body["amount"]),
        fee=int(body["fee"]),
        currency=body["currency"].upper(),
        created_at=datetime.fromtimestamp(int(body["created"]), UTC),
    )


def _refund_seen(body: Body) -> RefundSeen:
    statuses = {status.value: status for status in ProviderRefundStatus}
    reason = body.get("failure_reason") or body.get("pending_reason")
    return RefundSeen(
        attempt=int(body["metadata"]["attempt"]),
        provider_refund_id=body["id"],
        status=statuses.get(body["status"], ProviderRefundStatus.PENDING),
        balance_transaction=body["balance_transaction"],
        failure_balance_transaction=body["failure_balance_transaction"],
        reason=reason,
        retryable=reason not in _FINAL_REASONS,
    )


def _dispute_seen(body: Body) -> DisputeSeen:
    moved = {one["type"]: one for one in body["balance_transactions"]}
    withdrawn, reinstated = moved.get("dispute", {}), moved.get("dispute_reversal", {})
    return DisputeSeen(
        dispute_id=body["id"],
        payment_reference=body["charge"],
        status=_DISPUTE_STATUSES.get(body["status"], ProviderDisputeStatus.OPEN),
        amount=int(body["amount"]),
        currency=body["currency"].upper(),
        fee=int(withdrawn.get("fee", 0)),
        withdrawn_in=withdrawn.get("id"),
        reinstated_in=reinstated.get("id"),
        reason=body["reason"],
    )


def _transfer_seen(body: Body) -> TransferSeen:
    return TransferSeen(
        attempt=int(body["metadata"]["attempt"]),
        transfer_id=body["id"],
        balance_transaction=body["balance_transaction"],
    )


def _transfer_made(body: Body) -> TransferMade:
    return TransferMade(_transfer_seen(body), str(body["destination"]), int(body["amount"]))


def _payout_seen(body: Body) -> PayoutSeen:
    statuses = {status.value: status for status in ProviderPayoutStatus}
    return PayoutSeen(
        attempt=int(body["metadata"]["attempt"]),
        payout_id=body["id"],
        status=statuses.get(body["status"], ProviderPayoutStatus.IN_TRANSIT),
        balance_transaction=body["balance_transaction"],
        failure_balance_transaction=body["failure_balance_transaction"],
        reason=body["failure_code"],
    )
