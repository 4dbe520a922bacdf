"""Devices: what to call one, from what it says of itself. For people to recognise, never to decide by."""

from __future__ import annotations

# In this order: Edge and Opera also say Chrome, Chrome also says Safari, Android also says Linux.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)
_MAX_CHARS = 40


def device_name(user_agent: str) -> str:
    """Return what somebody might call the device: ``Firefox on Linux``, or what a program calls itself."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program is not None:
        return program if system is None else f"{program} on {system}"
    own = "".join(char for char in user_agent.partition("/")[0] if char.isprintable()).strip()[:_MAX_CHARS]
    return own or "an unknown device"
