"""Server-Sent Events from bytes to events, without I/O.

The rules are those of the HTML standard, section 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One dispatched event: its name, its data and the last id seen."""

    name: str
    data: bytes
    id: str


class EventStreamParser:
    """Takes chunks of a stream, cut anywhere, and returns the events that they complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._name = ""
        self._data: list[bytes] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that ended within ``chunk``; comments end none."""
        if self._after_cr and chunk.startswith(b"\n"):
            # The second half of a CRLF that was cut in two.
            chunk = chunk[1:]
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        text = self._rest + chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        events: list[StreamEvent] = []
        for line in lines:
            if line:
                self._field(line)
                continue
            if self._data:
                name = self._name or "message"
                events.append(StreamEvent(name, b"\n".join(self._data), self._id))
            self._name, self._data = "", []
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
