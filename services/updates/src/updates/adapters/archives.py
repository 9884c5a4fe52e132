"""Archives, and the documents that are archives: looked at by their list, never unpacked."""

import zipfile
import zlib
from collections.abc import Collection
from typing import BinaryIO

from updates.domain.errors import Refused
from updates.domain.media_type import MediaType

ENTRIES_MAX = 10_000
# What an honest archive of 25 MiB may unpack to; a bomb's list says thousands of times as much.
UNPACKED_BYTES_MAX = 1024 * 1024 * 1024
_ODT_MIME = MediaType.ODT.value.encode()
_MANIFEST = "META-INF/MANIFEST.MF"


def archive_type(content: BinaryIO) -> MediaType:
    """Return what the archive is, or raise `Refused` for one that could do harm."""
    size = content.seek(0, 2)
    content.seek(0)
    try:
        with zipfile.ZipFile(content) as archive:
            _check_list(archive, size)
            return _type(archive)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError) as error:
        raise Refused("file-broken", "the archive cannot be read") from error


def _check_list(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    if len(entries) > ENTRIES_MAX:
        raise Refused("file-unsafe", f"an archive has at most {ENTRIES_MAX} files")
    # Files that lie over each other unpack to more than their list can be believed to say.
    if sum(one.compress_size for one in entries) > size:
        raise Refused("file-unsafe", "files of the archive lie over each other")
    if sum(one.file_size for one in entries) > UNPACKED_BYTES_MAX:
        raise Refused("file-unsafe", "it would unpack to far more than it is")
    names = [one.filename for one in entries]
    if any(_leaves(name) for name in names):
        raise Refused("file-unsafe", "a name in the archive leaves its folder")
    if _MANIFEST in names:
        raise Refused("type-refused", "programs are not taken")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise Refused("type-refused", "documents with macros are not taken")
    if entries and min(one.header_offset for one in entries) > 0:
        raise Refused("file-unsafe", "something stands in front of the archive")


def _leaves(name: str) -> bool:
    """Whether a name leads out of the folder that it is unpacked to."""
    steps = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in steps or ":" in steps[0]


def _type(archive: zipfile.ZipFile) -> MediaType:
    names: Collection[str] = set(archive.namelist())
    if "mimetype" in names and _says_odt(archive):
        return MediaType.ODT
    if "[Content_Types].xml" in names and "word/document.xml" in names:
        return MediaType.DOCX
    if "[Content_Types].xml" in names and "xl/workbook.xml" in names:
        return MediaType.XLSX
    return MediaType.ZIP


def _says_odt(archive: zipfile.ZipFile) -> bool:
    short = archive.getinfo("mimetype").file_size == len(_ODT_MIME)
    return short and archive.read("mimetype") == _ODT_MIME
