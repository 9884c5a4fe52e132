"""Uploads as they are known: begun, finished, described, attached, withdrawn; each id once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from servicekit.audit import AuditEntry
from updates.domain.errors import Refused
from updates.domain.media import (
    Media,
    MediaState,
    MediaWithdrawal,
    Stored,
    Words,
    attach,
    begin,
    check_attachments,
    check_publishable,
    check_shows,
    describe,
    detach,
    finish,
    withdraw,
)
from updates.ports.unit import UpdatesUnit


async def begin_upload(unit: UpdatesUnit, asked: Media) -> Media:
    """Keep that an upload has begun, before its first byte is."""
    known = await _find(unit, asked.campaign_id, asked.media_id)
    unattached = 0 if known else await unit.media.unattached(asked.campaign_id)
    return await _saved(unit, begin(known, asked, unattached))


async def finish_upload(unit: UpdatesUnit, asked: Media, stored: Stored, now: datetime) -> Media:
    """Keep what the upload brought."""
    known = await known_media(unit, asked.campaign_id, asked.media_id)
    return await _saved(unit, finish(known, asked.upload, stored, now))


async def forget_upload(unit: UpdatesUnit, asked: Media) -> None:
    """Forget an upload that brought nothing, unless another one has begun since."""
    known = await _find(unit, asked.campaign_id, asked.media_id)
    if known and known.state is MediaState.UPLOADING and known.upload == asked.upload:
        await unit.media.remove(known)


async def describe_media(unit: UpdatesUnit, campaign_id: str, media_id: str, words: Words) -> Media:
    """Say it in words; the same words again are the same."""
    known = await known_media(unit, campaign_id, media_id)
    described = describe(known, words)
    return known if described == known else await _saved(unit, described)


async def withdraw_media(
    unit: UpdatesUnit, campaign_id: str, media_id: str, withdrawal: MediaWithdrawal
) -> Media:
    """Take it away at once, on record; withdrawn already stays as it was."""
    known = await known_media(unit, campaign_id, media_id)
    withdrawn = withdraw(known, withdrawal)
    if withdrawn == known:
        return known
    what = {"campaign": campaign_id, "media": media_id}
    entry = AuditEntry(
        withdrawal.at, withdrawal.by, "withdraw-media", what, withdrawal.reason, "withdrawn"
    )
    await unit.plumbing.audit.add(entry)
    return await _saved(unit, withdrawn)


async def attach_media(
    unit: UpdatesUnit,
    campaign_id: str,
    place: str,
    before: Sequence[str],
    after: Sequence[str],
    now: datetime,
) -> None:
    """Let a place show these instead of those; each of them must be there, and not withdrawn."""
    check_attachments(after)
    found = await unit.media.load(campaign_id, {*before, *after})
    for media_id in after:
        if media_id not in found:
            raise Refused("media-unknown", f"{media_id} is not there")
        attached = attach(found[media_id], place)
        if attached != found[media_id]:
            await unit.media.save(attached)
    for media_id in set(before) - set(after):
        media = found.get(media_id)
        if media is not None and media.attached_to == place:
            await unit.media.save(detach(media, now))


async def check_media_publishable(
    unit: UpdatesUnit, campaign_id: str, attachments: Sequence[str]
) -> None:
    """Refuse to publish what is not there, or says nothing to who cannot see or hear it."""
    found = await unit.media.load(campaign_id, attachments)
    if len(found) < len(attachments):
        raise Refused("media-unknown", "an attachment is not there")
    check_publishable([found[one] for one in attachments])


async def check_files_show(unit: UpdatesUnit, campaign_id: str, attachments: Sequence[str]) -> None:
    """Refuse an update that stands on its files alone, where none is an image or a video."""
    check_shows((await unit.media.load(campaign_id, attachments)).values())


async def known_media(unit: UpdatesUnit, campaign_id: str, media_id: str) -> Media:
    """Return it, or raise `Refused` where there is none."""
    media = await _find(unit, campaign_id, media_id)
    if media is None:
        raise Refused("media-unknown", "there is no such file in this campaign")
    return media


async def _find(unit: UpdatesUnit, campaign_id: str, media_id: str) -> Media | None:
    return (await unit.media.load(campaign_id, [media_id])).get(media_id)


async def _saved(unit: UpdatesUnit, media: Media) -> Media:
    await unit.media.save(media)
    return replace(media, version=media.version + 1)
