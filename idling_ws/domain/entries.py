"""Entries and what they are made of: effects first, the verdict last.

An effect is ``{kind, patch?, data?}``: ``patch`` (RFC 7386) alone changes state,
``kind`` and ``data`` say what happened. A verdict ends one mutation.
"""

from __future__ import annotations

from typing import Any

from idling_ws.domain.errors import JsonObject

Item = dict[str, Any]

CONFIRMED = "confirmed"
ROLLED_BACK = "rolled_back"


def effect(kind: str, patch: JsonObject | None = None, data: JsonObject | None = None) -> Item:
    """Return an effect item, without the members it has no use for."""
    item: Item = {"kind": kind}
    if patch is not None:
        item["patch"] = patch
    if data is not None:
        item["data"] = data
    return item


def confirmed(mid: str, result: JsonObject) -> Item:
    """Return the verdict of a mutation that took effect."""
    return {"kind": "verdict", "mid": mid, "status": CONFIRMED, "result": result}


def rolled_back(mid: str, error: JsonObject, current: JsonObject | None) -> Item:
    """Return the verdict of a mutation that did not: with what is true instead."""
    item: Item = {"kind": "verdict", "mid": mid, "status": ROLLED_BACK, "error": error}
    if current is not None:
        item["current"] = current
    return item
