"""One request from key look-up to kept answer, all in the request's transaction."""

from __future__ import annotations

from dataclasses import replace

from infra.sandbox.provider import faults, idempotency
from infra.sandbox.provider.book import PLATFORM, Body, Session
from infra.sandbox.provider.calls import Answer, Call
from infra.sandbox.provider.errors import (
    ApiError,
    internal_error,
    no_access,
    refused,
    unavailable,
)
from infra.sandbox.provider.faults import Fault
from infra.sandbox.provider.operations import Operation

LATE_TRANSITIONS = {"refunds.create": "refund_failed", "payouts.create": "payout_failed"}


def execute(session: Session, operation: Operation, call: Call) -> Answer:
    """Answer the call; whatever is answered here is already part of the transaction."""
    try:
        call.parameters.refuse_unknown(operation.allowed)
        _check_account(session, call.account)
        transport = faults.draw(session, faults.TRANSPORT_KINDS, call.operation, call.tokens())
        if transport is not None and transport.kind in ("rate_limited", "unavailable_before"):
            return _turned_away(transport)
        answer = idempotency.find(session, call) or _first_answer(session, operation, call)
    except ApiError as error:
        return _error_answer(error)
    answer = replace(answer, emitted=tuple(session.emitted), early=tuple(session.early))
    return answer if transport is None else _spoiled(answer, transport)


def _first_answer(session: Session, operation: Operation, call: Call) -> Answer:
    fault = faults.draw(session, faults.EXECUTION_KINDS, call.operation, call.tokens())
    try:
        if fault is not None and fault.kind == "error_before":
            raise internal_error()
        if fault is not None and fault.kind == "decline":
            raise _decline(operation, fault)
        answer = Answer(200, _work(session, operation, call))
        if fault is not None and fault.kind == "error_after":
            answer = _error_answer(internal_error())
    except ApiError as error:
        if not error.kept:
            raise
        answer = _error_answer(error)
    idempotency.keep(session, call, answer)
    return answer


def _work(session: Session, operation: Operation, call: Call) -> Body:
    # A refused operation leaves nothing, but the drawn faults and the kept refusal stay.
    session.connection.execute("SAVEPOINT work")
    try:
        body = operation.run(session, call)
        _plan_late_failure(session, call, body)
    except ApiError:
        session.connection.execute("ROLLBACK TO work")
        session.emitted.clear()
        session.early.clear()
        raise
    finally:
        session.connection.execute("RELEASE work")
    return body


def _plan_late_failure(session: Session, call: Call, body: Body) -> None:
    transition = LATE_TRANSITIONS.get(call.operation)
    if transition is None:
        return
    fault = faults.draw(session, faults.LATE_KINDS, call.operation, call.tokens())
    if fault is not None:
        seconds, reason = fault.detail["after_seconds"], fault.detail["reason"]
        session.plan(transition, body["id"], seconds, reason)


def _check_account(session: Session, account: str) -> None:
    if account != PLATFORM and session.find("account", account) is None:
        raise no_access(account)


def _decline(operation: Operation, fault: Fault) -> ApiError:
    code = fault.detail["code"] or operation.decline_code
    error = refused(code, f"The request was declined: {code}.")
    if operation.name == "charges.create":
        error.status, error.type = 402, "card_error"
    return error


def _turned_away(fault: Fault) -> Answer:
    if fault.kind == "unavailable_before":
        return _error_answer(unavailable())
    error = ApiError(429, "rate_limit", "Too many requests.")
    seconds = fault.detail["retry_after_seconds"]
    return replace(_error_answer(error), headers={"Retry-After": str(seconds)})


def _spoiled(answer: Answer, fault: Fault) -> Answer:
    if fault.kind == "timeout_after":
        return replace(answer, hang_seconds=fault.detail["hang_seconds"])
    failure = _error_answer(unavailable())
    return replace(answer, status=failure.status, body=failure.body, headers={})


def _error_answer(error: ApiError) -> Answer:
    return Answer(error.status, error.body())
