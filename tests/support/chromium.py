"""Where browser tests find a Chromium, and how they start it.

Playwright drives the system's browser; nothing is downloaded. Run as a script it
prints the path, or nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# The address bar is a page by now: each profile has a process that draws it, and one in waiting for the next tab.
# They are a third of all that a visitor costs.
UNSEEN = ("SpareRendererForSitePerProcess", "WebUIOmniboxAimPopup", "WebUIOmniboxPopup")
# Of several such lists Chromium takes the last, so what Playwright switches off is named here again.
OFF_ANYWAY = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> Path | None:
    """Return the browser: the one named by IDLING_TEST_CHROMIUM, else the first on PATH."""
    named = os.environ.get("IDLING_TEST_CHROMIUM")
    candidates = [named] if named else [shutil.which(name) for name in NAMES]
    return next((Path(path) for path in candidates if path and os.access(path, os.X_OK)), None)


def launch_arguments() -> list[str]:
    """Return what Chromium needs here: root and most containers have no sandbox to give it, and no window is seen."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [*sandbox, f"--disable-features={','.join((*OFF_ANYWAY, *UNSEEN))}"]
