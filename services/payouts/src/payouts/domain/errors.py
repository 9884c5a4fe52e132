"""Refusals with a stable reason, and the one error that means a bug."""


class Refused(Exception):
    """A command or fact that the rules do not allow.

    `reason` is a stable word for machines, the message says it for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class InvariantBroken(Exception):
    """A book that cannot be true (`money.md` 3): nothing is saved, somebody is paged."""
