"""Access tokens that no door would hand out: about to expire, or for whoever a test says.

They are signed with the deployment's own key, by the server's own code: what a client does
with a token does not depend on who made it.
"""

from __future__ import annotations

import base64
import json

from idling_ws.domain.clock import SystemClock
from idling_ws.domain.ids import UserId
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.tokens import LoginId, Tokens
from idling_ws.store.postgres import Database
from tests.support.instances import Instance
from tests.support.wire_client import Login


def login_id_of(login: Login) -> str:
    """Return which login a token belongs to."""
    payload = login.token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"])


async def mint(instance: Instance, login: Login, *, ttl_s: int, login_id: str | None = None) -> str:
    """Return another token that lives for ``ttl_s`` seconds, of ``login`` or of another one of its user."""
    clock = SystemClock()
    database = Database(instance.settings["DATABASE_URL"], max_size=2)
    await database.open()
    try:
        keyring = KeyRing(database, instance.settings["SECRET_KEY"], clock)
        await keyring.load()
        tokens = Tokens(keyring, instance.settings.get("PUBLIC_URL", instance.url), clock)
        return tokens.issue(UserId(login.user_id), LoginId(login_id or login_id_of(login)), ttl_s=ttl_s)
    finally:
        await database.close()
