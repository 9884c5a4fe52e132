"""What was told of stays told: publications come back from the topic as far as drafts are there."""

from dataclasses import replace

import pytest

from servicekit.own_topics import Unexplained
from services.updates.tests.conftest import UpdatesService, memory_service
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, publish, write
from sosst_contracts import funding
from sosst_contracts.codec import attribution
from sosst_contracts.testing import sample
from updates import wire
from updates.domain.update import UpdateState
from updates.handlers.recover import RecoverUpdates


async def told(service: UpdatesService) -> list[Unexplained]:
    rows = await service.outbox.page(100)
    placed = [(row.record, *attribution(row.record)) for row in rows]
    return [Unexplained(record, key or "", at or 0, "") for record, key, at in placed]


async def recover(restored: UpdatesService, lived: UpdatesService) -> list[str]:
    return await RecoverUpdates(restored.units, wire.published_from).roll_forward(await told(lived))


async def a_service(*, drafted: str | None) -> UpdatesService:
    """A launched campaign, with a draft of these details or without one."""
    service = memory_service()
    await service.hear((sample(funding.CampaignLaunched), 1))
    if drafted is not None:
        (text,) = CONTENT.texts
        await write(service, replace(CONTENT, texts=(replace(text, details=drafted),)))
    return service


@pytest.mark.trap(23)
async def test_a_draft_that_is_in_the_backup_is_published_as_it_was() -> None:
    """With the audience and the instant of then, without another event, however often."""
    lived, restored = (
        await a_service(drafted="All is well."),
        await a_service(drafted="All is well."),
    )
    first = await publish(lived)
    lines = [line for _ in range(2) for line in await recover(restored, lived)]
    assert "published from its draft" in lines[0] and "published already" in lines[1]
    found = await restored.queries.update(CAMPAIGN, "u1")
    assert found is not None and found.state is UpdateState.PUBLISHED
    assert (found.audience, found.published_at) == (first.audience, first.published_at)
    assert await told(restored) == []


@pytest.mark.parametrize("drafted", [None, "An older text."])
async def test_a_text_that_is_lost_is_its_creators_to_write_again(drafted: str | None) -> None:
    """Nothing is made up: it is named, with how many were told."""
    lived, restored = await a_service(drafted="All is well."), await a_service(drafted=drafted)
    await publish(lived)
    (line,) = await recover(restored, lived)
    assert "must write and publish it again" in line and "u1" in line
    found = await restored.queries.update(CAMPAIGN, "u1")
    assert found is None or found.state is UpdateState.DRAFT
