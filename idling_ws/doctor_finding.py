"""What the doctor finds: how one part is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is. ``cure`` is what to do, where something is to be done."""

    level: str
    part: str
    text: str
    cure: str = ""
