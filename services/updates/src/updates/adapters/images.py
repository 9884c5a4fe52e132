"""Images written anew: what they carry beside the picture, such as where it was taken, is gone."""

import io
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from updates.domain.errors import Refused
from updates.domain.media import Copy
from updates.domain.media_type import MediaType
from updates.ports.media import Picture

# Of all frames together: so much is in memory at once, four bytes a pixel.
PIXELS_MAX = 40_000_000
# Fifteen bytes are a frame of a GIF, and each costs a millisecond however small it is.
FRAMES_MAX = 1_000
# The longer side of what is served as the image, and of the copies for narrow places.
EDGE_MAX = 2_560
COPY_EDGES = (320, 960)
_FORMATS = {
    MediaType.JPEG: "JPEG",
    MediaType.PNG: "PNG",
    MediaType.WEBP: "WEBP",
    MediaType.GIF: "GIF",
}
_WRITING: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 88, "optimize": True, "progressive": True},
    "PNG": {"optimize": False},
    "WEBP": {"quality": 88, "method": 4},
    "GIF": {},
}
# Telephones write a second picture behind the first, of its depth or brightness: nothing moves.
_STILL = frozenset({"JPEG", "MPO"})
# Where Pillow itself makes room, for a frame that is larger than its screen, it refuses twice this.
Image.MAX_IMAGE_PIXELS = PIXELS_MAX


def write_anew(type: MediaType, content: BinaryIO) -> Picture:
    """Return the picture and its copies, or raise `Refused` for what is none or too large."""
    format = _FORMATS[type]
    try:
        # No other reader than this one's is tried on what somebody sent.
        with Image.open(content, formats=[format]) as image:
            _check(image.width * image.height * _declared(image), _declared(image))
            return _picture(image, format)
    except Refused:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise Refused("file-broken", "the image cannot be read") from error


def _check(pixels: int, frames: int) -> None:
    if pixels > PIXELS_MAX:
        raise _too_large()
    if frames > FRAMES_MAX:
        raise Refused("file-unsafe", f"an animation has at most {FRAMES_MAX} frames")


def _too_large() -> Refused:
    return Refused("file-unsafe", f"an image has at most {PIXELS_MAX // 1_000_000} megapixels")


def _declared(image: Image.Image) -> int:
    """Return how many frames its head says; a GIF says nothing, and is not read through for it.

    Of a photograph only the first picture is read.
    """
    return 1 if image.format in {"GIF", *_STILL} else getattr(image, "n_frames", 1)


def _picture(image: Image.Image, format: str) -> Picture:
    if image.format not in _STILL and getattr(image, "is_animated", False):
        whole, upright = _frames(image, format), _still(image)
        width, height = image.size
    else:
        upright = _shrunk(_still(image), EDGE_MAX)
        whole, (width, height) = _written(upright, format), upright.size
    copies = tuple(_copy(upright, edge, format) for edge in COPY_EDGES if edge < max(upright.size))
    return Picture(width, height, whole, copies)


def _still(image: Image.Image) -> Image.Image:
    """Return the first frame, upright, with nothing but its pixels."""
    image.seek(0)
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    pixels = turned.convert(mode)
    return _bare(pixels)


def _bare(image: Image.Image) -> Image.Image:
    image.info = {}
    return image


def _frames(image: Image.Image, format: str) -> bytes:
    """Write an animation anew, frame by frame, as fast as it was; what is too much ends it."""
    frames: list[Image.Image] = []
    durations, pixels = [], 0
    while _sought(image, len(frames)):
        pixels += image.width * image.height
        _check(pixels, len(frames) + 1)
        durations.append(image.info.get("duration", 100))
        frames.append(_bare(image.convert("RGBA")))
    written = io.BytesIO()
    options = {"duration": durations, "loop": 0, "disposal": 2} | _WRITING[format]
    if format == "WEBP":
        del options["disposal"]
    frames[0].save(written, format, save_all=True, append_images=frames[1:], **options)
    return written.getvalue()


def _sought(image: Image.Image, number: int) -> bool:
    """Go to the frame, and return whether there is one; those that its head says must be there."""
    try:
        image.seek(number)
    except EOFError:
        if number < _declared(image):
            raise
        return False
    return True


def _shrunk(image: Image.Image, edge: int) -> Image.Image:
    if max(image.size) <= edge:
        return image
    smaller = image.copy()
    smaller.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    return smaller


def _copy(image: Image.Image, edge: int, format: str) -> tuple[Copy, bytes]:
    smaller = _shrunk(image, edge)
    data = _written(smaller, format)
    return Copy(edge, smaller.width, smaller.height, len(data)), data


def _written(image: Image.Image, format: str) -> bytes:
    written = io.BytesIO()
    ready = image.convert("RGB") if format == "JPEG" else image
    ready.save(written, format, **_WRITING[format])
    return written.getvalue()
