"""What an uploaded file is, read from its outline alone: no pixel is decoded here.

A bomb is a small file that unpacks to a huge picture. Its size stands in its header, as
does how many frames follow and where the file ends, so all of that is known, and refused,
before a decoder sees the first byte. A file that goes on behind its end is refused too:
it is a second file in hiding (a GIF that is also a script, a PNG that is also a ZIP).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_BYTES = 1024 * 1024
MAX_SIDE = 512
"""Pixels."""
MAX_FRAMES = 240
MAX_PIXELS = 64 * MAX_SIDE * MAX_SIDE
"""Of all frames together: 64 MiB once decoded."""
MAX_SCANS = 64
"""Passes of a progressive JPEG. Each costs the decoder the whole picture again; honest ones have a dozen."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_JPEG_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class RefusedImageError(Exception):
    """The file is no image that is taken; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Outline:
    """``format``: as Pillow calls it. ``lossless``: pixels were stored as they are (WebP)."""

    format: str
    width: int
    height: int
    frames: int = 1
    lossless: bool = False


def read_outline(content: bytes) -> Outline:
    """What ``content`` is. Raises RefusedImageError unless it is one whole image within the limits."""
    if not content:
        raise RefusedImageError("The file is empty.")
    if len(content) > MAX_BYTES:
        raise RefusedImageError("The file is larger than 1 MiB.")
    try:
        if content.startswith(_PNG):
            outline, end = _read_png(content)
        elif content[:6] in (b"GIF87a", b"GIF89a"):
            outline, end = _read_gif(content)
        elif content.startswith(b"\xff\xd8\xff"):
            outline, end = _read_jpeg(content)
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            outline, end = _read_webp(content)
        else:
            raise RefusedImageError("Only PNG, GIF, WebP and JPEG images are taken.")
    except (IndexError, struct.error) as error:
        raise RefusedImageError("The file ends too early.") from error
    if content[end:].strip(b"\0"):
        raise RefusedImageError("The file goes on behind the end of the image.")
    if not 0 < outline.width <= MAX_SIDE or not 0 < outline.height <= MAX_SIDE:
        raise RefusedImageError(f"The image may be {MAX_SIDE} by {MAX_SIDE} pixels at most.")
    if not 0 < outline.frames <= MAX_FRAMES or outline.frames * outline.width * outline.height > MAX_PIXELS:
        raise RefusedImageError("The animation has too many frames.")
    return outline


def _read_png(content: bytes) -> tuple[Outline, int]:
    """PNG (Third Edition), section 5: chunks of length, type, data and CRC, from IHDR to IEND."""
    if content[12:16] != b"IHDR":
        raise RefusedImageError("The image is damaged.")
    width, height = struct.unpack_from(">II", content, 16)
    at = len(_PNG)
    while True:
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        at += 12 + length
        if at > len(content):
            raise RefusedImageError("The file ends too early.")
        if kind == b"IEND":
            return Outline("PNG", width, height), at


def _read_gif(content: bytes) -> tuple[Outline, int]:
    """GIF89a, sections 17 to 27: a screen, then extensions and frames up to the trailer."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at = 13 + _gif_colours(flags)
    frames = 0
    while content[at] != 0x3B:
        if content[at] == 0x21:
            at = _skip_gif_blocks(content, at + 2)
        elif content[at] == 0x2C:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", content, at + 1)
            # Decoders disagree on frames that leave the screen; some make the screen larger for them.
            if left + frame_width > width or top + frame_height > height:
                raise RefusedImageError("A frame of the animation is larger than the image.")
            frames += 1
            if frames > MAX_FRAMES:
                raise RefusedImageError("The animation has too many frames.")
            at = _skip_gif_blocks(content, at + 11 + _gif_colours(flags))
        else:
            raise RefusedImageError("The image is damaged.")
    return Outline("GIF", width, height, frames), at + 1


def _gif_colours(flags: int) -> int:
    """Bytes of the colour table that ``flags`` announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_gif_blocks(content: bytes, at: int) -> int:
    while content[at]:
        at += content[at] + 1
    return at + 1


def _read_jpeg(content: bytes) -> tuple[Outline, int]:
    """JPEG (ITU-T T.81), annex B: marker segments, and coded data behind each start of scan."""
    at, scans = 2, 0
    size = (0, 0)
    while True:
        if content[at] != 0xFF:
            raise RefusedImageError("The image is damaged.")
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker == 0xD9:
            return Outline("JPEG", *size), at
        if marker in _JPEG_STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", content, at)
        if marker in _JPEG_FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", content, at + 3)
            if size != (0, 0):
                raise RefusedImageError("The image is damaged.")
            size = (width, height)
        at += length
        if marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise RefusedImageError("The image has too many scans.")
            at = _skip_jpeg_scan(content, at)


def _skip_jpeg_scan(content: bytes, at: int) -> int:
    """Where the next marker stands that is neither a stuffed byte nor a restart."""
    while True:
        at = content.find(b"\xff", at)
        if at < 0:
            raise RefusedImageError("The file ends too early.")
        following = content[at + 1]
        if following and not 0xD0 <= following <= 0xD7:
            return at
        at += 2


def _read_webp(content: bytes) -> tuple[Outline, int]:
    """WebP Container Specification (RFC 9649): one plain image, or a canvas with frames."""
    end = 8 + struct.unpack_from("<I", content, 4)[0]
    if end > len(content):
        raise RefusedImageError("The file ends too early.")
    at, frames = 12, 0
    size: tuple[int, int] | None = None
    lossless = False
    while at < end:
        kind = content[at : at + 4]
        (length,) = struct.unpack_from("<I", content, at + 4)
        data = at + 8
        at = data + length + (length & 1)
        if at > end:
            raise RefusedImageError("The file ends too early.")
        if kind == b"ANMF":
            frames += 1
            lossless = lossless or content[data + 16 : data + 20] == b"VP8L"
        elif kind in (b"VP8X", b"VP8 ", b"VP8L"):
            lossless = lossless or kind == b"VP8L"
            size = size or _webp_size(kind, content, data)
    return Outline("WEBP", *(size or (0, 0)), frames=frames or 1, lossless=lossless), end


def _webp_size(kind: bytes, content: bytes, data: int) -> tuple[int, int]:
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[data + at : data + at + 3], "little") for at in (4, 7))
        return width + 1, height + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, data + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", content, data + 6)
    return width & 0x3FFF, height & 0x3FFF
