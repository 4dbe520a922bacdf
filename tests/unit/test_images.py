"""Uploads drawn anew: what is taken, what is refused, and what is left of what was hidden inside."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, PngImagePlugin

from idling_ws.domain.errors import InvalidError, UnavailableError
from idling_ws.services.image_outline import MAX_FRAMES, MAX_SIDE, RefusedImageError, read_outline
from idling_ws.services.image_worker import redraw
from idling_ws.services.images import ImageStudio, Picture
from tests.support import images

HOSTILE = images.hostile()
# How fast a machine draws is no question here.
PATIENCE_S = 100.0


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> int:
    """How far the two are apart at the pixel and colour where they are most; what is transparent has no colour."""
    seen = []
    for image in (one, other):
        plain = Image.new("RGBA", image.size)
        plain.alpha_composite(image.convert("RGBA"))
        seen.append(Image.composite(plain, Image.new("RGBA", image.size), plain.getchannel("A")))
    return max(high for _, high in ImageChops.difference(*seen).getextrema())  # type: ignore[misc] # bands


# What is taken


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [("PNG", "image/png"), ("GIF", "image/gif"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
)
def test_still_images_are_drawn_anew(format_: str, media_type: str) -> None:
    """The four formats stay what they are, with the same picture."""
    content = images.still(format_)
    what, redrawn = redraw(content)
    assert what == {"media_type": media_type, "width": 64, "height": 48, "frames": 1}
    assert opened(redrawn).format == format_
    assert difference(opened(content), opened(redrawn)) <= (0 if format_ in {"PNG", "GIF"} else 40)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_of_any_colours(mode: str) -> None:
    """Grey, palette, 16 bits and transparency all come out as they look."""
    if mode == "I;16":
        source = Image.frombytes("I;16", (4, 1), struct.pack("<4H", 0, 256 * 20, 256 * 128, 65_535))
        expected = Image.frombytes("L", (4, 1), bytes([0, 20, 128, 255]))
    else:
        source = expected = images.frames(1)[0].convert(mode)
    _, redrawn = redraw(images.encode(source, "PNG"))
    assert difference(expected, opened(redrawn)) == 0


def test_palette_with_transparency_keeps_it() -> None:
    """A transparent colour of a palette stays transparent."""
    source = Image.new("P", (8, 8), 1)
    source.putpalette([255, 0, 0, 0, 255, 0])
    _, redrawn = redraw(images.encode(source, "PNG", transparency=1))
    assert opened(redrawn).convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index] # a tuple of bands


def test_cmyk_jpeg_becomes_rgb() -> None:
    """A print JPEG shows in every browser."""
    _, redrawn = redraw(images.encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
    assert opened(redrawn).mode == "RGB"


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("format_", ["GIF", "WEBP"])
def test_animations_stay_animated(format_: str, clear: bool) -> None:
    """Every frame looks as before, for as long, as often."""
    drawn = images.frames(12, clear=clear)
    options = {"lossless": True} if format_ == "WEBP" else {"disposal": 2}
    content = images.encode(drawn[0], format_, save_all=True, append_images=drawn[1:], duration=70, loop=3, **options)
    what, redrawn = redraw(content)
    assert what["frames"] == 12
    image = opened(redrawn)
    assert image.info["loop"] == 3
    for number, frame in enumerate(drawn):
        image.seek(number)
        image.load()
        assert image.info["duration"] == 70
        assert difference(frame, image) <= 8, number


def test_an_animation_as_long_as_may_be() -> None:
    """The last frame that is allowed is drawn, one more is refused."""
    assert redraw(images.animation("GIF", MAX_FRAMES))[0]["frames"] == MAX_FRAMES
    with pytest.raises(RefusedImageError, match="too many frames"):
        redraw(images.animation("GIF", MAX_FRAMES + 1))


def test_largest_and_smallest() -> None:
    """512 x 512 and 1 x 1 are taken."""
    assert redraw(images.still(size=(MAX_SIDE, MAX_SIDE)))[0]["width"] == MAX_SIDE
    assert redraw(images.png(1, 1))[0]["height"] == 1


def test_animated_png_becomes_its_first_picture() -> None:
    """An APNG is shown still: nothing promises to keep it moving."""
    first, *rest = images.frames(5)
    what, redrawn = redraw(images.encode(first, "PNG", save_all=True, append_images=rest))
    assert what["frames"] == 1
    assert difference(first, opened(redrawn)) == 0


def test_camera_turned_sideways() -> None:
    """What EXIF says of the orientation is applied before EXIF is dropped."""
    exif = Image.Exif()
    exif[0x0112] = 6
    what, redrawn = redraw(images.still("JPEG", exif=exif))
    assert (what["width"], what["height"]) == (48, 64)
    assert not opened(redrawn).getexif()


# What is hidden inside

PAYLOAD = b"<script>alert('payload')</script>"


def test_nothing_but_pixels_is_left() -> None:
    """EXIF, GPS, XMP, ICC profiles, comments and text chunks are gone."""
    exif = Image.Exif()
    exif[0x010E] = PAYLOAD.decode()
    exif.get_ifd(0x8825)[1] = "N"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", PAYLOAD.decode())
    text.add_itxt("XML:com.adobe.xmp", PAYLOAD.decode())
    for content in (
        images.still("PNG", pnginfo=text, exif=exif, icc_profile=PAYLOAD),
        images.still("JPEG", exif=exif, comment=PAYLOAD, icc_profile=PAYLOAD, xmp=PAYLOAD),
        images.still("WEBP", exif=exif, xmp=PAYLOAD, icc_profile=PAYLOAD),
        images.still("GIF", comment=PAYLOAD),
        images.animation("GIF", 3, comment=PAYLOAD),
        images.animation("WEBP", 3, exif=exif, xmp=PAYLOAD, icc_profile=PAYLOAD),
        images.png(8, 8, extra=images.png_chunk(b"pwNd", PAYLOAD)),
    ):
        assert PAYLOAD in content or b"payload" in content or b"iCCP" in content
        _, redrawn = redraw(content)
        assert b"payload" not in redrawn
        left = opened(redrawn)
        assert not left.getexif()
        assert not {"icc_profile", "xmp", "comment", "exif"} & set(left.info)


def test_script_in_the_pixels_does_not_outlive_them() -> None:
    """Bytes chosen so that the file reads as a script are other bytes afterwards."""
    content = images.png(len(PAYLOAD), 1, data=b"\0" + PAYLOAD)
    stored = images.png(8, 8, extra=images.png_chunk(b"tEXt", b"a\0" + PAYLOAD))
    for source in (content, stored):
        assert PAYLOAD not in redraw(source)[1]


# What is refused


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str) -> None:
    """Each gets its reason in plain words, and nothing is drawn."""
    with pytest.raises(RefusedImageError) as refused:
        redraw(HOSTILE[name])
    assert str(refused.value).endswith(".")


def test_bombs_are_refused_by_their_outline() -> None:
    """Sizes, frames and second files are known before a decoder sees a byte."""
    by_outline = [
        name
        for name in HOSTILE
        if any(word in name for word in ("of 1", "of 2", "of 6", "one pixel", "beyond", "in all", "also", "two images"))
    ]
    assert len(by_outline) >= 15
    for name in by_outline:
        with pytest.raises(RefusedImageError):
            read_outline(HOSTILE[name])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["PNG", "GIF", "JPEG", "WEBP", "moving GIF", "moving WEBP"]), st.data())
def test_damaged_files_are_refused_or_drawn(kind: str, data: st.DataObject) -> None:
    """Whatever bytes are broken, cut or added: a refusal or a clean picture within the limits, nothing else."""
    content = SAMPLES[kind]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        action = data.draw(st.sampled_from(["break", "cut", "add"]))
        if action == "cut":
            content = content[:at]
        else:
            new = data.draw(st.binary(min_size=1, max_size=6))
            content = images.patched(content, at, new) if action == "break" else content[:at] + new + content[at:]
    try:
        what, redrawn = redraw(content)
    except RefusedImageError:
        return
    assert 0 < what["width"] <= MAX_SIDE
    assert read_outline(redrawn).frames <= MAX_FRAMES


SAMPLES = {format_: images.still(format_) for format_ in ("PNG", "GIF", "JPEG", "WEBP")} | {
    f"moving {format_}": images.animation(format_, 4) for format_ in ("GIF", "WEBP")
}


# The process that draws


async def test_studio_draws_in_a_process_of_its_own() -> None:
    """A picture comes back as drawn; hostile files come back as the error of the field."""
    studio = ImageStudio(deadline_s=PATIENCE_S)
    content = images.animation("WEBP", 5)
    what, redrawn = redraw(content)
    assert await studio.redraw(content) == Picture(redrawn, **what)
    for name in ("no byte", "svg with a script", "png of 100,000 x 100,000", "jpeg cut in half"):
        with pytest.raises(InvalidError) as refused:
            await studio.redraw(HOSTILE[name])
        assert list(refused.value.fields or ()) == ["file"]
    with pytest.raises(InvalidError) as refused:
        await studio.redraw(HOSTILE["more than 1 MiB"])
    assert refused.value.code == "too_large"


async def test_studio_takes_many_at_once() -> None:
    """More uploads than turns are all drawn."""
    studio = ImageStudio(deadline_s=PATIENCE_S, at_once=2)
    drawn = await asyncio.gather(*(studio.redraw(images.still(size=(8, 8 + at))) for at in range(6)))
    assert [picture.height for picture in drawn] == [8 + at for at in range(6)]


async def test_studio_gives_up_at_the_deadline_and_leaves_no_process() -> None:
    """Too slow is the server's fault, so it may be tried again; the worker is gone and the turn is free."""
    studio = ImageStudio(deadline_s=0.01, at_once=1)
    for _ in range(3):
        with pytest.raises(UnavailableError) as late:
            await studio.redraw(images.animation("WEBP", 40, (256, 256)))
        assert late.value.code == "timeout"
    assert not workers_of_ours()


async def test_studio_ends_the_worker_when_the_upload_is_given_up() -> None:
    """A request that goes away takes its worker with it, even one that is stuck."""
    studio = ImageStudio(deadline_s=PATIENCE_S, at_once=1)
    task = asyncio.create_task(studio.redraw(images.animation("WEBP", 60, (256, 256))))
    while not (workers := workers_of_ours()):
        await asyncio.sleep(0)
    os.kill(workers[0], signal.SIGSTOP)
    # The event loop ends a worker by itself as long as its pipes are not connected, which takes it a few rounds.
    for _ in range(100):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE_S):
            await task
    assert not workers_of_ours()
    assert (await studio.redraw(images.still())).frames == 1


@pytest.mark.parametrize(
    "program",
    [
        "bytearray(1 << 30)",
        "open(__import__('tempfile').gettempdir() + '/image-worker-was-here', 'wb').write(b'x')",
        "[None for _ in iter(int, 1)]",
    ],
    ids=["memory", "file", "time"],
)
def test_worker_is_held_by_the_kernel(program: str, tmp_path: Path) -> None:
    """Too much memory, any file and endless work end the process, whatever runs in it."""
    limits = "import idling_ws.services.image_worker as worker; worker.CPU_S = 1; worker.limit_resources(); "
    run = subprocess.run(
        [sys.executable, "-c", limits + program],
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert run.returncode != 0
    assert not any(path.stat().st_size for path in tmp_path.iterdir())


def test_worker_sees_none_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets in the environment do not reach the process that reads strangers' files."""
    from idling_ws.services.images import _bare_environment

    monkeypatch.setenv("IDLING_SECRET_KEY", "s" * 40)
    assert "IDLING_SECRET_KEY" not in _bare_environment()


def workers_of_ours() -> list[int]:
    """Process ids of the children of this process that are image workers."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):  # it may end while it is looked at
                if b"image_worker" in Path("/proc", pid, "cmdline").read_bytes():
                    found.append(int(pid))
    return found
