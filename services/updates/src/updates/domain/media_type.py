"""What may be uploaded: types of content, and how large each kind of them may be."""

from dataclasses import dataclass
from enum import StrEnum

MEBIBYTE = 1024 * 1024


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    FILE = "file"


class MediaType(StrEnum):
    """Types of content that are taken; nothing that a browser would run is among them."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    MP4 = "video/mp4"
    WEBM = "video/webm"
    PDF = "application/pdf"
    ODT = "application/vnd.oasis.opendocument.text"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    CSV = "text/csv"
    ZIP = "application/zip"

    @property
    def kind(self) -> MediaKind:
        """Return what it is to those who see it."""
        return _KNOWN[self].kind

    @property
    def ending(self) -> str:
        """Return the ending of a saved file's name."""
        return _KNOWN[self].ending


@dataclass(frozen=True, slots=True)
class _Known:
    kind: MediaKind
    ending: str


_KNOWN: dict[MediaType, _Known] = {
    MediaType.JPEG: _Known(MediaKind.IMAGE, ".jpg"),
    MediaType.PNG: _Known(MediaKind.IMAGE, ".png"),
    MediaType.WEBP: _Known(MediaKind.IMAGE, ".webp"),
    MediaType.GIF: _Known(MediaKind.IMAGE, ".gif"),
    MediaType.MP4: _Known(MediaKind.VIDEO, ".mp4"),
    MediaType.WEBM: _Known(MediaKind.VIDEO, ".webm"),
    MediaType.PDF: _Known(MediaKind.FILE, ".pdf"),
    MediaType.ODT: _Known(MediaKind.FILE, ".odt"),
    MediaType.DOCX: _Known(MediaKind.FILE, ".docx"),
    MediaType.XLSX: _Known(MediaKind.FILE, ".xlsx"),
    MediaType.CSV: _Known(MediaKind.FILE, ".csv"),
    MediaType.ZIP: _Known(MediaKind.FILE, ".zip"),
}


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How many bytes may be sent of each kind (`domain.md` 6)."""

    image: int = 10 * MEBIBYTE
    video: int = 200 * MEBIBYTE
    file: int = 25 * MEBIBYTE

    def of(self, kind: MediaKind) -> int:
        """Return how many of this kind."""
        bytes_of = {
            MediaKind.IMAGE: self.image,
            MediaKind.VIDEO: self.video,
            MediaKind.FILE: self.file,
        }
        return bytes_of[kind]

    @property
    def largest(self) -> int:
        """Return how many of any kind."""
        return max(map(self.of, MediaKind))


USUAL_LIMITS = UploadLimits()
