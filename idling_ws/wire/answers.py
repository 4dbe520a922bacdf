"""What REST answers and what entries carry, as marshmallow schemas: the words of the protocol, each described once.

Nothing is checked by these at run time: the server made what it sends. They are what
``/api/openapi.json`` and ``/api/asyncapi.json`` are generated from, and what the tests hold
the real answers against. Members may be added any time, so more is allowed in each.
"""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from idling_ws.domain import preferences
from idling_ws.domain.announcements import AUDIENCES, LEVELS
from idling_ws.domain.errors import CODES
from idling_ws.domain.roles import ROLES

CURSOR = r"^[A-Za-z0-9_-]{1,32}\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})$"
ERROR_CLASSES = sorted({fault.error_class for fault in CODES.values()})
SEVERITIES = sorted({fault.severity for fault in CODES.values()})


def text(*choices: str, optional: bool = False, **about: Any) -> fields.String:
    """Return a string that is always there unless ``optional``, one of ``choices`` where there are any."""
    checks = [validate.OneOf(choices)] if choices else []
    return fields.String(required=not optional, validate=checks, metadata=about)


def whole(*, optional: bool = False, **about: Any) -> fields.Integer:
    """Return a whole number."""
    return fields.Integer(required=not optional, metadata=about)


def number(*, optional: bool = False, **about: Any) -> fields.Float:
    """Return a number."""
    return fields.Float(required=not optional, metadata=about)


def switch(*, optional: bool = False, **about: Any) -> fields.Boolean:
    """Return a boolean."""
    return fields.Boolean(required=not optional, metadata=about)


def moment(*, optional: bool = False, **about: Any) -> fields.String:
    """Return a time, RFC 3339 in UTC."""
    return fields.String(required=not optional, metadata={"format": "date-time", **about})


def cursor(*, optional: bool = False) -> fields.String:
    """Return ``<epoch>.<user seq>.<all seq>``."""
    return fields.String(required=not optional, validate=validate.Regexp(CURSOR))


def one(schema: type[Schema], *, optional: bool = False, nullable: bool = False) -> fields.Nested:
    """Return an object."""
    return fields.Nested(schema, required=not optional, allow_none=nullable)


def many(schema: type[Schema]) -> fields.List[Any]:
    """Return a list of objects."""
    return fields.List(fields.Nested(schema), required=True)


def texts() -> fields.List[Any]:
    """Return a list of strings."""
    return fields.List(fields.String(), required=True)


def by_id(schema: type[Schema]) -> fields.Dict:
    """Return objects by their ids."""
    return fields.Dict(keys=fields.String(), values=fields.Nested(schema), required=True)


def anything(*, optional: bool = True, **about: Any) -> fields.Dict:
    """Return an object whose members depend on what it is about."""
    return fields.Dict(required=not optional, metadata=about)


class AnswerSchema(Schema):
    """Something the server says."""

    class Meta:
        """More may come with a later version."""

        unknown = INCLUDE


# ``class`` is no name that Python lets a class body give to a member.
Error = AnswerSchema.from_dict(
    {
        "code": text(*sorted(CODES)),
        "class": text(*ERROR_CLASSES),
        "severity": text(*SEVERITIES),
        "message": text(description="For people."),
        "retryable": switch(),
        "trace_id": text(),
        "retry_after_ms": whole(optional=True),
        "fields": fields.Dict(
            keys=fields.String(),
            values=fields.List(fields.String()),
            metadata={"description": "Complaints by path."},
        ),
    },
    name="Error",
)

# An error over HTTP (RFC 9457).
Problem = Error.from_dict(
    {
        "type": text(),
        "title": text(),
        "status": whole(),
        "current": anything(description="The authoritative state of what was touched."),
        "reason": text(optional=True),
        "state": text(optional=True, description="Where a fresh state is to be had."),
    },
    name="Problem",
)


class User(AnswerSchema):
    """Somebody, in short."""

    id = whole()
    name = text()
    roles = fields.List(fields.String(validate=validate.OneOf(ROLES)), required=True)


class Person(AnswerSchema):
    """Somebody, as everybody may see them."""

    id = whole()
    name = text()
    bio = text()
    roles = fields.List(fields.String(validate=validate.OneOf(ROLES)), required=True)


class Profile(Person):
    """What somebody shows of themselves."""

    version = whole()


Preferences = AnswerSchema.from_dict(
    {
        **{key: text(*choices) for key, choices in preferences.CHOICES.items()},
        **{key: switch() for key in preferences.SWITCHES},
        "version": whole(),
    },
    name="Preferences",
)


class Session(AnswerSchema):
    """An idle session. ``duration_s`` is without the pauses; ``state`` leaves it out, clocks run by themselves."""

    id = text()
    activity = text()
    emoji = text(optional=True)
    status = text("active", "paused", "ended")
    started_at = moment()
    paused_at = moment(optional=True)
    paused_s = number()
    version = whole()
    duration_s = number(optional=True)
    ended_at = moment(optional=True)
    end_reason = text(optional=True)


class EmojiVariant(AnswerSchema):
    """A colouring."""

    id = text()
    char = text()
    tones = texts()


class Emoji(AnswerSchema):
    """An emoji of Unicode's, with its ``char``, or a custom one, with its ``url``."""

    id = text()
    name = text()
    category = text()
    char = text(optional=True)
    shortcodes = texts()
    keywords = texts()
    skin_tones = fields.List(fields.Nested(EmojiVariant))
    custom = switch()
    url = text(optional=True)
    base = text(optional=True, description="Of a colouring: what it colours.")
    score = number(optional=True)


class Category(AnswerSchema):
    """A page of the picker."""

    id = text()
    name = text()
    count = whole()


class EmojiCount(AnswerSchema):
    """How often somebody used an emoji, or everybody."""

    emoji = text()
    name = text(optional=True)
    char = text(optional=True)
    url = text(optional=True)
    count = whole(optional=True)
    last_used = text(optional=True)
    uses = whole(optional=True)
    users_of_busiest_day = whole(optional=True)


class Owner(AnswerSchema):
    """Whose something is."""

    id = whole()
    name = text()


class CustomEmoji(AnswerSchema):
    """A picture somebody brought. ``user`` is there for a moderator."""

    id = text()
    name = text()
    status = text("pending", "approved", "rejected")
    url = text()
    media_type = text()
    width = whole()
    height = whole()
    is_animated = switch()
    created_at = moment()
    version = whole()
    user = one(Owner, optional=True)


class Notification(AnswerSchema):
    """What somebody is told that happened while they looked elsewhere."""

    id = text()
    kind = text()
    level = text(*LEVELS)
    title = text()
    body = text(optional=True)
    data = anything()
    read = switch()
    created_at = moment()


class Announcement(AnswerSchema):
    """What the place says to everybody. What is about its publishing is there for who publishes."""

    id = text()
    title = text()
    level = text(*LEVELS)
    body = text(optional=True)
    published_at = moment(optional=True)
    expires_at = moment(optional=True)
    audience = text(*AUDIENCES, optional=True)
    status = text("scheduled", "standing", "over", optional=True)
    starts_at = moment(optional=True)
    withdrawn_at = moment(optional=True)


class NotificationCentre(AnswerSchema):
    """All that were not dismissed, by id; 200 at most."""

    unread_count = whole()
    items = by_id(Notification)


class State(AnswerSchema):
    """What a user's devices keep in sync. It changes only by the patches of entries (RFC 7386)."""

    profile = one(Profile)
    preferences = fields.Nested(Preferences, required=True)
    session = one(Session, optional=True)
    favorites = texts()
    recent_emojis = texts()
    custom_emojis = by_id(CustomEmoji)
    notifications = one(NotificationCentre)
    accounts = fields.Dict(keys=fields.String(), values=fields.Dict(), required=True)
    announcements = by_id(Announcement)


class Item(AnswerSchema):
    """One thing that happened: ``patch`` alone changes state. The item of kind ``verdict`` ends a mutation."""

    kind = text()
    patch = anything()
    data = anything()
    mid = text(optional=True)
    status = text("confirmed", "rolled_back", optional=True)
    result = anything()
    error = fields.Nested(Error)
    current = anything()


class Entry(AnswerSchema):
    """Everything that one committed transaction tells one stream; applied as a whole, in the order of ``seq``."""

    type = text("entry")
    stream = text("user", "all")
    seq = whole()
    at = moment()
    items = many(Item)
    trace_id = text(optional=True)


class Verdict(AnswerSchema):
    """How one mutation ended. ``error``: not consumed, send it again; ``not_run``: it was not that far."""

    mid = text()
    status = text("confirmed", "rolled_back", "error", "not_run")
    seq = whole(optional=True)
    result = anything()
    error = fields.Nested(Error)
    current = anything()
    duplicate = switch(optional=True)


class Device(AnswerSchema):
    """Where somebody is signed in."""

    id = text()
    name = text()
    provider = text()
    user_agent = text()
    address = fields.String(required=True, allow_none=True)
    created_at = moment()
    last_seen_at = moment()
    expires_at = moment()
    current = switch(optional=True)
