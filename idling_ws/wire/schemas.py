"""The shape of every mutation's arguments, as marshmallow schemas.

Unknown arguments are errors, types are strict (``"1"`` is no number, ``1`` no
boolean), and text that Postgres or another person's screen could choke on (NUL,
control characters) never gets further than here.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from idling_ws.domain import preferences
from idling_ws.domain.announcements import AUDIENCES, LEVELS
from idling_ws.domain.errors import InvalidError, JsonObject
from idling_ws.domain.names import clean_name
from idling_ws.domain.notices import ENDED, RAISED
from idling_ws.domain.push import MAX_ENDPOINT, POINT_BYTES, is_point
from idling_ws.domain.roles import ROLES

_LINE_BREAKS = frozenset("\n\t")


class Line(fields.String):
    """One line of visible text, ``low`` to ``high`` characters."""

    def __init__(self, low: int, high: int, *, breaks: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high, self.breaks = low, high, breaks

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ValidationError("Not a string.")
        if not self.low <= len(value) <= self.high:
            raise ValidationError(f"Must be {self.low} to {self.high} characters long.")
        if self.low and not value.strip():
            raise ValidationError("Must not be blank.")
        if not value.isprintable():
            allowed = _LINE_BREAKS if self.breaks else frozenset[str]()
            # isprintable() also refuses joiners and variation selectors that emoji need.
            if any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in value if char not in allowed):
                raise ValidationError("Must not hold control characters.")
        return value


class PersonName(fields.String):
    """A name somebody can go by (``domain.names``), trimmed and composed."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ValidationError("Not a string.")
        try:
            return clean_name(value)
        except ValueError as exc:
            raise ValidationError(str(exc)) from exc


class Switch(fields.Boolean):
    """A boolean that is one: no ``"yes"``, no ``1``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("Not true or false.")
        return value


class Whole(fields.Integer):
    """A whole number: ``1`` and, as JSON knows one kind of number only, ``1.0``. No ``"1"``, no ``true``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is float and value.is_integer():
            return int(value)
        if type(value) is not int:
            raise ValidationError("Not a whole number.")
        return value


class ArgumentsSchema(Schema):
    """Arguments of a mutation: nothing unknown, nothing coerced."""

    class Meta:
        """What is not known is refused."""

        unknown = RAISE


class SessionStart(ArgumentsSchema):
    """``session.start``"""

    activity = Line(1, 80, required=True)
    emoji = Line(1, 64)


class SessionUpdate(ArgumentsSchema):
    """``session.update``: what is not given stays, an ``emoji`` that is null goes."""

    id = Line(1, 64, required=True)
    activity = Line(1, 80)
    emoji = Line(1, 64, allow_none=True)


class SessionRef(ArgumentsSchema):
    """``session.pause``, ``session.resume``, ``session.end``"""

    id = Line(1, 64, required=True)


class ProfileUpdate(ArgumentsSchema):
    """``profile.update``"""

    name = PersonName()
    bio = Line(0, 500, breaks=True)


# The values that ``preferences.set`` may set: made from the one list in the domain.
PreferenceValues = ArgumentsSchema.from_dict(
    {
        **{key: fields.String(validate=validate.OneOf(choices)) for key, choices in preferences.CHOICES.items()},
        **{key: Switch() for key in preferences.SWITCHES},
    },
    name="PreferenceValues",
)


class PreferencesSet(ArgumentsSchema):
    """``preferences.set``"""

    values = fields.Nested(PreferenceValues, required=True)


class EmojiRef(ArgumentsSchema):
    """``favorite.add``, ``favorite.remove``"""

    emoji = Line(1, 64, required=True)


class FavoriteMove(ArgumentsSchema):
    """``favorite.move``"""

    emoji = Line(1, 64, required=True)
    after = Line(1, 64, required=True, allow_none=True)


class EmojiUse(ArgumentsSchema):
    """``emoji.use``"""

    emoji = Line(1, 64, required=True)
    count = Whole(required=True, validate=validate.Range(1, 100))


class CustomEmojiRef(ArgumentsSchema):
    """``custom_emoji.delete``"""

    id = Line(1, 64, required=True)


class CustomEmojiReview(ArgumentsSchema):
    """``custom_emoji.review``"""

    id = Line(1, 64, required=True)
    approve = Switch(required=True)


class CustomEmojiCreate(ArgumentsSchema):
    """A custom emoji whose picture was checked and stored: asked for by the upload, not by a client."""

    name = Line(2, 40, required=True)
    digest = Line(64, 64, required=True)
    media_type = Line(1, 40, required=True)
    width = Whole(required=True)
    height = Whole(required=True)
    is_animated = Switch(required=True)


class ReactionSend(ArgumentsSchema):
    """``reaction.send``"""

    session = Line(1, 64, required=True)
    emoji = Line(1, 64, required=True)


class NotificationRead(ArgumentsSchema):
    """``notification.read``: some, or all up to one."""

    ids = fields.List(Line(1, 64), validate=validate.Length(1, 200))
    up_to = Line(1, 64)

    @validates_schema
    def _one_of_both(self, data: JsonObject, **kwargs: Any) -> None:
        if ("ids" in data) == ("up_to" in data):
            raise ValidationError("Give either ids or up_to.")


class NotificationRef(ArgumentsSchema):
    """``notification.dismiss``"""

    id = Line(1, 64, required=True)


class AccountRef(ArgumentsSchema):
    """``account.unlink``"""

    provider = Line(1, 40, required=True)


class AccountLink(ArgumentsSchema):
    """``account.link``, the server's own: what a sign-in service vouched for. ``name`` may be empty."""

    provider = Line(1, 40, required=True)
    subject = Line(1, 255, required=True)
    name = Line(0, 40, required=True)


class AccountRename(ArgumentsSchema):
    """``account.rename``, the server's own."""

    provider = Line(1, 40, required=True)
    name = Line(0, 40, required=True)


class RoleChange(ArgumentsSchema):
    """``user.grant`` and ``user.revoke``, the server's own."""

    role = fields.String(required=True, validate=validate.OneOf(ROLES))


class DeviceSeen(ArgumentsSchema):
    """``device.signed_in`` and ``device.ended``, the server's own: which login, by what, on what."""

    login = Line(1, 64, required=True)
    provider = Line(0, 40, required=True)
    device = Line(1, 100, required=True)


class Moment(fields.AwareDateTime):
    """A time, RFC 3339 with an offset; kept in whole milliseconds UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if type(value) is not str:
            raise ValidationError("Not a valid datetime.")
        given: datetime = super()._deserialize(value, attr, data, **kwargs)
        # Near the ends of the calendar an offset leads out of it.
        if not 1970 <= given.year < 9000:
            raise ValidationError("Not a time between 1970 and 9000.")
        moment = given.astimezone(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class AnnouncementPublish(ArgumentsSchema):
    """``announcement.publish``"""

    title = Line(1, 120, required=True)
    body = Line(0, 2000, breaks=True)
    level = fields.String(required=True, validate=validate.OneOf(LEVELS))
    audience = fields.String(validate=validate.OneOf(AUDIENCES))
    starts_at = Moment(format="iso")
    expires_at = Moment(format="iso")


class AnnouncementRef(ArgumentsSchema):
    """``announcement.withdraw``, and what the server itself does about one."""

    id = Line(1, 64, required=True)


class NoticeRef(ArgumentsSchema):
    """``operator.tell``: the server's own."""

    id = Line(1, 64, required=True)
    state = fields.String(required=True, validate=validate.OneOf((RAISED, ENDED)))


class PushKey(fields.String):
    """A key of a Web Push subscription: base64url, ``size`` bytes when decoded (RFC 8291)."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str or len(value) > 200 or not value.isascii():
            raise ValidationError("Not a string of base64url.")
        text = value.rstrip("=")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError as exc:
            raise ValidationError("Not base64url.") from exc
        if len(raw) != self.size:
            raise ValidationError(f"Must be {self.size} bytes.")
        if self.size == POINT_BYTES and not is_point(raw):
            raise ValidationError("Not a point of P-256.")
        return text


class PushKeys(ArgumentsSchema):
    """``keys`` of a subscription."""

    p256dh = PushKey(POINT_BYTES, required=True)
    auth = PushKey(16, required=True)


class PushSubscribe(ArgumentsSchema):
    """``push.subscribe``: what a browser's ``PushSubscription.toJSON()`` gives."""

    endpoint = Line(1, MAX_ENDPOINT, required=True)
    keys = fields.Nested(PushKeys, required=True)
    expirationTime = fields.Float(allow_none=True, allow_nan=False)  # noqa: N815 -- as the browser spells it


class PushUnsubscribe(ArgumentsSchema):
    """``push.unsubscribe``"""

    endpoint = Line(1, MAX_ENDPOINT, required=True)


class UserSuspend(ArgumentsSchema):
    """``user.suspend``"""

    user = Whole(required=True, validate=validate.Range(1, 2**53 - 1))
    until = Moment(format="iso", required=True)
    reason = Line(1, 300, required=True)


def flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Return marshmallow's nested complaints as ``{path: [text]}``."""
    if isinstance(messages, list):
        return {path or "_": [str(text) for text in messages]}
    flat: dict[str, list[str]] = {}
    for key, value in messages.items():
        inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
        flat.update(flatten(value, inner))
    return flat


def load(schema: Schema, args: JsonObject) -> JsonObject:
    """Return the checked arguments. Raises ``InvalidError("invalid_arguments")`` with ``fields``."""
    try:
        loaded: JsonObject = schema.load(args)
    except ValidationError as exc:
        raise InvalidError("invalid_arguments", fields=flatten(exc.messages)) from exc
    return loaded
