"""A hidden comment: its writer reads why and appeals once, another person decides."""

from dataclasses import replace

import httpx
import pytest

from infra.sandbox.issuer.testing import bearer
from infra.sandbox.issuer.tokens import STAFF, Caller, backer
from services.updates.tests.conftest import NOW, UpdatesService
from services.updates.tests.test_comments import C1, SPAM, comment, say, told
from services.updates.tests.test_handlers import CAMPAIGN
from services.updates.tests.test_http import BODY, UPDATE, client, known, problem
from sosst_contracts import updates
from updates.adapters.mongo_comments import comment_document, comment_from
from updates.domain.errors import Refused
from updates.domain.hiding import Appeal, Hiding, Ruling
from updates.handlers.comment_hiding import appeal_comment, hide_comment, rule_on_comment

__all__ = ["client", "known"]
ASKED = Appeal("My own shop.", "anna", NOW)
LIFTED = Ruling(upheld=False, words="It is no shop.", by="staff-1", at=NOW)


async def test_an_appeal_is_decided_by_another_and_the_comment_is_told_as_restored(
    service: UpdatesService,
) -> None:
    """Once, without words; who hid it does not decide; hidden again it may be appealed again."""
    await told(service)
    await say(service, comment())
    await service.units.run(lambda unit: hide_comment(unit, C1, SPAM))
    for _ in range(2):
        await service.units.run(lambda unit: appeal_comment(unit, C1, ASKED))
    own = replace(LIFTED, by=SPAM.by)
    with pytest.raises(Refused, match="another person"):
        await service.units.run(lambda unit: rule_on_comment(unit, C1, own))
    for _ in range(2):
        await service.units.run(lambda unit: rule_on_comment(unit, C1, LIFTED))
    found = await service.comments.comment(CAMPAIGN, "u1", "c1")
    assert found is not None and not found.hidden and found.hidings[0].ruling == LIFTED
    (fact,) = [e for e in await service.published() if isinstance(e, updates.CommentRestored)]
    assert (fact.restored_by, fact.hidden_at) == ("staff-1", SPAM.at) and "shop" not in str(fact)
    await service.units.run(lambda unit: hide_comment(unit, C1, replace(SPAM, facts="again")))
    await service.units.run(lambda unit: appeal_comment(unit, C1, ASKED))
    found = await service.comments.comment(CAMPAIGN, "u1", "c1")
    assert found is not None and found.hidden and len(found.hidings) == 2


def test_documents_of_before_appeals_are_read() -> None:
    """One that is hidden says why, in the fields of then; newer ones come back as they are."""
    row = comment_document(comment())
    old = {name: value for name, value in row.items() if name != "hidings"}
    said = {"reason": "spam", "note": "a shop", "by": "mia", "at": NOW}
    assert comment_from(old | {"state": "hidden", "hiding": said}) == comment(
        hidings=(Hiding(SPAM),)
    )
    assert comment_from(old | {"state": "shown", "hiding": None}) == comment()
    appealed = comment(hidings=(Hiding(SPAM, appeal=ASKED), Hiding(SPAM)))
    assert comment_from(comment_document(appealed)) == appealed


async def test_its_writer_alone_reads_why_and_appeals(client: httpx.AsyncClient) -> None:
    """For everybody else it is a marker, also for the team that hid it; staff read it all."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    path = f"{UPDATE}/comments/c1"
    anna, ben = bearer(backer("backer-1")), bearer(backer("backer-2"))
    await client.put(path, json={"text": "Un mot."}, headers=anna)
    body = {"reason": "abuse", "note": "an insult"}
    marker = (await client.put(f"{path}/hiding", json=body)).json()
    assert (marker["text"], marker["hidden_because"], marker["hidings"]) == (None, "abuse", [])
    for headers, reads in ((anna, True), (bearer(STAFF), True), (ben, False), ({}, False)):
        page = await client.get(f"{UPDATE}/comments", headers=headers)
        (shown,) = page.json()["items"]
        assert (shown["text"] == "Un mot.", "an insult" in str(shown)) == (reads, reads)
    words = {"words": "It was a joke."}
    for headers in (ben, bearer(STAFF)):
        refused = await client.put(f"{path}/hiding/appeal", json=words, headers=headers)
        assert problem(refused) == (404, "comment-unknown")
    appealed = await client.put(f"{path}/hiding/appeal", json=words, headers=anna)
    assert appealed.json()["hidings"][0]["state"] == "appealed"
    other = {"words": "It was none."}
    again = await client.put(f"{path}/hiding/appeal", json=other, headers=anna)
    assert problem(again) == (409, "appealed-already")
    ruling = {"upheld": False, "words": "It was one."}
    assert problem(await client.put(f"{path}/hiding/ruling", json=ruling))[0] == 403
    await client.put(f"{path}/hiding/ruling", json=ruling, headers=bearer(STAFF))
    (shown,) = (await client.get(f"{UPDATE}/comments", headers=ben)).json()["items"]
    assert (shown["text"], shown["hidden_because"]) == ("Un mot.", None)


async def test_staff_who_hid_a_comment_do_not_decide_its_appeal(client: httpx.AsyncClient) -> None:
    """409, until another person does."""
    await client.put(UPDATE, json=BODY)
    await client.post(f"{UPDATE}/publish")
    path = f"{UPDATE}/comments/c1"
    anna = bearer(backer("backer-1"))
    await client.put(path, json={"text": "Un mot."}, headers=anna)
    await client.put(f"{path}/hiding", json={"reason": "spam"}, headers=bearer(STAFF))
    await client.put(f"{path}/hiding/appeal", json={"words": "No."}, headers=anna)
    ruling = {"upheld": True, "words": "It is."}
    same = await client.put(f"{path}/hiding/ruling", json=ruling, headers=bearer(STAFF))
    assert problem(same) == (409, "same-person")
    other = bearer(Caller("staff-2", ("staff",)))
    upheld = await client.put(f"{path}/hiding/ruling", json=ruling, headers=other)
    assert upheld.json()["hidings"][0]["state"] == "upheld"
