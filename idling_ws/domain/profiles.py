"""Profiles: what a person shows of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from idling_ws.domain.errors import JsonObject


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as others see them. ``roles`` is sorted."""

    id: int
    name: str
    bio: str
    roles: tuple[str, ...]
    version: int

    @classmethod
    def from_row(cls, row: JsonObject) -> Profile:
        """Return the profile of a database row as JSON."""
        return cls(row["id"], row["name"], row["bio"], tuple(row["roles"]), row["version"])

    def to_state(self) -> JsonObject:
        """Return it as it stands in ``state``."""
        return {
            "id": self.id,
            "name": self.name,
            "bio": self.bio,
            "roles": list(self.roles),
            "version": self.version,
        }

    def to_user(self) -> JsonObject:
        """Return the short form of ``welcome``."""
        return {"id": self.id, "name": self.name, "roles": list(self.roles)}
