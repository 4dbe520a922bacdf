"""Images made on the spot: honest ones, and hostile ones that no server should take."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image, ImageDraw

Colour = tuple[int, int, int, int]


def still(format_: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    """A small picture with something on it."""
    image = Image.new(mode, size)
    ImageDraw.Draw(image).rectangle((4, 4, size[0] // 2, size[1] // 2), fill=_white(mode))
    return encode(image, format_, **options)


def frames(count: int, size: tuple[int, int] = (64, 48), *, clear: bool = True) -> list[Image.Image]:
    """A square that wanders; with ``clear`` it leaves nothing behind."""
    found: list[Image.Image] = []
    for at in range(count):
        frame = Image.new("RGBA", size) if clear or not found else found[-1].copy()
        left = at * 3 % max(size[0] - 12, 1)
        ImageDraw.Draw(frame).rectangle((left, 8, left + 10, 18), fill=(255, 10 * at % 256, 0, 255))
        found.append(frame)
    return found


def animation(format_: str, count: int, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """An animated GIF or WebP of ``count`` frames."""
    first, *rest = frames(count, size)
    options = {"duration": 70, "loop": 0, "disposal": 2} | options
    if format_ == "WEBP":
        del options["disposal"]
    return encode(first, format_, save_all=True, append_images=rest, **options)


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    """The file of ``image``."""
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG with its right CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, data: bytes | None = None, extra: bytes = b"", end: bool = True) -> bytes:
    """A PNG by hand, grey with 8 bits, of any stated size; ``data`` is what is compressed in it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = b"\0" * ((width + 1) * height) if data is None else data
    body = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + (png_chunk(b"IEND", b"") if end else b"")


def patched(content: bytes, at: int, new: bytes) -> bytes:
    """``content`` with ``new`` over what stands at ``at``."""
    return content[:at] + new + content[at + len(new) :]


def hostile() -> dict[str, bytes]:
    """Files that must be refused, by what is wrong with them."""
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    gif, jpeg, webp = still("GIF"), still("JPEG"), still("WEBP")
    moving = animation("WEBP", 10)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.class", b"\xca\xfe\xba\xbe" * 20)
    sof = jpeg.index(b"\xff\xc0")
    scan = jpeg.index(b"\xff\xda")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    return {
        "no byte": b"",
        "more than 1 MiB": still() + b"\0" * 1024 * 1024,
        "text": b"just text, called .png",
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg with a script": svg,
        "svg behind a declaration": b'<?xml version="1.0"?>\n' + svg,
        "pdf": b"%PDF-1.7\n1 0 obj\n",
        "executable": b"\x7fELF\x02\x01\x01" + b"\0" * 57,
        "bmp": still("BMP"),
        "tiff": still("TIFF"),
        "ico": still("ICO"),
        "ppm": still("PPM"),
        "avif header": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 64,
        "png magic alone": b"\x89PNG\r\n\x1a\n",
        "gif magic alone": b"GIF89a",
        "jpeg magic alone": b"\xff\xd8\xff\xe0",
        "webp magic alone": b"RIFF\x04\0\0\0WEBP",
        "png of 100,000 x 1": png(100_000, 1, data=b"\0"),
        "png of 100,000 x 100,000": png(100_000, 100_000, data=b"\0"),
        "png of 2^31 x 2^31": png(2**31 - 1, 2**31 - 1, data=b"\0"),
        "png one pixel too wide": still(size=(513, 512)),
        "png of no width": png(0, 10, data=b""),
        "gif screen of 65,535 x 65,535": patched(gif, 6, b"\xff\xff\xff\xff"),
        "gif frame beyond its screen": patched(gif, 6, b"\x04\0\x04\0"),
        "jpeg of 65,000 x 65,000": patched(jpeg, sof + 5, struct.pack(">HH", 65_000, 65_000)),
        "jpeg of no height": patched(jpeg, sof + 5, struct.pack(">HH", 0, 64)),
        "webp canvas of 16,777,216": patched(moving, 24, b"\xff\xff\xff\xff\xff\xff"),
        "gif of 10,000 frames": gif[:-1] + gif[gif.index(b"\x2c") : -1] * 10_000 + b"\x3b",
        "gif of no frame": gif[: 13 + 3 * 2 ** ((gif[10] & 7) + 1)] + b"\x3b",
        "webp with too many pixels in all": animation("WEBP", 65, (512, 512), quality=1),
        "jpeg of 1,000 scans": jpeg[:-2] + jpeg[scan:-2] * 1000 + b"\xff\xd9",
        "png cut in half": still()[: len(still()) // 2],
        "png without its end": png(8, 8, end=False),
        "png with a wrong checksum": patched(still(), 29, b"\0\0\0\0"),
        "png with rubbish for pixels": patched(still(), 49, b"\xff" * 8),
        "gif cut in half": gif[: len(gif) // 2],
        "gif without its end": gif[:-1],
        "jpeg cut in half": jpeg[: len(jpeg) // 2],
        "jpeg without its end": jpeg[:-2],
        "webp cut in half": webp[: len(webp) // 2],
        "webp without its frames": patched(moving, 4, struct.pack("<I", len(moving) - 8 + 100)),
        "text chunk that unpacks to 50 MB": png(8, 8, extra=png_chunk(b"zTXt", b"Comment\0\0" + bomb)),
        "png that is also a zip": still() + archive.getvalue(),
        "png that is also a page": still() + b"<script>alert(1)</script>",
        "gif that is also a script": gif + b"*/=1;alert(1)//",
        "gif that begins as a script": b"GIF89a/*" + gif[8:] + b"*/=1;alert(1)",
        "jpeg that is also a page": jpeg + b"<html><script>alert(1)</script>",
        "webp that is also a zip": webp + archive.getvalue(),
        "two images in one": still() + still(),
    }


def _white(mode: str) -> Any:
    return 255 if mode in {"L", "P"} else (255,) * len(mode)
