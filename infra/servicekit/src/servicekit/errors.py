"""Every failure of a dependency is sorted once, here, into what the caller has to do about it."""


class DependencyAway(Exception):
    """MongoDB, Kafka or another process does not answer: retry in place, without bound."""


class Outlasted(DependencyAway):
    """A transaction passed its deadline and MongoDB answers: less of it may pass, all may never."""


class Conflict(Exception):
    """Somebody else wrote first: load again and repeat, a bounded number of times."""


class DuplicateKey(Exception):
    """A unique guard refused an insert: what was to be inserted is already there."""


class Unsaveable(Exception):
    """The database will never accept this document: set its key aside and let the others go on."""


class LeaseLost(Exception):
    """The work was claimed by somebody else meanwhile: undo, and leave the rest to them."""


class ConsumerStopped(Exception):
    """This deploy cannot read the topic (unknown major, endless refusals): a person must act."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def is_away(error: Exception) -> bool:
    """Whether it would fail as well for everything else; what only takes too long would not."""
    return isinstance(error, DependencyAway) and not isinstance(error, Outlasted)
