"""What can go wrong with the native stack, each with a message a person can act on."""


class NativeStackError(Exception):
    """Any refusal of the native stack; its text is one line for the person at the terminal."""


class MissingPrerequisite(NativeStackError):
    """The machine lacks something that we may not or cannot install."""


class UntrustedFile(NativeStackError):
    """A fetched file is not the one that was pinned."""


class DataDirectoryInUse(NativeStackError):
    """A server already lives on this data directory; a second one can destroy its state."""


class ServerDidNotStart(NativeStackError):
    """The server ended, or was not ready within its deadline."""
