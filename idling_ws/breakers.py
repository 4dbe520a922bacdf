"""Breakers: whoever outside has failed several times in a row is left alone for a while.

    closed --failures in a row--> open --rest--> half-open (one may try) --it went well--> closed
                                   ^------------------it failed---------'

The states are purgatory's. When it is time to try again is decided here, by the steady
clock: purgatory goes by the time of day, and a clock set back an hour would leave a
service alone for that hour.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context

from idling_ws.domain.clock import Clock

log = logging.getLogger(__name__)

# Whoever is called by a name that a stranger brought shares the last one.
MAX_BREAKERS = 100
LEVELS: dict[str, int] = {CLOSED: 0, HALF_OPENED: 1, OPENED: 2}


class LeftAloneError(Exception):
    """It has failed just now, and was not asked again."""


class Breaker:
    """Guards the calls to one place. ``failures`` in a row open it, for ``rest_s``."""

    def __init__(self, name: str, clock: Clock, *, failures: int, rest_s: float) -> None:
        self.name = name
        self._clock = clock
        self._failures = failures
        self._rest_s = rest_s
        self._circuit = Context(name, failures, math.inf)
        self._opened_at = 0.0
        self._is_trying = False
        self.opened = 0
        self.refused = 0

    @property
    def state(self) -> str:
        """``closed``, ``half-opened`` or ``opened``."""
        return self._circuit.state

    @property
    def is_resting(self) -> bool:
        """Whether a call would be refused now."""
        if self.state == OPENED:
            return self._clock.monotonic() - self._opened_at < self._rest_s
        return self.state == HALF_OPENED and self._is_trying

    @contextmanager
    def guard(self, *failing: type[BaseException]) -> Iterator[None]:
        """Let the block call, and learn from how it ends: in one of ``failing``, or well.

        Any other exception says nothing of who was called, nor does a caller who gave up.
        Raises ``LeftAloneError`` instead of calling while it rests.
        """
        if self.is_resting:
            self.refused += 1
            raise LeftAloneError(self.name)
        if self.state == OPENED:
            self._circuit = Context(self.name, self._failures, math.inf, HALF_OPENED)
        self._is_trying = is_trial = self.state == HALF_OPENED
        try:
            self._circuit.handle_new_request()
            yield
        except failing as exc:
            self._failed(exc)
            raise
        else:
            self._went_well()
        finally:
            if is_trial:
                self._is_trying = False
            self._circuit.messages.clear()  # for who keeps the state elsewhere; here it is the state

    def _failed(self, exc: BaseException) -> None:
        was_open = self.state == OPENED
        if not was_open:
            self._circuit.handle_exception(exc)
        if self.state == OPENED:
            self._opened_at = self._clock.monotonic()
            if not was_open:
                self.opened += 1
                log.warning("%s is left alone for %g s: %s", self.name, self._rest_s, type(exc).__name__)

    def _went_well(self) -> None:
        # Calls that were under way when it opened end late: they do not close it, a trial does.
        if self.state == OPENED:
            return
        was_half_open = self.state == HALF_OPENED
        self._circuit.handle_end_request()
        if was_half_open:
            log.info("%s answers again", self.name)


class Breakers:
    """The breakers of one instance, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_name: dict[str, Breaker] = {}

    def named(self, name: str, *, failures: int, rest_s: float) -> Breaker:
        """Return the breaker of that name, made when it is first asked for."""
        found = self._by_name.get(name)
        if found is None:
            if len(self._by_name) >= MAX_BREAKERS:
                name = name.partition(":")[0] + ":others"
            found = self._by_name.setdefault(name, Breaker(name, self._clock, failures=failures, rest_s=rest_s))
        return found

    def levels(self) -> Iterator[tuple[str, int]]:
        """Return each breaker with 0 (closed), 1 (one may try) or 2 (open)."""
        for breaker in self._by_name.values():
            yield breaker.name, LEVELS[breaker.state]

    def opened(self) -> Iterator[tuple[str, int]]:
        """Return how often each opened."""
        for breaker in self._by_name.values():
            yield breaker.name, breaker.opened
