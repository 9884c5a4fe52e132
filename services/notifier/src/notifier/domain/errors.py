"""Refusals with a stable reason; they are answers, not accidents."""

from datetime import timedelta


class Refused(Exception):
    """A command or fact that the rules do not allow.

    `reason` is a stable word for machines, the message says it for people. Of what is asked too
    often `retry_after` says in how long once more is not too often, at the latest.
    """

    def __init__(self, reason: str, detail: str, retry_after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
