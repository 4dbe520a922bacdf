"""The little of MessagePack that two of the peers put into Redis: texts, small numbers, lists and maps."""

from __future__ import annotations


def packed(value: object) -> bytes:
    """Return ``value`` in MessagePack. Raises ``TypeError`` for what is not among the little."""
    if isinstance(value, str):
        text = value.encode()
        size = len(text)
        head = bytes((0xA0 | size,)) if size < 32 else b"\xda" + size.to_bytes(2, "big")
        return head + text
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int) and 0 <= value < 2**32:
        return bytes((value,)) if value < 128 else b"\xce" + value.to_bytes(4, "big")
    if isinstance(value, list):
        return b"\xdc" + len(value).to_bytes(2, "big") + b"".join(map(packed, value))
    if isinstance(value, dict):
        items = b"".join(packed(key) + packed(item) for key, item in value.items())
        return b"\xde" + len(value).to_bytes(2, "big") + items
    if value is None:
        return b"\xc0"
    raise TypeError(type(value))
