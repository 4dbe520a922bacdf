"""Who somebody is: what every door gets to know of whoever it recognised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from idling_ws.domain.ids import UserId
from idling_ws.identity.tokens import LoginId


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is, as ``user`` on the wire."""

    id: UserId
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was recognised, and by which login."""

    person: Person
    login_id: LoginId
    suspended_until: datetime | None

    @property
    def user_id(self) -> UserId:
        """Who it is."""
        return self.person.id
