"""The process that draws an uploaded image anew: ``python -m idling_ws.services.image_worker``.

Image decoders are large C libraries fed with whatever strangers send. So they run in a
process of their own that holds no secret and no connection, may write no file, and ends
when it takes too much memory or time. It reads one file from its standard input; what it
writes has the same pixels and nothing else of it: no metadata, no comment, no second file.

On standard output: one line of JSON, ``{"refused": why}`` or ``{"media_type", "width",
"height", "frames"}``, and behind that line the new file.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from idling_ws.services.image_outline import MAX_BYTES, MAX_SIDE, Outline, RefusedImageError, read_outline

if TYPE_CHECKING:
    from PIL.Image import Image

MEMORY_BYTES = 768 * 1024 * 1024
"""Address space. The largest animation takes about 120 MiB of memory, and more of addresses."""
CPU_S = 8
MAX_OUTPUT_BYTES = 4 * MAX_BYTES
SHORTEST_FRAME_MS = 20
LONGEST_FRAME_MS = 10_000
MEDIA_TYPES = {"PNG": "image/png", "GIF": "image/gif", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def limit_resources() -> None:
    """Make the kernel end this process should a decoder run away with memory or time, or open files."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def redraw(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The same picture as a new file, and what it is. Raises RefusedImageError when it is none to take."""
    outline = read_outline(content)
    try:
        frames, options = _decode(content, outline)
        encoded = _encode(frames, outline, options)
    except RefusedImageError:
        raise
    except MemoryError as error:
        raise RefusedImageError("The image takes too much memory to draw.") from error
    except Exception as error:  # what a decoder raises on a hostile file is not to be foreseen
        raise RefusedImageError("The image is damaged.") from error
    if len(encoded) > MAX_OUTPUT_BYTES:
        raise RefusedImageError("The animation is too large once it is drawn anew.")
    width, height = frames[0].size
    what = {
        "media_type": MEDIA_TYPES[outline.format],
        "width": width,
        "height": height,
        "frames": len(frames),
    }
    return what, encoded


def _decode(content: bytes, outline: Outline) -> tuple[list[Image], dict[str, Any]]:
    """All frames, each whole by itself, and how the animation runs."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_SIDE * MAX_SIDE
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    image = Image.open(io.BytesIO(content), formats=[outline.format])
    if image.size != (outline.width, outline.height):
        raise RefusedImageError("The image is damaged.")
    if outline.frames == 1:
        image.load()
        return [_bare(ImageOps.exif_transpose(image), outline)], {}
    frames, durations = [], []
    for number in range(outline.frames):
        image.seek(number)
        frames.append(_bare(image, outline))
        duration = int(image.info.get("duration", 0)) or 100
        durations.append(min(max(duration, SHORTEST_FRAME_MS), LONGEST_FRAME_MS))
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": durations}
    if "loop" in image.info:
        options["loop"] = min(int(image.info["loop"]), 65_535)
    return frames, options


def _bare(image: Image, outline: Outline) -> Image:
    """A copy of the pixels alone, in plain colours."""
    from PIL.Image import new

    if image.mode.startswith("I;16"):
        # convert() would cut off what is above 255 instead of scaling it.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    opaque = outline.format == "JPEG" or not (image.has_transparency_data or outline.frames > 1)
    plain = image.convert("RGB" if opaque else "RGBA")
    bare = new(plain.mode, plain.size)
    bare.paste(plain)
    return bare


def _encode(frames: list[Image], outline: Outline, options: dict[str, Any]) -> bytes:
    if outline.format == "JPEG":
        options |= {"quality": 90, "optimize": True}
    elif outline.format == "WEBP":
        options |= {"lossless": outline.lossless, "quality": 90, "method": 3}
    elif outline.format == "GIF" and _something_vanishes(frames):
        # A frame is drawn over the one before, which cannot take a pixel away. Only then each is
        # stored whole on a clean screen: it makes the file several times larger.
        options["disposal"] = 2
    encoded = io.BytesIO()
    frames[0].save(encoded, outline.format, **options)
    return encoded.getvalue()


def _something_vanishes(frames: list[Image]) -> bool:
    """Whether any pixel is there in one frame and transparent in the next."""
    from PIL import ImageChops

    covers = [frame.getchannel("A") for frame in frames if frame.mode == "RGBA"]
    return any(ImageChops.subtract(before, after).getbbox() for before, after in pairwise(covers))


def main() -> None:
    """Read, draw anew, write. An exit code other than 0 means that the kernel ended it."""
    limit_resources()
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        what, encoded = redraw(content)
    except RefusedImageError as refused:
        what, encoded = {"refused": str(refused)}, b""
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n" + encoded)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
