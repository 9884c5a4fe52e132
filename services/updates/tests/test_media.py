"""Uploads: kept once, judged by content, attached once, withdrawn; nothing broken stays."""

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from servicekit.errors import Conflict, DependencyAway
from services.updates.tests import files
from services.updates.tests.conftest import NOW, UpdatesService, memory_service
from services.updates.tests.contents import content_of
from services.updates.tests.fakes_media import LINKS, memory_desk
from services.updates.tests.test_handlers import CAMPAIGN, CONTENT, collected, publish, write
from sosst_contracts import funding
from sosst_contracts.testing import sample
from updates.adapters.clamd import ClamdScanner
from updates.consumer import PLEDGES
from updates.domain.correction import Correcting
from updates.domain.errors import Refused
from updates.domain.kinds import UpdateKind
from updates.domain.media import (
    ATTACHMENTS_MAX,
    TRANSITIONS,
    UNATTACHED_MAX,
    UNATTACHED_TIME,
    UPLOAD_TIME,
    Media,
    MediaState,
    MediaWithdrawal,
    Words,
    check_name,
    move,
)
from updates.domain.media_type import USUAL_LIMITS, MediaKind, MediaType, UploadLimits
from updates.domain.update import Content, Update
from updates.handlers import take_upload
from updates.handlers.correct import correct_update
from updates.handlers.media import describe_media, withdraw_media
from updates.handlers.take_upload import SHOWN, UPLOADS_AT_ONCE, Asked, UploadDesk, key_of
from updates.ports.media import Kept
from updates.sweeps.media import FOLDERS, ORPHAN_TIME, RemoveDueMedia, RemoveOrphans


def named(value: object) -> str:
    """Return the name of a case: what is sent is none."""
    return "" if isinstance(value, bytes) else str(value)


async def sent(data: bytes, piece: int = 3_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), piece):
        yield data[at : at + piece]


async def take(
    desk: UploadDesk, data: bytes, name: str = "file.jpg", media_id: str = "m1"
) -> Media:
    return await desk.take(Asked(CAMPAIGN, media_id, name, "creator-1"), sent(data))


async def refusal(
    desk: UploadDesk, data: bytes, name: str = "file.jpg", media_id: str = "m1"
) -> str:
    with pytest.raises(Refused) as refused:
        await take(desk, data, name, media_id)
    return refused.value.reason


async def kept(desk: UploadDesk) -> list[Kept]:
    """Return every object that there is."""
    return [one for folder in FOLDERS for one in await desk.objects.under(folder)]


async def content(desk: UploadDesk, media: Media, part: str) -> bytes:
    found = await desk.objects.get(key_of(media.upload, part))
    assert found is not None
    return b"".join([chunk async for chunk in found.chunks])


async def describe(service: UpdatesService, media_id: str, words: Words) -> Media:
    return await service.units.run(lambda unit: describe_media(unit, CAMPAIGN, media_id, words))


async def withdraw(service: UpdatesService, media_id: str, by: str = "mia") -> Media:
    withdrawal = MediaWithdrawal(by, service.clock.now(), "a face")
    return await service.units.run(
        lambda unit: withdraw_media(unit, CAMPAIGN, media_id, withdrawal)
    )


@pytest.mark.parametrize(
    ("data", "name", "type"),
    [
        (files.image("JPEG"), "a.jpg", MediaType.JPEG),
        (files.image("PNG"), "a.png", MediaType.PNG),
        (files.image("WEBP"), "a.webp", MediaType.WEBP),
        (files.image("GIF", frames=3), "a.gif", MediaType.GIF),
        (files.image("WEBP", frames=3), "a.webp", MediaType.WEBP),
        (files.MP4, "a.mp4", MediaType.MP4),
        (files.WEBM, "a.webm", MediaType.WEBM),
        # A page in a video is no page where it is served: `test_media_http` says as what it is.
        (files.MP4_WITH_PAGE, "a.mp4", MediaType.MP4),
        (files.WEBM_WITH_PAGE, "a.webm", MediaType.WEBM),
        # Four bytes of a picture that are the sign of an archive's end, and no archive.
        (files.MP4 + b"PK\x05\x06" + bytes(range(200)), "a.mp4", MediaType.MP4),
        (files.MP4 + b"PK\x05\x06", "a.mp4", MediaType.MP4),
        (files.PDF, "a.pdf", MediaType.PDF),
        (files.ODT, "a.odt", MediaType.ODT),
        (files.DOCX, "a.docx", MediaType.DOCX),
        (files.XLSX, "a.xlsx", MediaType.XLSX),
        (files.ZIP, "a.zip", MediaType.ZIP),
        (files.CSV, "a.csv", MediaType.CSV),
        ("été;1\n".encode("cp1252"), "a.csv", MediaType.CSV),
        # What its name says is not believed.
        (files.image("PNG"), "a.jpg", MediaType.PNG),
        (files.PDF, "a.docx", MediaType.PDF),
    ],
    ids=named,
)
async def test_each_kind_is_taken_and_known_by_its_content(
    data: bytes, name: str, type: MediaType
) -> None:
    """Every type that is taken, also under another one's name; its ending is its own."""
    desk = memory_desk(memory_service())
    media = await take(desk, data, name)
    assert media.stored is not None and media.stored.type is type
    assert media.filename == f"a{type.ending}"


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'>" + files.SCRIPT + b"</svg>", "a.svg", "type"),
        (b"<?xml version='1.0'?><svg/>", "a.png", "type"),
        (b"<!doctype html><html>" + files.SCRIPT, "a.jpg", "type"),
        (files.SCRIPT, "table.csv", "type"),
        (b"a;b\n\x00\x01\x02", "table.csv", "type"),
        (b"a;b\n" * 5_000 + b"\x00", "table.csv", "type"),
        (b"MZ" + bytes(5_000), "a.pdf", "type"),
        (b"", "a.csv", "type"),
        (b"\x00\x00\x00\x14ftypqt  " + bytes(200), "a.mp4", "type"),
        (b"\x00\x00\x00\x18ftypavif" + bytes(200), "a.mp4", "type"),
        # One in front of another: an address that is served as a page, a program in an archive.
        (b"<html>" + files.SCRIPT + files.PDF, "a.pdf", "type"),
        (files.PDF + files.archive({"Main.class": b"x"}), "a.pdf", "unsafe"),
        (files.MP4 + files.archive({"Main.class": b"x"}), "a.mp4", "unsafe"),
        (files.WEBM + files.archive({"a": b"x"}) + bytes(900), "a.webm", "unsafe"),
        (files.MP4 + files.distant_archive(len(files.MP4)), "a.mp4", "unsafe"),
        (files.MP4 + b"PK\x05\x06" * 5, "a.mp4", "unsafe"),
        # The length of the first box is the first word of a page, or of a program.
        (b"<!--" + files.MP4[4:] + b"-->" + files.PAGE, "a.mp4", "type"),
        (b"/*//" + files.MP4[4:] + b"*/alert(1)", "a.mp4", "type"),
        (files.PAGE + files.WEBM, "a.webm", "type"),
        (files.PDF.replace(b"%%EOF", b""), "a.pdf", "broken"),
        (files.archive({"META-INF/MANIFEST.MF": b"x", "Main.class": b"x"}), "a.jar", "type"),
        (files.DOCX[:1] + files.DOCX[1:-30], "a.docx", "broken"),
        (files.archive({"word/vbaProject.bin": b"x"}), "a.docx", "type"),
        (files.archive({"../../etc/cron.d/x": b"x"}), "a.zip", "unsafe"),
        (files.archive({"C:\\windows\\x": b"x"}), "a.zip", "unsafe"),
        (files.archive({"/etc/passwd": b"x"}), "a.zip", "unsafe"),
        (files.zip_bomb(), "a.zip", "unsafe"),
        (files.overlapping_zip(), "a.zip", "unsafe"),
        (files.archive(dict.fromkeys(map(str, range(10_001)), b"")), "a.zip", "unsafe"),
        (files.png_bomb(), "a.png", "unsafe"),
        (files.image("GIF", 2_000, 1_000, frames=21), "a.gif", "unsafe"),
        (files.animation([1] * 20_000), "a.gif", "unsafe"),
        (files.animation([1, 30_000]), "a.gif", "unsafe"),
        (files.image("WEBP", 1, 1, frames=1_001), "a.webp", "unsafe"),
        (files.image("PNG")[:90], "a.png", "broken"),
        (files.image("JPEG")[:100] + bytes(500), "a.jpg", "broken"),
    ],
    ids=named,
)
async def test_what_could_do_harm_is_refused_and_leaves_nothing(
    data: bytes, name: str, reason: str
) -> None:
    """A clear word for each, no object, and the same id is free for another file."""
    service = memory_service()
    desk = memory_desk(service)
    known = {"type": "type-refused", "unsafe": "file-unsafe", "broken": "file-broken"}
    assert await refusal(desk, data, name) == known[reason]
    assert await kept(desk) == []
    assert await service.media.media(CAMPAIGN, ["m1"]) == {}
    await take(desk, files.PDF, "a.pdf")


@pytest.mark.parametrize("format", ["JPEG", "GIF", "PNG", "WEBP"])
async def test_nothing_is_left_of_an_image_but_the_picture(format: str) -> None:
    """No place, no camera, no script behind it, and what was sent is kept nowhere."""
    desk = memory_desk(memory_service())
    data = files.image(format, 1_200, 700, frames=2 if format == "GIF" else 1)
    media = await take(desk, data + files.SCRIPT)
    assert media.stored is not None
    assert [one.edge for one in media.stored.copies] == [320, 960]
    parts = [SHOWN, "320", "960"]
    assert sorted(one.key.rsplit("/")[-1] for one in await kept(desk)) == sorted(parts)
    for part in parts:
        shown = await content(desk, media, part)
        assert b"script" not in shown and b"camera" not in shown
        with Image.open(io.BytesIO(shown)) as image:
            assert not image.getexif() and image.format == format
            assert max(image.size) == {SHOWN: 1_200}.get(part) or max(image.size) == int(part)


async def test_a_sideways_photograph_is_shown_upright() -> None:
    """How the camera was held is in what is taken away, so the picture is turned."""
    written, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "red").save(written, "JPEG", exif=exif.tobytes())
    media = await take(memory_desk(memory_service()), written.getvalue())
    assert media.stored is not None and (media.stored.width, media.stored.height) == (40, 60)


async def test_a_photograph_with_a_second_picture_in_it_is_one_photograph() -> None:
    """As telephones write it: the first is shown, and of the other nothing is kept."""
    desk = memory_desk(memory_service())
    media = await take(desk, files.image("MPO", 64, 48, frames=2), "a.jpg")
    assert media.stored is not None and media.stored.type is MediaType.JPEG
    with Image.open(io.BytesIO(await content(desk, media, SHOWN))) as shown:
        assert (shown.format, shown.size, getattr(shown, "n_frames", 1)) == ("JPEG", (64, 48), 1)


async def test_an_animation_goes_on_moving() -> None:
    """All frames of it, written anew."""
    desk = memory_desk(memory_service())
    media = await take(desk, files.image("GIF", frames=4), "a.gif")
    with Image.open(io.BytesIO(await content(desk, media, SHOWN))) as image:
        assert getattr(image, "n_frames", 1) == 4


@pytest.mark.parametrize(
    ("head", "kind", "name", "limits"),
    [
        (files.image("PNG"), MediaKind.IMAGE, "a.png", USUAL_LIMITS),
        (files.PDF, MediaKind.FILE, "a.pdf", USUAL_LIMITS),
        (files.PDF, MediaKind.FILE, "a.pdf", UploadLimits(file=2_000_000)),
        (files.MP4, MediaKind.VIDEO, "a.mp4", UploadLimits(video=3_000_000)),
    ],
)
async def test_each_kind_has_its_own_limit(
    head: bytes, kind: MediaKind, name: str, limits: UploadLimits
) -> None:
    """Refused at the first byte that is too much: what follows is not even read."""
    desk, read = memory_desk(memory_service(), limits=limits), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield head.ljust(10_000, b"\0")
        while True:
            read += 500_000
            yield bytes(500_000)

    with pytest.raises(Refused) as refused:
        await desk.take(Asked(CAMPAIGN, "m1", name, "creator-1"), endless())
    assert refused.value.reason == "too-large" and read <= limits.of(kind) + 1_000_000
    assert await kept(desk) == []


async def test_a_cut_line_leaves_nothing(service: UpdatesService) -> None:
    """What the line raises is raised; no object, no row, and the upload can begin again."""
    desk = memory_desk(service)

    async def cut() -> AsyncIterator[bytes]:
        yield files.MP4
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await desk.take(Asked(CAMPAIGN, "m1", "a.mp4", "creator-1"), cut())
    assert await kept(desk) == []
    assert await service.media.media(CAMPAIGN, ["m1"]) == {}
    assert (await take(desk, files.MP4, "a.mp4")).state is MediaState.STORED


async def test_a_silent_line_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a place for ever by sending nothing."""
    monkeypatch.setattr(take_upload, "SILENCE_SECONDS_MAX", 0.05)
    desk = memory_desk(memory_service())

    async def silent() -> AsyncIterator[bytes]:
        yield files.MP4
        await asyncio.Event().wait()

    with pytest.raises(Refused) as refused:
        await desk.take(Asked(CAMPAIGN, "m1", "a.mp4", "creator-1"), silent())
    assert refused.value.reason == "upload-stalled" and await kept(desk) == []


@pytest.mark.parametrize("at_once", [UPLOADS_AT_ONCE, 3])
async def test_of_a_hundred_uploads_so_many_are_read_at_once(at_once: int) -> None:
    """The others wait, and none of their bytes is in memory; in the end all are there."""
    service = memory_service()
    desk, reading, most = memory_desk(service, at_once=at_once), 0, 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        for _ in range(3):
            yield files.MP4
            await asyncio.sleep(0)
        reading -= 1

    names = [f"m{number}" for number in range(UNATTACHED_MAX)]
    await asyncio.gather(
        *(desk.take(Asked(CAMPAIGN, name, "a.mp4", "creator-1"), watched()) for name in names)
    )
    assert most == at_once
    assert len(await service.media.media(CAMPAIGN, names)) == len(await kept(desk)) == 100


async def test_the_same_again_is_the_same_and_another_is_refused(service: UpdatesService) -> None:
    """By the digest of what was sent: an image that was written anew is known again."""
    desk = memory_desk(service)
    first = await take(desk, files.image())
    assert await take(desk, files.image()) == (await service.media.media(CAMPAIGN, ["m1"]))["m1"]
    assert await refusal(desk, files.image("PNG")) == "media-exists"
    assert len(await kept(desk)) == 1
    assert first.stored == (await service.media.media(CAMPAIGN, ["m1"]))["m1"].stored


async def test_of_two_uploads_under_one_id_the_younger_wins(service: UpdatesService) -> None:
    """The older one is told so, and what it brought is gone."""
    desk, began = memory_desk(service), asyncio.Event()
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield files.MP4
        began.set()
        await go_on.wait()

    older = asyncio.create_task(desk.take(Asked(CAMPAIGN, "m1", "a.mp4", "creator-1"), slow()))
    await began.wait()
    younger = await take(desk, files.PDF, "a.pdf")
    go_on.set()
    with pytest.raises(Refused) as refused:
        await older
    assert refused.value.reason == "upload-overtaken"
    assert {one.key.split("/")[1] for one in await kept(desk)} == {younger.upload}


@pytest.mark.parametrize(
    "name",
    [
        "../x.jpg",
        "a/b",
        "a\\b",
        "x\x00.jpg",
        ".htaccess",
        "a\u202egpj.exe",
        "a\r\nb",
        " ",
        "x" * 151,
    ],
)
async def test_a_name_that_could_mislead_is_refused(name: str) -> None:
    """No path, no control characters, nothing that turns what is read; before a byte is read."""
    assert await refusal(memory_desk(memory_service()), files.PDF, name) == "invalid-name"
    assert check_name("Notice d’emploi (v2).pdf") == "Notice d’emploi (v2).pdf"


async def test_no_campaign_piles_up_files(service: UpdatesService) -> None:
    """Of those that nothing shows there are so many at most."""
    for number in range(UNATTACHED_MAX):
        waiting = Media(CAMPAIGN, f"w{number}", "a", "creator-1", f"{number:032x}", NOW)
        await service.units.run(lambda unit, waiting=waiting: unit.media.save(waiting))
    assert await refusal(memory_desk(service), files.PDF, "a.pdf") == "too-many-files"


async def told(service: UpdatesService) -> UpdatesService:
    await service.hear((sample(funding.CampaignLaunched), 1), collected(1, "anna"))
    return service


async def test_what_is_published_shows_what_is_there_and_described(service: UpdatesService) -> None:
    """Attached once; an image without words is refused by its id, a withdrawn one too."""
    await told(service)
    desk = memory_desk(service)
    for name in ("m1", "m2"):
        await take(desk, files.image(), media_id=name)
    content = replace(CONTENT, attachments=("m1", "m2"))
    with pytest.raises(Refused, match="m9"):
        await write(service, replace(CONTENT, attachments=("m1", "m9")))
    await write(service, content)
    with pytest.raises(Refused, match="m1: describe") as refused:
        await publish(service)
    assert refused.value.reason == "media-undescribed"
    await describe(service, "m1", Words("Une lampe sur un établi."))
    await describe(service, "m2", Words(decorative=True))
    await withdraw(service, "m2")
    with pytest.raises(Refused) as refused:
        await publish(service)
    assert refused.value.reason == "media-withdrawn"
    await write(service, replace(CONTENT, attachments=("m1",)))
    assert (await publish(service)).content.attachments == ("m1",)
    after = await service.media.media(CAMPAIGN, ["m1", "m2"])
    assert (after["m1"].attached_to, after["m2"].attached_to) == ("updates/u1", None)


@pytest.mark.row("S3")
async def test_a_letter_without_words_shows_an_image_or_a_video(service: UpdatesService) -> None:
    """A file to save says no thanks, neither at the publication nor by a correction."""
    await told(service)
    desk = memory_desk(service)
    await take(desk, files.PDF, "a.pdf", media_id="m1")
    whole = content_of(UpdateKind.THANK_YOU)
    bare = replace(whole, texts=tuple(replace(one, details=" ") for one in whole.texts))
    await write(service, replace(bare, attachments=("m1",)))
    with pytest.raises(Refused) as refused:
        await publish(service)
    assert refused.value.reason == "invalid-details"
    await write(service, replace(whole, attachments=("m1",)))
    await publish(service)
    with pytest.raises(Refused) as refused:
        await correct(service, replace(bare, attachments=("m1",)))
    assert refused.value.reason == "invalid-details"


@pytest.mark.row("S3")
async def test_a_letter_without_words_that_shows_an_image_is_published(
    service: UpdatesService,
) -> None:
    """Beside a file to save; once the image is withdrawn, its title can still be put right."""
    await told(service)
    desk = memory_desk(service)
    await take(desk, files.PDF, "a.pdf", media_id="m1")
    await take(desk, files.image(), media_id="m2")
    await describe(service, "m2", Words(decorative=True))
    whole = replace(content_of(UpdateKind.THANK_YOU), attachments=("m1", "m2"))
    bare = replace(whole, texts=tuple(replace(one, details=" ") for one in whole.texts))
    await write(service, bare)
    assert (await publish(service)).content.texts == bare.texts
    await withdraw(service, "m2")
    titled = replace(bare, texts=tuple(replace(one, title="Merci") for one in bare.texts))
    assert (await correct(service, titled)).content.texts == titled.texts


@pytest.mark.row("S3")
async def test_a_letter_whose_image_was_withdrawn_keeps_its_words(service: UpdatesService) -> None:
    """What is withdrawn shows nothing: without them the letter would be empty."""
    await told(service)
    await take(memory_desk(service), files.image(), media_id="m1")
    await describe(service, "m1", Words(decorative=True))
    whole = replace(content_of(UpdateKind.THANK_YOU), attachments=("m1",))
    await write(service, whole)
    await publish(service)
    await withdraw(service, "m1")
    bare = replace(whole, texts=tuple(replace(one, details=" ") for one in whole.texts))
    with pytest.raises(Refused) as refused:
        await correct(service, bare)
    assert refused.value.reason == "invalid-details"


async def correct(service: UpdatesService, content: Content) -> Update:
    asked = Correcting(2, content, "as it should be", changes_a_right=False, by="creator-1")
    return await service.units.run(
        lambda unit: correct_update(unit, PLEDGES, CAMPAIGN, "u1", asked, service.clock.now())
    )


async def test_videos_have_captions_or_a_transcript(service: UpdatesService) -> None:
    """Either is enough; captions are WebVTT, one of each language."""
    await told(service)
    await take(memory_desk(service), files.MP4, "a.mp4")
    await write(service, replace(CONTENT, attachments=("m1",)))
    with pytest.raises(Refused, match="captions, or a transcript"):
        await publish(service)
    for captions in ((("fr", "1\n00:00"),), (("fr", "WEBVTT"), ("fr", "WEBVTT"))):
        with pytest.raises(Refused) as refused:
            await describe(service, "m1", Words(captions=captions))
        assert refused.value.reason == "invalid-captions"
    await describe(service, "m1", Words(captions=(("fr", "WEBVTT\n\n"),)))
    await publish(service)


async def test_a_file_is_shown_in_one_place_and_a_few_at_a_time(service: UpdatesService) -> None:
    """Another update uploads it once more; none shows more than twenty, or one twice."""
    await told(service)
    desk = memory_desk(service)
    await take(desk, files.PDF, "a.pdf")
    await service.units.run(lambda unit: take_upload_row(unit, "m1", "milestones/prepared"))
    for attachments, reason in (
        (("m1",), "media-taken"),
        (("m1", "m1"), "invalid-attachments"),
        (tuple(f"m{n}" for n in range(ATTACHMENTS_MAX + 1)), "invalid-attachments"),
    ):
        with pytest.raises(Refused) as refused:
            await write(service, replace(CONTENT, attachments=attachments))
        assert refused.value.reason == reason


async def take_upload_row(unit, media_id: str, place: str) -> None:  # type: ignore[no-untyped-def]
    media = (await unit.media.load(CAMPAIGN, [media_id]))[media_id]
    await unit.media.save(replace(media, attached_to=place, next_due=None))


async def test_what_nothing_shows_goes_after_a_day(service: UpdatesService) -> None:
    """Also what a draft no longer shows; what one shows stays, and a broken upload goes."""
    await told(service)
    desk = memory_desk(service)
    for name in ("m1", "m2", "m3"):
        await take(desk, files.image(width=10 * int(name[1:])), media_id=name)
    broken = Media(CAMPAIGN, "m4", "a", "creator-1", "f" * 32, NOW, next_due=NOW + UPLOAD_TIME)
    await service.units.run(lambda unit: unit.media.save(broken))
    await write(service, replace(CONTENT, attachments=("m1", "m2")))
    await write(service, replace(CONTENT, attachments=("m1",)))
    remove = RemoveDueMedia(service.units, service.media, desk.objects)
    assert await remove.oldest_due() == NOW + UPLOAD_TIME
    assert await remove(NOW) == 0
    assert await remove(NOW + UNATTACHED_TIME) == 3
    assert await remove(NOW + UNATTACHED_TIME) == 0 and await remove.oldest_due() is None
    left = await service.media.media(CAMPAIGN, ["m1", "m2", "m3", "m4"])
    assert set(left) == {"m1"}
    assert {one.key.split("/")[1] for one in await kept(desk)} == {left["m1"].upload}


async def test_what_is_withdrawn_goes_and_its_marker_stays(service: UpdatesService) -> None:
    """At once and once; the first reason stands, and the id takes nothing any more."""
    await told(service)
    desk = memory_desk(service)
    await take(desk, files.image())
    await write(service, replace(CONTENT, attachments=("m1",)))
    await describe(service, "m1", Words("Une lampe."))
    await publish(service)
    first = await withdraw(service, "m1")
    assert (await withdraw(service, "m1", "staff-1")).withdrawal == first.withdrawal
    remove = RemoveDueMedia(service.units, service.media, desk.objects)
    assert await remove(NOW) == 1 and await remove(NOW) == 0
    assert await kept(desk) == []
    marker = (await service.media.media(CAMPAIGN, ["m1"]))["m1"]
    assert marker.state is MediaState.WITHDRAWN and marker.attached_to == "updates/u1"
    assert await refusal(desk, files.image()) == "media-withdrawn"


async def test_objects_that_nobody_knows_are_removed_after_a_day() -> None:
    """What a crash or a restored backup left; what is young may be on its way."""
    service = memory_service()
    desk = memory_desk(service)
    media = await take(desk, files.PDF, "a.pdf")
    await desk.objects.put(key_of("ab" * 16, SHOWN), sent(b"x"))
    (young, *_) = await kept(desk)
    sweep = RemoveOrphans(service.media, desk.objects)
    for at, left in ((young.changed_at, 2), (young.changed_at + 2 * ORPHAN_TIME, 1)):
        for _ in FOLDERS:
            assert await sweep(at) == 0
        assert len(await kept(desk)) == left
    assert (await kept(desk))[0].key.split("/")[1] == media.upload


async def test_rows_are_guarded(service: UpdatesService) -> None:
    """A save or a removal of what was saved since is a conflict."""
    desk = memory_desk(service)
    stale = replace(await take(desk, files.PDF, "a.pdf"), version=1)
    for act in ("save", "remove"):
        with pytest.raises(Conflict):
            await service.units.run(lambda unit, act=act: getattr(unit.media, act)(stale))
    found = await service.media.known_uploads({stale.upload, "none"})
    assert found == {stale.upload}


@pytest.mark.parametrize("target", MediaState)
@pytest.mark.parametrize("state", MediaState)
def test_media_move_by_the_table_alone(state: MediaState, target: MediaState) -> None:
    """Every pair is in the table or refused."""
    media = Media(CAMPAIGN, "m1", "a", "creator-1", "f" * 32, NOW, state=state)
    if target in TRANSITIONS[state]:
        assert move(media, target).state is target
    else:
        with pytest.raises(Refused):
            move(media, target)


def test_a_link_is_for_one_file_and_a_while() -> None:
    """Not for another file, another upload under its id, another time, nor one letter off."""
    media = Media(CAMPAIGN, "m1", "a", "creator-1", "f" * 32, NOW)
    link = LINKS.sign(media, NOW)
    assert LINKS.allows(media, link, NOW) and LINKS.allows(media, link, NOW + timedelta(minutes=29))
    assert not LINKS.allows(media, link, NOW + timedelta(hours=2))
    assert not LINKS.allows(replace(media, media_id="m2"), link, NOW)
    assert not LINKS.allows(replace(media, upload="e" * 32), link, NOW)
    later = f"9{link}"
    for forged in ("", "x", later, link[:-1] + ("0" if link[-1] != "0" else "1")):
        assert not LINKS.allows(media, forged, NOW)


class Clamd:
    """A server that speaks INSTREAM as clamd does, and finds what says EICAR."""

    def __init__(self, answer: bytes = b"") -> None:
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        read = b""
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            read += await reader.readexactly(length)
        found = b"Eicar-Test FOUND" if b"EICAR" in read else b"OK"
        writer.write(self._answer or b"stream: " + found + b"\0")
        await writer.drain()
        writer.close()


async def scanner(clamd: Clamd) -> tuple[ClamdScanner, asyncio.Server]:
    server = await asyncio.start_server(clamd, "127.0.0.1", 0)
    return ClamdScanner(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"), server


async def test_what_the_scanner_finds_is_refused() -> None:
    """What is clean is taken; nothing is kept of what is not."""
    scan, server = await scanner(Clamd())
    async with server:
        desk = memory_desk(memory_service(), scan)
        evil = files.archive({"a.txt": b"x"}) + b""
        infected = files.PDF.replace(b"endobj", b"EICAR endobj")
        assert await refusal(desk, infected, "a.pdf") == "file-infected"
        assert await kept(desk) == []
        await take(desk, evil, "a.zip")


@pytest.mark.parametrize("answer", [b"INSTREAM size limit exceeded. ERROR\0", b"stream: what?\0"])
async def test_what_the_scanner_did_not_look_at_is_not_taken(answer: bytes) -> None:
    """Also where nobody answers: no file is taken unseen."""
    scan, server = await scanner(Clamd(answer))
    async with server:
        desk = memory_desk(memory_service(), scan)
        with pytest.raises(DependencyAway):
            await take(desk, files.PDF, "a.pdf")
    with pytest.raises(DependencyAway):
        await take(desk, files.PDF, "a.pdf")
    assert await kept(desk) == []
