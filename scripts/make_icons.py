"""Draw the raster icons that systems ask for from ``static/icons/icon.svg``.

Run it after changing the drawing; its results are committed, so nobody needs a browser to
serve the page. A maskable icon has no corners of its own: systems cut it to their shape,
so the drawing keeps to the inner circle of 80 % and its ground goes to the edges.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ICONS = ROOT / "static" / "icons"
GROUND = "#12333a"
FAVICON_SIZES = [16, 32, 48]
# Name, side in pixels, and how much of it the drawing takes; less than all of it stands on a full ground.
PLAN = (("icon-192.png", 192, 1.0), ("icon-512.png", 512, 1.0), ("maskable-192.png", 192, 0.8),
        ("maskable-512.png", 512, 0.8), ("apple-touch-icon.png", 180, 0.9))  # fmt: skip


def draw(page: Page, side: int, share: float) -> bytes:
    """Return a PNG of the drawing."""
    page.set_viewport_size({"width": side, "height": side})
    ground = GROUND if share < 1 else "transparent"
    style = (
        f"html {{ background: {ground} }} svg {{ width: {share * 100}% }}"
        "body { margin: 0; height: 100vh; display: grid; place-items: center }"
    )
    page.set_content(f"<style>{style}</style>{(ICONS / 'icon.svg').read_text()}")
    return page.screenshot(omit_background=True)


def main() -> int:
    """Draw them all."""
    sys.path.insert(0, str(ROOT))
    from tests.support.chromium import find_chromium, launch_arguments

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=launch_arguments())
        page = browser.new_page()
        for name, side, share in PLAN:
            Image.open(io.BytesIO(draw(page, side, share))).save(ICONS / name, optimize=True)
        largest = Image.open(io.BytesIO(draw(page, 48, 1.0)))
        largest.save(ICONS / "favicon.ico", sizes=[(side, side) for side in FAVICON_SIZES])
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
