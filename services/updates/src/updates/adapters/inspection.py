"""`ports.MediaInspector`: types by content, whole files, images written anew."""

from typing import BinaryIO

from updates.adapters.content_types import type_of, whole_file
from updates.adapters.images import write_anew
from updates.domain.media_type import MediaType
from updates.ports.media import Picture


class ContentInspector:
    """By puremagic, Pillow and the standard library."""

    def type_of(self, head: bytes, name: str) -> MediaType:
        return type_of(head, name)

    def inspect(self, type: MediaType, content: BinaryIO) -> MediaType:
        return whole_file(type, content)

    def picture(self, type: MediaType, content: BinaryIO) -> Picture:
        return write_anew(type, content)
