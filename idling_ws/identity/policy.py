"""Who may do what: one table from action to roles. What is not in it, nobody may.

An action is the name of a mutation, or ``area.verb`` for what a route does. A role
is never implied by another: each row names all it is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from idling_ws.domain.errors import DeniedError
from idling_ws.domain.roles import ADMIN, MODERATOR, ROLES

_EVERYBODY = frozenset(ROLES)
_MODERATORS = frozenset({MODERATOR, ADMIN})
_ADMINS = frozenset({ADMIN})

POLICY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # what people do with what is their own
        "session.start": _EVERYBODY,
        "session.update": _EVERYBODY,
        "session.pause": _EVERYBODY,
        "session.resume": _EVERYBODY,
        "session.end": _EVERYBODY,
        "favorite.add": _EVERYBODY,
        "favorite.remove": _EVERYBODY,
        "favorite.move": _EVERYBODY,
        "emoji.use": _EVERYBODY,
        "custom_emoji.create": _EVERYBODY,
        "custom_emoji.delete": _EVERYBODY,
        "preferences.set": _EVERYBODY,
        "profile.update": _EVERYBODY,
        "reaction.send": _EVERYBODY,
        "notification.read": _EVERYBODY,
        "notification.dismiss": _EVERYBODY,
        "push.subscribe": _EVERYBODY,
        "push.unsubscribe": _EVERYBODY,
        "account.unlink": _EVERYBODY,
        "lobby.watch": _EVERYBODY,
        # keeping the place in order
        "custom_emoji.review": _MODERATORS,
        "user.suspend": _MODERATORS,
        # running it
        "announcement.publish": _ADMINS,
        "announcement.withdraw": _ADMINS,
        "user.grant": _ADMINS,
        "admin.view": _ADMINS,
        "admin.tail": _ADMINS,
        "admin.lookup": _ADMINS,
        "admin.read_entries": _ADMINS,
        "admin.disconnect": _ADMINS,
    }
)


def allows(roles: Iterable[str], action: str) -> bool:
    """Whether one of ``roles`` may do ``action``."""
    return not POLICY.get(action, frozenset()).isdisjoint(roles)


def allow(roles: Iterable[str], action: str) -> None:
    """Let ``action`` pass. Raises ``DeniedError`` when none of ``roles`` may do it."""
    if not allows(roles, action):
        raise DeniedError
