"""A picture as somebody may bring it."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def picture() -> bytes:
    """Return an orange dot as PNG."""
    image = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((8, 8, 88, 88), fill=(230, 140, 40, 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
