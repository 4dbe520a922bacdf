"""A parcel: one entry on its way out, framed once for every socket it goes to."""

from __future__ import annotations

from idling_ws.wire.websocket import text_frame


class Parcel:
    """``frame`` is the entry's JSON; ``framed`` the same as a WebSocket text frame."""

    __slots__ = ("frame", "framed", "is_shared", "seq")

    def __init__(self, seq: int, frame: bytes, *, is_shared: bool) -> None:
        self.seq = seq
        self.frame = frame
        self.framed = text_frame(frame)
        self.is_shared = is_shared
