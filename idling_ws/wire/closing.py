"""Close codes: the band tells a client what to do next (protocol, section 2)."""

from __future__ import annotations

from enum import IntEnum


class Close(IntEnum):
    """Every code this server closes a WebSocket with."""

    # RFC 6455, section 7.4.1
    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    TOO_LARGE = 1009

    # 4000-4099: do not reconnect unchanged
    BAD_PROTOCOL = 4000
    INVALID_TOKEN = 4001
    FORBIDDEN = 4003
    LOGGED_OUT = 4004
    TOO_MANY_CONNECTIONS = 4005
    NO_SUBPROTOCOL = 4006

    # 4100-4199: reconnect with backoff, at least 1 s, full jitter, cap 60 s
    OVERLOADED = 4100
    RATE_LIMITED = 4101
    NO_HELLO = 4102
    INTERNAL = 4103
    DISCONNECTED = 4104

    # 4200-4299: reconnect now and resume, honour retry_ms
    DRAINING = 4200
    SLOW_CONSUMER = 4201
    NO_HEARTBEAT = 4202
    TOKEN_EXPIRED = 4203
    POSITION_LOST = 4204

    @property
    def reason(self) -> str:
        """The words beside the code, as in ``bye``."""
        return self.name.lower()
