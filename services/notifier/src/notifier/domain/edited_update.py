"""What an update says now, where it was changed after it was published (`domain.md` 6).

Nobody is told again of an edit within the half hour, nor of a correction of mere words. So a mail
that still waits says what the update says when it is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from notifier.domain.cause import Told
from notifier.domain.hidden_update import update_told_of
from notifier.domain.kind import OF_UPDATES, ToldAs


@dataclass(frozen=True, slots=True)
class EditedWords:
    """The words of an update's latest revision; `texts` as the fact has them, one a language."""

    revision: int
    texts: Sequence[Mapping[str, str]]
    url: str


def quoted_update(told: Told, role: ToldAs) -> str | None:
    """Return the update whose words this quotes, named as the subject of its publication."""
    return update_told_of(told, role) if told.kind in OF_UPDATES else None


def as_edited(told: Told, words: EditedWords | None) -> Told:
    """Return what is told with the words of now; its name, and so its notices, stay the same."""
    if words is None:
        return told
    edited = {"texts": list(words.texts), "url": words.url, "revision": words.revision}
    return replace(told, content={**told.content, **edited})
