"""What staff hid is quoted to nobody any more (`domain.md` 6): in no mail, in no inbox.

That there was an update stays told: every published update is a notification of every backer,
whatever the channels do afterwards. Only its words go, and with them the mails that still wait.
"""

from collections.abc import Mapping

from notifier.domain.cause import CauseKind, Told, subject_within
from notifier.domain.kind import ToldAs

HIDDEN = "hidden"
# The words of whoever wrote it, and the way to a page that is not there.
_QUOTED = frozenset({"texts", "url"})
# Its team reads on what is hidden.
_READERS = frozenset({ToldAs.BACKER, ToldAs.FOLLOWER})


def update_told_of(told: Told, role: ToldAs) -> str | None:
    """Return the update of which this person is told and which may be hidden from them.

    It is named as the subject of its publication.
    """
    if role not in _READERS:
        return None
    match told.kind:
        case CauseKind.UPDATE_PUBLISHED:
            return told.subject
        case CauseKind.UPDATE_CORRECTED:
            # Behind the update's name stands the number of its revision.
            return told.subject.rpartition("-")[0]
        case CauseKind.COMMENT_ADDED if "update_id" in told.content:
            return subject_within(told.campaign_id, str(told.content["update_id"]))
    return None


def unquoted(content: Mapping[str, object]) -> dict[str, object]:
    """Return what is told of a hidden update: what kind it was, and none of its words."""
    return {name: value for name, value in content.items() if name not in _QUOTED}
