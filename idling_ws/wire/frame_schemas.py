"""Frames as marshmallow schemas: what ``/api/asyncapi.json`` is generated from.

They describe; what comes in is read by ``frames``, which is quicker. A test sends what these
say through it, so that the two cannot come to differ.
"""

from __future__ import annotations

from marshmallow import fields, validate

from idling_ws.wire import answers as a
from idling_ws.wire.closing import Close
from idling_ws.wire.frames import ACTIVITIES, MID

TOPICS = ("lobby", "admin", "admin.entries")
_MID = validate.Regexp(f"^{MID.pattern}$")


def _mid(*, optional: bool = False) -> fields.String:
    return fields.String(required=not optional, validate=_MID)


def _short() -> fields.String:
    return fields.String(validate=validate.Length(0, 100))


class ClientName(a.AnswerSchema):
    """What a client calls itself."""

    id = _short()
    name = _short()
    version = _short()


# -- client to server ----------------------------------------------------------------


class Hello(a.AnswerSchema):
    """The first frame, within 10 s. With a `cursor` it goes on from there."""

    type = a.text("hello")
    client = a.one(ClientName, optional=True)
    token = fields.String(validate=validate.Length(0, 4096))
    cursor = a.cursor(optional=True)


class Mutate(a.AnswerSchema):
    """A change that is asked for."""

    type = a.text("mutate")
    mid = _mid()
    name = a.text()
    args = a.anything(optional=False)
    traceparent = fields.Raw(metadata={"description": "W3C Trace Context; what is none is ignored."})
    if_version = fields.Integer(allow_none=True, validate=validate.Range(0, 2**53 - 1))


class ClientHeartbeat(a.AnswerSchema):
    """Still here."""

    type = a.text("heartbeat")
    activity = fields.String(validate=validate.OneOf(sorted(ACTIVITIES)))


class Resume(a.AnswerSchema):
    """Ask for what came behind a cursor."""

    type = a.text("resume")
    cursor = a.cursor()


class Ack(a.AnswerSchema):
    """What this device has applied."""

    type = a.text("ack")
    cursor = a.cursor()


class Subscribe(a.AnswerSchema):
    """Be told of a topic by notices from now on."""

    type = a.text("subscribe")
    topic = a.text(*TOPICS)


class Unsubscribe(a.AnswerSchema):
    """Be told no more."""

    type = a.text("unsubscribe")
    topic = a.text(*TOPICS)


class Refresh(a.AnswerSchema):
    """Stay, with another token of the same user."""

    type = a.text("refresh")
    token = a.text()


class ClientBye(a.AnswerSchema):
    """Leave; presence ends at once."""

    type = a.text("bye")


# -- server to client ----------------------------------------------------------------


class Limits(a.AnswerSchema):
    """What a client may."""

    frame_bytes = a.whole()
    messages_per_s = a.number()
    pending_mutations = a.whole()


class Welcome(a.AnswerSchema):
    """Who one is and from where it goes on; `state` is there exactly when not `resumed`."""

    type = a.text("welcome")
    connection = a.text(optional=True)
    instance = a.text()
    user = a.one(a.User)
    cursor = a.cursor()
    resumed = a.switch()
    reason = a.text("new", "epoch_changed", "expired", "too_far", "bad_cursor", optional=True)
    state = a.one(a.State, optional=True)
    heartbeat_s = a.number(optional=True)
    limits = a.one(Limits, optional=True)
    token_expires_in_s = a.whole(optional=True)
    server_time = a.moment()


class VerdictFrame(a.Verdict):
    """A verdict outside the stream: a refusal that is not stored, or that of a `mid` sent again."""

    type = a.text("verdict")
    status = a.text("confirmed", "rolled_back")


class Heartbeat(a.AnswerSchema):
    """The head as the database has it; `stale` when it did not answer."""

    type = a.text("heartbeat")
    cursor = a.cursor()
    time = a.moment()
    stale = a.switch(optional=True)


class Notice(a.AnswerSchema):
    """Something that passes: without `seq`, and a later one of the topic replaces it."""

    type = a.text("notice")
    topic = a.text(*TOPICS, "health")
    data = a.anything(optional=False)


class Subscribed(a.AnswerSchema):
    """Notices of the topic follow."""

    type = a.text("subscribed")
    topic = a.text(*TOPICS)


class Unsubscribed(a.AnswerSchema):
    """No more notices of the topic."""

    type = a.text("unsubscribed")
    topic = a.text(*TOPICS)


class Refreshed(a.AnswerSchema):
    """It may stay for so long."""

    type = a.text("refreshed")
    expires_in_s = a.whole()


class ErrorFrame(a.AnswerSchema):
    """What is wrong; the connection stays. With a `mid`: that was not consumed, send it again."""

    type = a.text("error")
    error = fields.Nested(a.Error, required=True)
    mid = _mid(optional=True)


class Bye(a.AnswerSchema):
    """A close follows: its band says what to do."""

    type = a.text("bye")
    code = fields.Integer(required=True, validate=validate.OneOf([int(code) for code in Close]))
    reason = a.text()
    retry_ms = a.whole()


FROM_CLIENT = (Hello, Mutate, ClientHeartbeat, Resume, Ack, Subscribe, Unsubscribe, Refresh, ClientBye)
FROM_SERVER = (
    Welcome, a.Entry, VerdictFrame, Heartbeat, Notice, Subscribed, Unsubscribed, Refreshed, ErrorFrame, Bye,
)  # fmt: skip
