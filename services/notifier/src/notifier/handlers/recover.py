"""Notifier after a restored backup: nothing has to be rolled forward, and nobody is told twice.

Causes are heard again when the inputs are read again, under the names that they had. The audience
as of N makes the same chunks, and cause and recipient the same notification ids, so what is
published again is equal to what stands on the topic, and readers drop it.
"""

from servicekit.recovery import ServiceRecovery


class RecoverNotifier(ServiceRecovery):
    """What `recover` does for notifier beyond what it does for all: it says what is lost."""

    lost = (
        "what people marked as read after the backup: it is unread again",
        "audit records after the backup",
    )
