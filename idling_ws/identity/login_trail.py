"""What the audit trail hears of sign-ins, tokens and their ends: each in the chain of its user."""

from __future__ import annotations

from idling_ws.domain.ids import UserId
from idling_ws.identity.caller import CALLER
from idling_ws.identity.tokens import LoginId
from idling_ws.store.audit_trail import CONFIRMED, AuditTrail, Event

OPERATOR = "operator"
"""Who does something from the command line."""


class LoginTrail:
    """Events about logins. Without a trail, as in a command that has none, they go nowhere."""

    def __init__(self, trail: AuditTrail | None) -> None:
        self._trail = trail

    async def record(
        self,
        action: str,
        user_id: UserId,
        login_id: LoginId | None,
        *,
        outcome: str = CONFIRMED,
        actor: str | None = None,
        **facts: object,
    ) -> None:
        """Audit what was done; durable on return. ``actor``: who, if not the user. Raises ``UnavailableError``."""
        if self._trail is not None:
            await self._trail.record(_event(action, user_id, login_id, outcome, actor, facts))

    def note(self, action: str, user_id: UserId, login_id: LoginId | None, **facts: object) -> None:
        """Audit it soon, without anybody waiting."""
        if self._trail is not None:
            self._trail.note(_event(action, user_id, login_id, CONFIRMED, None, facts))


def _event(
    action: str, user_id: UserId, login_id: LoginId | None, outcome: str, actor: str | None, facts: dict[str, object]
) -> Event:
    """Return what the audit trail gets to know. A login's id lets nobody in."""
    caller = CALLER.get()
    return Event(
        action,
        outcome,
        user_id,
        actor or f"user:{user_id}",
        trace_id=caller.trace_id,
        address=caller.address,
        after={"login": login_id, **facts} if login_id is not None else facts,
    )
