"""What pages report of themselves: which error, in which module of ours and on which line, and nothing else.

Anybody can make a report up. So it is small, seldom and counted only: it wakes nobody, and
of each place in the code one line an hour goes to the log.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from idling_ws.domain.errors import InvalidError, JsonObject
from idling_ws.edge.bodies import only, read_object
from idling_ws.edge.limits import HTTP_LIMITS
from idling_ws.edge.parts import PARTS
from idling_ws.edge.who import check_forgery

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 8 << 10
MAX_REPORTS = 20
MAX_COUNT = 1000
REPORTS_PER_MIN = 12
LOGGED_EVERY_S = 3600.0
MAX_LOGGED = 500
# ECMAScript's own, and those of the DOM that are seen most; whatever else is called is ``other``.
NAMES = frozenset(
    {
        "AbortError", "AggregateError", "DOMException", "Error", "EvalError", "InvalidStateError", "NetworkError",
        "NotAllowedError", "NotFoundError", "QuotaExceededError", "RangeError", "ReferenceError", "SecurityError",
        "SyntaxError", "TimeoutError", "TypeError", "URIError",
    }
)  # fmt: skip
OTHER = "other"
_MODULE = re.compile(r"/(?:sw|static/js/[a-z0-9/-]{1,80})\.js", re.ASCII)


@dataclass(frozen=True, slots=True)
class Report:
    """So many errors at one place. ``module`` is a path of ours; empty where it is not known, or not ours."""

    name: str
    module: str
    line: int
    count: int


class Told:
    """Which places in the code were logged lately, so that one broken line does not fill the log."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    def is_new(self, report: Report, now: float) -> bool:
        """Whether to log ``report``; it is known from then on."""
        key = (report.name, report.module, report.line)
        known = self._at.get(key)
        if known is not None and now - known < LOGGED_EVERY_S:
            return False
        self._at[key] = now
        self._at.move_to_end(key)
        if len(self._at) > MAX_LOGGED:
            self._at.popitem(last=False)
        return True


TOLD: web.AppKey[Told] = web.AppKey("told_browser_errors", Told)


async def post_browser_errors(request: web.Request) -> web.Response:
    """``POST /api/errors/browser`` with ``{errors: [{name, module, line, count?}]}``: 204, whoever it is."""
    parts = request.app[PARTS]
    check_forgery(request, parts)
    await request.app[HTTP_LIMITS].spend_on("browser-errors", request, parts, REPORTS_PER_MIN)
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise InvalidError("too_large")
    listed = only(await read_object(request), "errors").get("errors")
    if type(listed) is not list or not 1 <= len(listed) <= MAX_REPORTS:
        raise InvalidError(fields={"errors": [f"Not a list of 1 to {MAX_REPORTS}."]})
    for report in [_read(one, n) for n, one in enumerate(listed)]:
        parts.metrics.browser_failed(report.name, report.count)
        if request.app[TOLD].is_new(report, parts.clock.monotonic()):
            log.warning("a page had %s in %s:%d", report.name, report.module or "?", report.line)
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


def _whole(value: Any) -> Any:
    """Return ``3.0`` as the whole number that it is in JSON, and anything else as it came."""
    return int(value) if type(value) is float and value.is_integer() else value


def _read(one: Any, n: int) -> Report:
    if type(one) is not dict:
        raise InvalidError(fields={f"errors.{n}": ["Not an object."]})
    given: JsonObject = only(one, "name", "module", "line", "count")
    name, module = given.get("name"), given.get("module", "")
    line, count = _whole(given.get("line", 0)), _whole(given.get("count", 1))
    if type(name) is not str or type(module) is not str:
        raise InvalidError(fields={f"errors.{n}": ["Name and module are strings."]})
    if type(line) is not int or not 0 <= line <= 1_000_000 or type(count) is not int or not 1 <= count <= MAX_COUNT:
        raise InvalidError(fields={f"errors.{n}": ["Line and count are whole numbers."]})
    is_ours = _MODULE.fullmatch(module) is not None
    return Report(name if name in NAMES else OTHER, module if is_ours else "", line if is_ours else 0, count)
