"""Endings: what was revoked, on whichever instance, ends for the devices that are here."""

from __future__ import annotations

import logging

from idling_ws.domain.errors import UnavailableError
from idling_ws.domain.ids import UserId
from idling_ws.edge.sockets import Sockets
from idling_ws.identity import revocations
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.revocations import Revocations, Revoked
from idling_ws.identity.tokens import LoginId
from idling_ws.wire.closing import Close

log = logging.getLogger(__name__)

# What is not here ends nothing: it only makes copies of what somebody may do out of date.
CLOSE_OF_REASON = {
    revocations.LOGGED_OUT: Close.LOGGED_OUT,
    revocations.REUSED: Close.LOGGED_OUT,
    revocations.SUSPENDED: Close.FORBIDDEN,
    # Not an end: it comes back at once, and its new roles are read then.
    revocations.ROLES_CHANGED: Close.TOKEN_EXPIRED,
    # Nor is this: it may come back, but not at once.
    revocations.DISCONNECTED: Close.DISCONNECTED,
}


class Endings:
    """Hears of each revocation once."""

    def __init__(self, sockets: Sockets, keyring: KeyRing) -> None:
        self._sockets = sockets
        self._keyring = keyring
        self.ended = 0

    def heard(self, revoked: Revoked) -> None:
        """Close what it concerns."""
        if revoked.reason == revocations.KEYS_ROTATED:
            self._sockets.spawn(self._refresh_keys())
            return
        code = CLOSE_OF_REASON.get(revoked.reason)
        if code is None:
            return
        if revoked.connection is not None:
            self.ended += self._sockets.close_connection(revoked.user_id, revoked.connection, code)
        else:
            self.ended += self._sockets.close_user(revoked.user_id, code, revoked.login_id)

    async def _refresh_keys(self) -> None:
        """Refuse older keys from now on; whoever came in by a token of one has to bring a new one."""
        try:
            await self._keyring.refresh()
        except UnavailableError:
            log.warning("the keys could not be read after their rotation: the next refresh will do it")
        self._sockets.close_token_holders(Close.TOKEN_EXPIRED)


def end_login(sockets: Sockets, known: Revocations, user_id: UserId, login_id: LoginId) -> None:
    """End on this instance at once what has just ended in Postgres; the others hear of it within a second."""
    known.end_here(login_id)
    sockets.close_user(user_id, Close.LOGGED_OUT, login_id)
