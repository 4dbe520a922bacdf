"""JSON Merge Patch (RFC 7386): how every entry changes the state."""

from __future__ import annotations

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """Return ``target`` changed by ``patch``; null removes, objects merge, the rest replaces.

    ``target`` is left as it was. Only the objects on the way to a change are copied,
    so a view over pending mutations shares most of its tree with the confirmed state.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            # Also where nothing is there yet: nulls inside of a new object vanish too.
            result[key] = merged(result.get(key), value)
        else:
            result[key] = value
    return result
