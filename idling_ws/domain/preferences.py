"""Preferences: what can be chosen, from what, and what holds until somebody chooses."""

from __future__ import annotations

from idling_ws.domain.errors import JsonObject

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "density": ("cozy", "compact"),
    "skin_tone": ("none", "light", "medium_light", "medium", "medium_dark", "dark"),
    "emoji_panel": ("floating", "docked"),
}
SWITCHES = ("sounds", "push", "reduced_motion")

DEFAULTS: JsonObject = {
    "theme": "system",
    "density": "cozy",
    "skin_tone": "none",
    "emoji_panel": "floating",
    "sounds": False,
    "push": False,
    "reduced_motion": False,
}


def to_state(chosen: JsonObject, version: int) -> JsonObject:
    """Return all preferences as they stand in ``state``."""
    return {**DEFAULTS, **{key: value for key, value in chosen.items() if key in DEFAULTS}, "version": version}
