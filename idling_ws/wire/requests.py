"""What REST takes beside the arguments of mutations, as marshmallow schemas: queries, headers, bodies of its own."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from idling_ws.wire.answers import CURSOR
from idling_ws.wire.frames import ACTIVITIES
from idling_ws.wire.schemas import ArgumentsSchema, Line, PersonName, Whole

MAX_PAGE = 200
GRAINS = ("hour", "day")
AFTER = r"^[!-~]{1,64}$"
# No NUL, and something that is not space as ``str.strip`` knows it.
SOMETHING = r"^[^\x00]*[^\x00\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\x00]*$"


def upto(most: int, description: str = "", *, low: int = 1) -> fields.Integer:
    """Return a whole number from ``low`` to ``most``, which may be left out."""
    about = {"description": description} if description else {}
    return fields.Integer(validate=validate.Range(low, most), metadata=about)


def after(pattern: str = AFTER) -> fields.String:
    """Return where a page begins: the ``next`` of the one before."""
    return fields.String(validate=validate.Regexp(pattern), metadata={"description": "The `next` of the page before."})


def said(description: str, *, required: bool = False, **about: Any) -> fields.String:
    """Return a text that says what it is."""
    return fields.String(required=required, metadata={"description": description, **about})


# -- queries -----------------------------------------------------------------------


class PageQuery(ArgumentsSchema):
    """Which page of a list."""

    after = after()
    limit = upto(MAX_PAGE)


class NotificationsQuery(PageQuery):
    """Which notifications."""

    unread = fields.String(validate=validate.OneOf(("true", "false")))


class CustomEmojisQuery(PageQuery):
    """Whose custom emoji: one's own, or with ``status`` everybody's."""

    status = fields.String(validate=validate.OneOf(("pending", "approved", "rejected")))


class UsageQuery(ArgumentsSchema):
    """Which page of what one used."""

    after = after(r"^[0-9]{1,15}\.[ -~]+$")
    limit = upto(200)


class PopularQuery(ArgumentsSchema):
    """How many."""

    limit = upto(200)


class SearchQuery(ArgumentsSchema):
    """What to look for."""

    q = fields.String(
        required=True,
        validate=[validate.Length(1, 100), validate.Regexp(SOMETHING)],
        metadata={"description": "Words, a shortcode, an emoticon."},
    )
    category = said("Of one category only: an id of `/api/emojis/categories`, or `custom`.")
    tone = fields.String(
        validate=validate.OneOf(("none", "light", "medium_light", "medium", "medium_dark", "dark")),
        metadata={"description": "In which skin tone, instead of one's own."},
    )
    limit = upto(100)
    after = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,400}$"),
        metadata={"description": "The `next` of the page before: opaque, and good for the same search only."},
    )


class EventsQuery(ArgumentsSchema):
    """From where on, and how long to wait."""

    cursor = fields.String(validate=validate.Regexp(CURSOR), metadata={"description": "Needed for a long-poll."})
    wait_s = fields.Float(validate=validate.Range(0, 60))


# ``from`` is no name that Python lets a class body give to a member.
_SPAN: dict[str, fields.Field[Any]] = {
    "from": said("When it begins, before the end: a date or a time (RFC 3339).", format="date-time"),
    "to": said("When it ends; now, if it is not said.", format="date-time"),
}
# Which hours or days.
RangeQuery = ArgumentsSchema.from_dict(
    {"grain": fields.String(validate=validate.OneOf(GRAINS)), **_SPAN}, name="RangeQuery"
)
# Which days, and how many of what was used on them.
EmojiRangeQuery = ArgumentsSchema.from_dict({**_SPAN, "limit": upto(200)}, name="EmojiRangeQuery")


class DaysQuery(ArgumentsSchema):
    """How many days back."""

    days = upto(366)


class LoginQuery(ArgumentsSchema):
    """Where to go on."""

    next = said("A path of this place.")


class CallbackQuery(ArgumentsSchema):
    """What a sign-in service sends along."""

    state = said("Which attempt it belongs to.")
    code = said("The authorization code.")
    error = said("Why there is none.")


class UsersQuery(ArgumentsSchema):
    """Whom to find."""

    q = Line(1, 40, required=True)


class EntriesQuery(ArgumentsSchema):
    """From where on, and how many."""

    after = fields.Integer(validate=validate.Range(0, 10**15 - 1))
    limit = upto(100)


# -- headers -----------------------------------------------------------------------

IfMatch = ArgumentsSchema.from_dict(
    {
        "If-Match": fields.String(
            validate=validate.Regexp(r'^(\*|"?[0-9]{1,15}"?)$'),
            metadata={"description": "A version: a stale one is refused with `conflict`."},
        )
    },
    name="IfMatch",
)

# -- bodies ------------------------------------------------------------------------


class MutationAsked(ArgumentsSchema):
    """A change that is asked for. What is wrong with anything but its ``mid`` is said by its verdict."""

    class Meta:
        """Unknown members are ignored, as in a frame."""

        unknown = "include"

    mid = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,64}$"))
    name = fields.Raw(metadata={"description": "Its name: a key of `x-mutations`.", "examples": ["favorite.add"]})
    args = fields.Raw(metadata={"description": "Its arguments, as `x-mutations` has them for that name."})
    if_version = fields.Raw(metadata={"description": "Only if the thing still has this version."})


class Mutations(ArgumentsSchema):
    """Changes, applied in order."""

    mutations = fields.List(fields.Nested(MutationAsked), required=True, validate=validate.Length(1, 100))


class SessionNamed(ArgumentsSchema):
    """Which idle session; without an ``id`` the latest."""

    id = Line(1, 64)


class SessionHeartbeat(ArgumentsSchema):
    """A sign of life."""

    activity = fields.String(validate=validate.OneOf(sorted(ACTIVITIES)), allow_none=True)
    id = fields.String()


class EmojiUsed(ArgumentsSchema):
    """A use of an emoji."""

    emoji = Line(1, 64, required=True)
    count = Whole(validate=validate.Range(1, 100))


class GuestEntry(ArgumentsSchema):
    """What to be called; a name is made up otherwise."""

    name = PersonName(allow_none=True)


class RefreshGiven(ArgumentsSchema):
    """A refresh token, which works once."""

    refresh_token = fields.String(required=True)


class BrowserError(ArgumentsSchema):
    """So many errors at one place: which, in which module of ours, on which line."""

    name = fields.String(required=True)
    module = fields.String()
    line = fields.Integer(validate=validate.Range(0, 1_000_000))
    count = fields.Integer(validate=validate.Range(1, 1000))


class BrowserErrors(ArgumentsSchema):
    """What a page noticed."""

    errors = fields.List(fields.Nested(BrowserError), required=True, validate=validate.Length(1, 20))


class DisconnectAsked(ArgumentsSchema):
    """Which connection; without one, all of them."""

    connection = fields.String(validate=validate.Regexp("^[!-~]{1,64}$"), allow_none=True)


class CustomEmojiForm(ArgumentsSchema):
    """A name and a picture: png, gif, webp or jpeg, 1 MiB and 512x512 at most."""

    name = Line(2, 40, required=True)
    file = fields.String(required=True, metadata={"format": "binary"})
