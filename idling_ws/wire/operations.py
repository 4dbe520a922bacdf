"""Every route, described: what it does, who may, what it takes and what it answers. One row each.

``openapi`` makes the document of it; a test holds the rows against the routes of the server.
The answers that only one route gives are put together here, next to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from marshmallow import Schema, fields

from idling_ws.wire import answers as a
from idling_ws.wire import requests as r
from idling_ws.wire import schemas
from idling_ws.wire.describing import constraints

Who = Literal["nobody", "anybody", "somebody", "cookie"]
Shape = type[Schema]
Member = fields.Field[Any]

JSON = "application/json"


def shape(name: str, /, **members: Member) -> Shape:
    """Return a schema of one route's own."""
    return a.AnswerSchema.from_dict(members, name=name)


def paged(plural: str, schema: Shape, /, **more: Member) -> Shape:
    """Return a list and where its next page begins."""
    name = "".join(part.capitalize() for part in plural.split("_")) + "Page"
    members: dict[str, Member] = {plural: a.many(schema), "next": a.text(optional=True), **more}
    return shape(name, **members)


def after_change(name: str, /, **members: Member) -> Shape:
    """Return what a change answers: what it made, and the cursor at which that is part of the state."""
    return shape(name, **members, cursor=a.cursor())


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    ``who``: ``nobody`` needs to be known, ``anybody`` may be, ``somebody`` has to be, or somebody by ``cookie``.
    ``answers``: by status, a schema, a media type, or None where there is no body. ``roles``: who may, by the policy.
    """

    method: str
    path: str
    summary: str
    who: Who = "somebody"
    query: Shape | None = None
    header: Shape | None = None
    body: Shape | None = None
    media_type: str = JSON
    body_required: bool = True
    answers: Mapping[int, Shape | str | None] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    path_about: Mapping[str, dict[str, object]] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        """Whether it goes the way of a mutation, under an ``Idempotency-Key``."""
        return 409 in self.errors and self.path != "/auth/callback/{provider}"


_EMOJI = {"emoji": {"type": "string", **constraints(schemas.Line(1, 64))}}
_ID = {"id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}}
_SESSION = after_change("SessionChanged", session=a.one(a.Session))
_FAVORITES = after_change("FavoritesChanged", favorites=a.texts())
_USED = after_change("UsageCounted", usage=a.anything(optional=False))
_TOKENS: dict[str, Member] = {"access_token": a.text(), "refresh_token": a.text(), "expires_in_s": a.whole()}
_RANGE: dict[str, Member] = {"grain": a.text(*r.GRAINS), "from": a.moment(), "to": a.moment()}
_NOTHING = shape("Nothing")
_STALE = a.switch(optional=True, description="The database is away: this is what was known before.")


def _get(path: str, summary: str, answer: Shape | str, **more: Any) -> Operation:
    return Operation("GET", path, summary, answers={200: answer}, **more)


def _change(method: str, path: str, summary: str, answer: Shape, status: int = 200, **more: Any) -> Operation:
    return Operation(method, path, summary, answers={status: answer}, errors=(404, 409, 422), **more)


_CHANGES = (
    Operation(
        "POST", "/api/mutations", "Changes, in order, as over the socket", body=r.Mutations,
        answers={200: shape("Verdicts", verdicts=a.many(a.Verdict), cursor=a.cursor(optional=True))},
    ),
    _get("/api/mutations", "Every change there is, its arguments as JSON Schema", shape(
        "MutationList",
        mutations=a.many(shape("MutationKind", name=a.text(), args=a.anything(optional=False), allowed=a.switch())))),
    _get("/api/snapshot", "State and cursor from one snapshot of the database",
         shape("Snapshot", state=a.one(a.State), cursor=a.cursor())),
    Operation(
        "GET", "/api/events", "What came behind a cursor: a long-poll, or Server-Sent Events by `Accept`",
        query=r.EventsQuery, answers={200: shape("Events", entries=a.many(a.Entry), cursor=a.cursor()), 204: None},
        errors=(400, 410, 422),
    ),
    _change("POST", "/api/sessions/create", "Begin to idle", _SESSION, 201, body=schemas.SessionStart),
    _change("POST", "/api/sessions/heartbeat", "Still here: every 30 s without a socket", _SESSION,
            body=r.SessionHeartbeat, body_required=False),
    *(
        _change("POST", f"/api/sessions/{verb}", summary, _SESSION, body=r.SessionNamed, body_required=False,
                header=r.IfMatch)
        for verb, summary in (("end", "End it"), ("pause", "Let it stand still"), ("resume", "Let it run on"))
    ),
    _get("/api/sessions", "One's own, the newest first", paged("sessions", a.Session), query=r.PageQuery),
    _get("/api/sessions/active", "The one that is open, or null",
         shape("ActiveSession", session=a.one(a.Session, nullable=True))),
    _get("/api/lobby", "Who idles now", paged("members", shape("Member", user=a.one(a.Owner), session=a.one(a.Session)),
                                              count=a.whole()), query=r.PageQuery),
    _get("/api/profile", "One's own", shape("OwnProfile", profile=a.one(a.Profile), stale=_STALE)),
    _change("PATCH", "/api/profile", "Change it", after_change("ProfileChanged", profile=a.one(a.Profile)),
            body=schemas.ProfileUpdate, header=r.IfMatch),
    _get("/api/preferences", "One's own", shape(
        "OwnPreferences", preferences=fields.Nested(a.Preferences, required=True), stale=_STALE)),
    _change("PATCH", "/api/preferences", "Change some", after_change(
        "PreferencesChanged", preferences=fields.Nested(a.Preferences, required=True)),
        body=schemas.PreferenceValues, header=r.IfMatch),
    _get("/api/users/{id}", "What everybody may see of somebody",
         shape("SomebodyShown", user=a.one(a.Person), session=a.one(a.Session, nullable=True)),
         path_about=_ID, errors=(404,)),
    _get("/api/notifications", "What was not dismissed, the newest first",
         paged("notifications", a.Notification, unread_count=a.whole()), query=r.NotificationsQuery),
    _change("POST", "/api/notifications/read", "Mark some as read, or all up to one",
            after_change("NotificationsRead", notifications=a.anything(optional=False)), body=schemas.NotificationRead),
    _get("/api/push/key", "What a browser subscribes to Web Push with", shape("PushKeyShown", key=a.text()),
         who="nobody", errors=(404,)),
    _get("/api/announcements", "Those of the place, the newest first (admin)",
         paged("announcements", a.Announcement), query=r.PageQuery),
)  # fmt: skip

_EMOJIS = (
    _get("/api/emojis/categories", "The pages of the picker", shape("Categories", categories=a.many(a.Category)),
         who="nobody"),
    _get("/api/emojis/categories/{id}", "All emoji of one",
         shape("CategoryShown", category=a.one(a.Category), emojis=a.many(a.Emoji)), who="nobody", errors=(404,)),
    _get("/api/emojis/search", "By words, with typos forgiven; by one's own taste for who is signed in",
         paged("emojis", a.Emoji), who="anybody", query=r.SearchQuery, errors=(404,)),
    _get("/api/emojis/favorites", "One's own, in their order", shape("Favorites", favorites=a.texts(), stale=_STALE)),
    _change("PUT", "/api/emojis/favorites/{emoji}", "Keep one", _FAVORITES, path_about=_EMOJI),
    _change("DELETE", "/api/emojis/favorites/{emoji}", "Keep it no longer", _FAVORITES, path_about=_EMOJI),
    _change("POST", "/api/emojis/usage", "Count a use", _USED, body=r.EmojiUsed),
    _get("/api/emojis/usage", "What one used, the most used first", paged("usage", a.EmojiCount), query=r.UsageQuery),
    _get("/api/emojis/popular", "What everybody uses",
         shape("PopularEmojis", emojis=a.many(a.Emoji), stale=_STALE), who="nobody", query=r.PopularQuery),
    _change("POST", "/api/emojis/custom", "Bring a picture, which then waits for a moderator",
            after_change("CustomEmojiChanged", custom_emoji=a.one(a.CustomEmoji)), 201,
            body=r.CustomEmojiForm, media_type="multipart/form-data"),
    _get("/api/emojis/custom", "One's own; with `status` everybody's (moderator)",
         paged("custom_emojis", a.CustomEmoji), query=r.CustomEmojisQuery),
    _get("/files/{digest}", "A picture, for ever the same", "image/*", who="nobody", errors=(404,),
         path_about={"digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}),
)  # fmt: skip

_ANALYTICS = (
    _get("/api/analytics/overview", "Each measure by hour or day (admin)", shape(
        "Overview", **_RANGE, rows=fields.List(fields.Dict(), required=True), totals=a.anything(optional=False)),
        query=r.RangeQuery),
    _get("/api/analytics/emojis", "The most used (admin)",
         shape("EmojisOfDays", **_RANGE, emojis=a.many(a.EmojiCount)),
         query=r.EmojiRangeQuery),
    _get("/api/analytics/errors", "Errors answered to clients (admin)", shape("ErrorCounts", **_RANGE, errors=a.many(
        shape("ErrorCount", at=a.moment(), code=a.text(), route=a.text(), count=a.whole(), **{"class": a.text()}))),
        query=r.RangeQuery),
    _get("/api/analytics/me", "What one did", shape(
        "OwnDays", **{"from": a.text(), "to": a.text()}, days=fields.List(fields.Dict(), required=True),
        totals=a.anything(optional=False), emojis=a.many(a.EmojiCount)), query=r.DaysQuery),
)  # fmt: skip

_FOUND: dict[str, Member] = {
    "id": a.whole(), "name": a.text(), "roles": a.texts(), "suspended_until": a.moment(optional=True)
}  # fmt: skip
_DEVICE = shape(
    "DeviceFound", id=a.text(), name=a.text(), provider=a.text(),
    address=fields.String(required=True, allow_none=True), created_at=a.moment(), last_seen_at=a.moment(),
)  # fmt: skip
_CONNECTION = shape(
    "ConnectionFound", connection=a.text(), over=a.text("socket", "events"), instance=a.text(), address=a.text()
)
_NOTICE = shape(
    "OperatorNotice", id=a.text(), kind=a.text(), level=a.text(), title=a.text(), body=a.text(optional=True),
    raised_at=a.moment(), ended_at=a.moment(optional=True),
)  # fmt: skip
_ADMIN = (
    _get("/api/notices", "What operators were told, the newest first (admin)", paged("notices", _NOTICE),
         query=r.PageQuery),
    _get("/api/admin/instances", "Which instances are up and how they do (admin)", shape(
        "Instances",
        instances=a.many(shape("InstanceUp", instance=a.text(), version=a.text(), started_at=a.moment(),
                               status=a.text("ready", "degraded", "unready", "draining"), connections=a.whole())),
        history=fields.List(fields.Dict(), required=True))),
    _get("/api/admin/users", "People by id, or by how a name begins (admin)",
         shape("UsersFound", users=a.many(shape("UserFound", **_FOUND))), query=r.UsersQuery),
    _get("/api/admin/users/{id}", "Somebody, with stream, session, devices and connections (admin; on record)", shape(
        "UserLookedUp",
        user=a.one(shape("UserInFull", **_FOUND, bio=a.text(), created_at=a.moment())),
        stream=a.one(shape("StreamStands", head=a.whole(), audit_rows=a.whole(), published=a.switch(),
                           waiting_since=a.moment(optional=True))),
        session=a.one(a.Session, nullable=True), devices=a.many(_DEVICE), connections=a.many(_CONNECTION),
        silent_instances=a.texts()), path_about=_ID, errors=(404,)),
    _get("/api/admin/users/{id}/entries", "What a stream holds, contents and all (admin; on record)",
         shape("EntriesRead", entries=a.many(a.Entry)), path_about=_ID, query=r.EntriesQuery, errors=(404,)),
    Operation("POST", "/api/admin/users/{id}/disconnect", "End somebody's connections, or one (admin; on record)",
              path_about=_ID, body=r.DisconnectAsked, body_required=False, answers={202: _NOTHING}, errors=(404,)),
)  # fmt: skip

_OF_PAGES = (
    Operation("POST", "/api/errors/browser", "What a page of ours reports of itself", "nobody", body=r.BrowserErrors,
              answers={204: None}, errors=(403,)),
)  # fmt: skip

_IDENTITY = (
    Operation("POST", "/auth/guest", "A throw-away account, where that is allowed", "nobody", body=r.GuestEntry,
              body_required=False, answers={201: shape("GuestEntered", user=a.one(a.User), **_TOKENS)}, errors=(403,)),
    Operation("POST", "/auth/token", "An access token for the cookie", "cookie", answers={200: shape(
        "AccessToken", user=a.one(a.User), access_token=a.text(), expires_in_s=a.whole())}),
    Operation("POST", "/auth/refresh", "A new pair for a refresh token, which works once", "nobody",
              body=r.RefreshGiven, answers={200: shape("TokenPair", **_TOKENS)}, errors=(401,)),
    _get("/auth/providers", "What to offer on the way in", shape(
        "Providers", providers=a.many(shape("Provider", name=a.text(), title=a.text())), guest=a.switch()),
        who="nobody"),
    Operation("GET", "/auth/login/{provider}", "Off to a sign-in service", "nobody", query=r.LoginQuery,
              answers={303: None}, errors=(400, 403, 404, 502)),
    Operation("GET", "/auth/callback/{provider}", "Back from it", "nobody", query=r.CallbackQuery,
              answers={303: None}, errors=(400, 403, 404, 409, 502)),
    Operation("POST", "/auth/logout", "This login ends, on every instance", answers={200: _NOTHING}),
    Operation("POST", "/auth/logout-everywhere", "All of one's logins end",
              answers={200: shape("LoginsEnded", ended=a.whole())}),
    _get("/api/devices", "Where one is signed in", shape("Devices", devices=a.many(a.Device))),
    Operation("DELETE", "/api/devices/{id}", "Sign one out", answers={200: _NOTHING}, errors=(404,)),
    _get("/.well-known/jwks.json", "The public keys", shape(
        "PublicKeys", keys=fields.List(fields.Dict(), required=True)), who="nobody"),
)  # fmt: skip

_MACHINES = (
    _get("/healthz", "Whether it is up", shape("Health", status=a.text("ok")), who="nobody"),
    Operation("GET", "/readyz", "Whether it should get work, part by part", "nobody", answers=dict.fromkeys(
        (200, 503), shape("Readiness", status=a.text("ready", "degraded", "unready"), parts=a.anything(optional=False),
                          instance=a.text()))),
    _get("/metrics", "What it counts, for Prometheus", "text/plain", who="nobody"),
    _get("/version", "Which version and instance this is", shape(
        "Version", name=a.text(), version=a.text(), instance=a.text()), who="nobody"),
    _get("/api/openapi.json", "This document", shape("OpenApiDocument", openapi=a.text()), who="nobody"),
    _get("/api/asyncapi.json", "The same of the socket", shape("AsyncApiDocument", asyncapi=a.text()), who="nobody"),
    _get("/api/docs", "Both, to read", "text/html", who="nobody"),
    _get("/api/docs/{name}", "What that page is made of", "*/*", who="nobody", errors=(404,)),
)  # fmt: skip

_PAGES = (
    _get("/", "The place", "text/html", who="nobody"),
    Operation("GET", "/admin", "The operator's page (admin)", "nobody", answers={200: "text/html", 303: None},
              errors=(403,)),
    Operation("GET", "/inspector", "The protocol's playground", "nobody", answers={200: "text/html", 303: None}),
    _get("/sw.js", "The service worker", "text/javascript", who="nobody"),
    _get("/manifest.webmanifest", "What an installed page is called", "application/manifest+json", who="nobody"),
    _get("/favicon.ico", "The icon", "image/x-icon", who="nobody"),
    _get("/static/{path}", "What the pages are made of", "*/*", who="nobody", errors=(404,)),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    *_CHANGES,
    *_EMOJIS,
    *_ANALYTICS,
    *_ADMIN,
    *_OF_PAGES,
    *_IDENTITY,
    *_MACHINES,
    *_PAGES,
)
