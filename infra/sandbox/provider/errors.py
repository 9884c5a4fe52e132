"""Refusals in the provider's shape."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal answered as `{"error": {"type", "code", "message", "param"?}}`.

    `kept` tells whether an idempotency key remembers it: refusals of the work itself are,
    malformed requests are not, as at Stripe.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        type: str = "invalid_request_error",
        parameter: str | None = None,
        kept: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.type = type
        self.parameter = parameter
        self.kept = kept

    def body(self) -> dict[str, object]:
        error: dict[str, object] = {
            "type": self.type,
            "code": self.code,
            "message": self.message,
        }
        if self.parameter is not None:
            error["param"] = self.parameter
        return {"error": error}


def missing_resource(what: str, identifier: str, parameter: str | None = None) -> ApiError:
    """404 for an id in the path; 400 where the id came as a parameter."""
    status = 404 if parameter is None else 400
    return ApiError(
        status,
        "resource_missing",
        f"No such {what}: '{identifier}'",
        parameter=parameter or "id",
        kept=parameter is not None,
    )


def no_access(account: str) -> ApiError:
    """An account of somebody else looks as one that does not exist."""
    message = f"The provided key does not have access to account '{account}' (or it does not exist)"
    return ApiError(403, "account_invalid", message)


def refused(code: str, message: str, parameter: str | None = None) -> ApiError:
    """A definite refusal of the work: nothing was done, and its key remembers that."""
    return ApiError(400, code, message, parameter=parameter, kept=True)


def malformed(code: str, message: str, parameter: str | None = None) -> ApiError:
    """A request that never reached the work."""
    return ApiError(400, code, message, parameter=parameter)


def internal_error() -> ApiError:
    return ApiError(500, "api_error", "An error occurred on our side.", type="api_error", kept=True)


def unavailable() -> ApiError:
    return ApiError(503, "api_error", "The service is unavailable.", type="api_error")
