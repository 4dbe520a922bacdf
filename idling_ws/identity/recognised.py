"""Who was recognised lately: for reads while PostgreSQL is away, and for nothing else.

A token proves itself; a cookie means something only to whoever can look it up. So that
a page can show what is cached while nobody can, the last look-up of each cookie is
remembered here for a while, by its hash.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from idling_ws.domain.clock import Clock
from idling_ws.identity.person import Identity

FOR_S = 900.0
"""As long as an access token lives: what a cookie may do unchecked, a token may as well."""
MAX_COOKIES = 20_000


class Recognised:
    """Cookies and whose they were. The ones seen longest ago go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    def note(self, cookie: str, identity: Identity) -> None:
        """Remember whose a cookie is: it was looked up just now."""
        key = _key(cookie)
        self._seen[key] = (identity, self._clock.monotonic())
        self._seen.move_to_end(key)
        if len(self._seen) > MAX_COOKIES:
            self._seen.popitem(last=False)

    def forget(self, cookie: str) -> None:
        """Forget a cookie: its login has ended, or never was."""
        self._seen.pop(_key(cookie), None)

    def find(self, cookie: str) -> Identity | None:
        """Return whose a cookie was, if it was looked up lately."""
        identity, at = self._seen.get(_key(cookie), (None, 0.0))
        return identity if self._clock.monotonic() - at < FOR_S else None


def _key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
