"""WebSocket frames as bytes (RFC 6455): what goes out, and a guard over what comes in.

Server frames are never masked, so one entry is framed once and the same bytes go to
every socket. Incoming frames are decoded by aiohttp's reader; the guard walks over the
same bytes first, because that reader accepts unmasked frames (section 5.1 forbids
them), a message begun inside another when the first began empty (section 5.4), and
floods of pings or empty fragments, which cost us and say nothing.
"""

from __future__ import annotations

CONTINUATION = 0x0
TEXT = 0x1
CLOSE = 0x8
PING = 0x9
PONG = 0xA


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one final, unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def text_frame(payload: bytes) -> bytes:
    """Return ``payload``, UTF-8, as a text frame."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    return frame(TEXT, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; the reason is cut to the 123 bytes that fit."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


class FrameGuard:
    """Looks at the frames of a byte stream without decoding them.

    ``feed`` returns an error text for what no client may send, else None. ``idle_frames``
    counts those that end no message (pings, fragments but the last), so that whoever
    limits messages can limit these too.
    """

    __slots__ = ("_header", "_is_open", "_skip", "idle_frames")

    def __init__(self) -> None:
        self._skip = 0
        self._is_open = False  # between the first and the last fragment of a message
        self._header = b""
        self.idle_frames = 0

    def feed(self, data: bytes) -> str | None:
        """Walk over ``data``, a chunk of the stream cut anywhere."""
        # The usual chunk is one whole small text frame: no loop, no copies.
        if len(data) >= 6 and data[0] == 0x81 and not (self._skip or self._header or self._is_open):
            size = data[1]
            if 0x80 <= size < 0xFE and len(data) == size - 0x80 + 6:
                return None
        position = 0
        end = len(data)
        while position < end:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
                continue
            self._header += data[position : position + 1]
            position += 1
            header = self._header
            if len(header) < 2:
                continue
            if len(header) == 2 and (complaint := self._check(header[0], header[1])) is not None:
                return complaint
            size = header[1] & 0x7F
            extra = 2 if size == 126 else 8 if size == 127 else 0
            if len(header) < 2 + extra:
                continue
            if extra:
                size = int.from_bytes(header[2:], "big")
            self._skip = size + 4  # the mask
            self._header = b""
        return None

    def _check(self, first: int, second: int) -> str | None:
        """Look at the two bytes that begin a frame."""
        if not second & 0x80:
            return "frames from a client must be masked"
        opcode = first & 0x0F
        if opcode < CLOSE:
            if (opcode == CONTINUATION) != self._is_open:
                return "fragments of two messages must not mix"
            self._is_open = not first & 0x80
        if opcode >= CLOSE or self._is_open:
            self.idle_frames += 1
        return None
