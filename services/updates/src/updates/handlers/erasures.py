"""People who were erased: what they said here before is forgotten, that they said it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from updates.domain.claim import forget as forget_claim
from updates.domain.comment import forget
from updates.domain.report import Thing
from updates.domain.reward_reply import forgotten
from updates.domain.survey_results import forget as forget_words
from updates.domain.tracking import forget as forget_parcels
from updates.ports.unit import UpdatesUnit


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person was erased; what came from that person later is another matter."""

    person_id: str
    at: datetime


async def forget_people(unit: UpdatesUnit, erasures: Sequence[Erasure]) -> None:
    """Forget what they said: options, addresses, comments, words of reports, claims and answers.

    And the numbers of parcels that were sent to them. Heard again it is the same, also from the
    first on: what was said since then stays. Erasures are few, and what one person said is little:
    each batch is one transaction.
    """
    until = {one.person_id: one.at for one in erasures}
    replies = await unit.replies.of_backers(until)
    gone = [(one, forgotten(one, until[one.backer_id])) for one in replies]
    await unit.replies.save([after for before, after in gone if after != before])
    for comment in await unit.comments.of_authors(until):
        after = forget(comment, until[comment.author_id])
        if after != comment:
            await unit.comments.save(after)
            # Its words are gone: nobody could judge them any more.
            place = Thing(comment.campaign_id, comment.update_id, comment.comment_id)
            await unit.appeals.remove(place)
    for claim in await unit.claims.of_backers(until):
        backer_id = claim.subject.backer_id
        kept = forget_claim(claim, backer_id, until[backer_id])
        if kept != claim:
            await unit.claims.save(kept)
    sent = await unit.trackings.with_parcels_to(until)
    unnumbered = [(one, forget_parcels(one, until[one.backer_id])) for one in sent]
    await unit.trackings.save([after for before, after in unnumbered if after != before])
    for survey, answer in await unit.answers.named_of(until):
        assert answer.person is not None
        wordless = forget_words(answer, survey, until[answer.person])
        if wordless != answer:
            await unit.answers.put((survey.campaign_id, survey.survey_id), wordless)
    for person_id, at in until.items():
        await unit.reports.forget_words(person_id, at)
