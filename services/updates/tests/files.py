"""Files as people send them, and as somebody sends them who means harm."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image

SCRIPT = b"<script>alert(document.cookie)</script>"


def image(format: str = "JPEG", width: int = 64, height: int = 48, frames: int = 1) -> bytes:
    """Return a picture; a JPEG says where it was taken, in its Exif."""
    written = io.BytesIO()
    colours = [(40 * n % 256, 90, 200 - n) for n in range(frames)]
    first, *more = [Image.new("RGB", (width, height), colour) for colour in colours]
    options: dict[str, object] = {"save_all": True, "append_images": more} if more else {}
    if format == "JPEG":
        exif = Image.Exif()
        exif[0x010F] = "A camera of mine"
        exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
        options["exif"] = exif.tobytes()
    first.save(written, format, **options)
    return written.getvalue()


def animation(sides: Sequence[int]) -> bytes:
    """Return a GIF of one pixel, whose frames say these widths and heights, of 15 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    pixel = b"\x02\x02\x44\x01\x00"
    frames = (b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + pixel for side in sides)
    return head + b"".join(frames) + b";"


def archive(entries: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in entries.items():
            opened.writestr(name, data)
    return written.getvalue()


def png_bomb(side: int = 30_000) -> bytes:
    """Return a PNG of a few kilobytes that says it is enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zip_bomb() -> bytes:
    """Return an archive whose list says that it unpacks to two gigabytes."""
    made = bytearray(archive({"a": bytes(1_000), "b": b"x"}))
    # The field of the list, whose entries begin with this signature, behind CRC and packed size.
    at = made.index(b"PK\x01\x02")
    made[at + 24 : at + 28] = struct.pack("<I", 2 * 1024**3)
    return bytes(made)


def distant_archive(before: int) -> bytes:
    """Return an archive that stands behind so many bytes, whose list is found by its place alone.

    Between its list and its end something lies that is none of it.
    """
    made = archive({"a": b"x"})
    end = made.index(b"PK\x05\x06")
    tail = bytearray(made[end:])
    tail[16:20] = struct.pack("<I", before + made.index(b"PK\x01\x02"))
    return made[:end] + bytes(100) + bytes(tail)


def overlapping_zip() -> bytes:
    """Return an archive whose hundred files are one and the same bytes."""
    made = archive({"a": bytes(range(256)) * 16})
    at, end = made.index(b"PK\x01\x02"), made.index(b"PK\x05\x06")
    listed, count = made[at:end], 100
    tail = bytearray(made[end:])
    tail[8:12] = struct.pack("<HH", count, count)
    tail[12:16] = struct.pack("<I", len(listed) * count)
    return made[:at] + listed * count + bytes(tail)


PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\n%%EOF\n"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(20_000)
WEBM = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104") + bytes(
    20_000
)
# A browser that took either for a page would show, and run, what stands in a box of its own.
PAGE = b"<!doctype html><html><body>" + SCRIPT
MP4_WITH_PAGE = MP4[:32] + struct.pack(">I", len(PAGE) + 8) + b"free" + PAGE + MP4[32:]
WEBM_WITH_PAGE = WEBM + PAGE
CSV = b"nom;montant\nAnna;=cmd|' /C calc'!A0\n"
DOCX = archive({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"})
XLSX = archive({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<w/>"})
ODT = archive({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<o/>"})
ZIP = archive({"plan/lamp.step": b"x", "readme.txt": b"y"})
