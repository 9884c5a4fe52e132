"""People who were erased: what they said here before is forgotten, that they said it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.comment import forget
from updates.domain.reward_reply import forgotten
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person was erased; what came from that person later is another matter."""

    person_id: str
    at: datetime


async def forget_people(unit: UpdatesUnit, erasures: Sequence[Erasure]) -> None:
    """Forget options, addresses, comments and words of reports; heard again it is the same.

    Also from the first on. Erasures are few, and what one person said is little: each batch is
    one transaction.
    """
    until = {one.person_id: one.at for one in erasures}
    replies = await unit.replies.of_backers(until)
    gone = [(one, forgotten(one, until[one.backer_id])) for one in replies]
    await unit.replies.save([after for before, after in gone if after != before])
    for comment in await unit.comments.of_authors(until):
        after = forget(comment, until[comment.author_id])
        if after != comment:
            await unit.comments.save(after)
    for person_id, at in until.items():
        await unit.reports.forget_words(person_id, at)
