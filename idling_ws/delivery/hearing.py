"""Hearing: what comes on the channels of streams goes to the hub.

A message is ``<seq> <entry>``, or ``<seq>`` alone, which says only how far the stream is.
"""

from __future__ import annotations

from collections.abc import Callable

from idling_ws.delivery.hub import Hub
from idling_ws.domain.ids import ALL
from idling_ws.store.redis import Keys


def hearing(hub: Hub, keys: Keys) -> Callable[[list[tuple[bytes, bytes]]], None]:
    """Return what takes the messages of one chunk, as ``(channel, message)``."""
    # Every channel of a stream is the same up to the user's number, and ends behind it.
    begin = keys.stream(ALL).rindex(b"0}")
    deliver = hub.deliver

    def heard(messages: list[tuple[bytes, bytes]]) -> None:
        for channel, message in messages:
            seq, _, frame = message.partition(b" ")
            if frame:
                deliver(int(channel[begin:-1]), int(seq), frame)
            else:
                hub.notice_head(int(channel[begin:-1]), int(seq))

    return heard
