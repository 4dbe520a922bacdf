"""Roles: what kinds of people there are. What each may do is ``identity.policy``'s table."""

from __future__ import annotations

from collections.abc import Iterable

GUEST = "guest"
MEMBER = "member"
MODERATOR = "moderator"
ADMIN = "admin"
ROLES = (GUEST, MEMBER, MODERATOR, ADMIN)


def after_linking(roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles of somebody who can come back from now on: a guest becomes a member."""
    return tuple(sorted({*roles, MEMBER} - {GUEST}))
