"""Letters: templates and words in, mails out."""

from notifier.adapters.letters.writer import LetterWriter, Sender

__all__ = ["LetterWriter", "Sender"]
