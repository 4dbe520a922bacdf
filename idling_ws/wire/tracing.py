"""Trace ids: what ties one request or frame to its log lines, its entry, its audit row and its error.

Who calls may bring one, as W3C Trace Context writes it (``traceparent``, level 1, section 3.2.2): then
one id leads from their page or proxy through this server to every device.
"""

from __future__ import annotations

import re
import secrets

# version, trace id, parent id, flags; what a later version adds behind them is not read.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII
)
_MAX_CHARS = 256


def new_trace_id() -> str:
    """Return 16 hex digits that tie one request to its log lines."""
    return secrets.token_hex(8)


def trace_id_of(traceparent: object) -> str:
    """Return the trace id (32 hex digits) of a ``traceparent``, or a new one where there is none that is good."""
    if type(traceparent) is str and len(traceparent) <= _MAX_CHARS:
        found = _TRACEPARENT.fullmatch(traceparent)
        if found is not None and (found[2] is None or not traceparent.startswith("00")):
            return found[1]
    return new_trace_id()
