"""Refusals with a stable reason; they are answers, not accidents."""


class Refused(Exception):
    """A command or fact that the rules do not allow.

    `reason` is a stable word for machines, the message says it for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
