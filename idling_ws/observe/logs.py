"""Logs: one structured line per event, for a terminal or for a collector.

Everything, libraries included, goes through one formatter. Values are rendered as
JSON strings or ``repr``, so a line break in what a client sent cannot start a line.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# Without local variables: they hold tokens and what people wrote.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))

# Everything that ends or hides a line for some reader: C0, DEL, C1, and Unicode's two separators.
_LINE_ENDERS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029)
}


def configure(log_format: str, level: str) -> None:
    """Send all logging to standard error. ``log_format`` is ``console`` or ``json``."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(allow=["trace_id"]),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if log_format == "console"
        else [_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[_one_line, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # aiohttp logs every bad request of every scanner; yoyo tells what our own line tells.
    for noisy, floor in (("aiohttp.access", "WARNING"), ("aiohttp.server", "ERROR"), ("yoyo", "WARNING")):
        logging.getLogger(noisy).setLevel(floor)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an error of the HTTP server is one: what cannot be parsed is answered with 400, and is the client's.

    Else everybody could fill the log with tracebacks.
    """
    error = record.exc_info[1] if record.exc_info else None
    return getattr(error, "code", 500) >= 500 or not type(error).__module__.startswith("aiohttp.")


def _one_line(logger: Any, name: str, event: Any) -> Any:
    """Make sure that the event's text is one line, whoever wrote it."""
    text = event.get("event")
    if isinstance(text, str):
        event["event"] = text.translate(_LINE_ENDERS)
    return event
