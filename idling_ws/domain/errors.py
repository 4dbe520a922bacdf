"""The one error tree, and the table that says what each code means.

    IdlingError
    ├── NetworkError        the line between us and a client or a provider
    ├── AuthError           who are you?
    ├── DeniedError         we know who you are; you may not
    ├── InvalidError        the request cannot be understood; never stored
    ├── RejectedError       understood, but the rules say no; stored as the verdict
    ├── UnavailableError    a store did not answer in time; nothing was consumed
    ├── RateLimitError      too much, too fast
    └── InternalError       a defect of ours

Every code has one row in ``CODES``: its class on the wire, how bad it is for the
person, whether sending the same thing again can help, its HTTP status and the
words a person reads. Nothing of the server's insides goes into ``message``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What one code means: ``error_class`` is the ``class`` of protocol section 5."""

    error_class: str
    severity: str
    retryable: bool
    status: int
    message: str


CODES: dict[str, Fault] = {
    # validation
    "bad_json": Fault("validation", "warning", False, 400, "That was not valid JSON."),
    "bad_frame": Fault("validation", "warning", False, 400, "That message has not the shape it should have."),
    "unknown_type": Fault("validation", "warning", False, 400, "That type of message is not known."),
    "unknown_mutation": Fault("validation", "warning", False, 404, "There is no such change."),
    "invalid_arguments": Fault("validation", "warning", False, 422, "Some of what was given is not valid."),
    "mid_reused": Fault("validation", "error", False, 422, "That id was used before, for another change."),
    "bad_cursor": Fault("validation", "warning", False, 400, "That is not a cursor."),
    "not_found": Fault("validation", "warning", False, 404, "There is nothing here."),
    "method_not_allowed": Fault("validation", "warning", False, 405, "That cannot be done here."),
    "unsupported_media_type": Fault("validation", "warning", False, 415, "Send JSON."),
    "too_large": Fault("validation", "warning", False, 413, "That is too large."),
    "cursor_void": Fault("validation", "warning", False, 410, "That position is gone. Start from a fresh state."),
    # auth
    "unauthenticated": Fault("auth", "warning", False, 401, "Please sign in."),
    "token_expired": Fault("auth", "warning", False, 401, "The sign-in has run out. Refresh it."),
    "login_failed": Fault("auth", "warning", False, 400, "That sign-in did not work. Please start it again."),
    "provider_refused": Fault("auth", "warning", False, 400, "The sign-in service said no."),
    # permission
    "forbidden": Fault("permission", "warning", False, 403, "You may not do that."),
    "suspended": Fault("permission", "error", False, 403, "This account is suspended."),
    # rate_limit
    "rate_limited": Fault("rate_limit", "warning", True, 429, "That was too fast. Wait a moment."),
    "too_many_pending": Fault("rate_limit", "warning", True, 429, "Too many changes are waiting already."),
    # database, system, network
    "unavailable": Fault("database", "error", True, 503, "That is not possible just now. Ask again in a moment."),
    "timeout": Fault("network", "error", True, 504, "That took too long. Ask again."),
    "provider_unavailable": Fault("network", "error", True, 502, "The sign-in service does not answer."),
    "provider_wrong": Fault("network", "error", False, 502, "The sign-in service gave no usable answer."),
    "internal": Fault("system", "critical", False, 500, "Something is wrong on our side."),
    # business
    "conflict": Fault("business", "warning", False, 409, "It was changed elsewhere in the meantime."),
    "session_already_active": Fault("business", "warning", False, 409, "You are already idling."),
    "session_not_active": Fault("business", "warning", False, 409, "That idle session is not running."),
    "session_not_found": Fault("business", "warning", False, 404, "There is no such idle session."),
    "emoji_not_found": Fault("business", "warning", False, 404, "There is no such emoji."),
    "account_taken": Fault("business", "warning", False, 409, "That account belongs to somebody else here."),
    "account_not_found": Fault("business", "warning", False, 404, "That account is not linked."),
    "provider_linked": Fault("business", "warning", False, 409, "Another account of that kind is linked."),
    "last_provider": Fault("business", "warning", False, 409, "That is your only way to sign in."),
    "user_not_found": Fault("business", "warning", False, 404, "There is no such person."),
    "favorites_full": Fault("business", "warning", False, 409, "There is room for 200 favourites."),
    "favorite_not_found": Fault("business", "warning", False, 404, "That is not one of your favourites."),
    "custom_emoji_not_found": Fault("business", "warning", False, 404, "There is no such custom emoji."),
    "custom_emojis_full": Fault("business", "warning", False, 409, "There is room for 100 emoji of your own."),
    "own_session": Fault("business", "warning", False, 409, "That is your own session."),
    "notification_not_found": Fault("business", "warning", False, 404, "There is no such notification."),
    "endpoint_refused": Fault("business", "warning", False, 422, "That push service is not one that we know."),
    "announcement_not_found": Fault("business", "warning", False, 404, "There is no such announcement."),
    "announcement_over": Fault("business", "warning", False, 409, "That would be over before it begins."),
    "account_not_linked": Fault("business", "warning", False, 404, "That account is not linked."),
    "own_account": Fault("business", "warning", False, 409, "You cannot do that to yourself."),
    "name_taken": Fault("business", "warning", False, 409, "Somebody has that name already."),
}


class IdlingError(Exception):
    """Anything that ends in a message to a client: a code, and what cures it.

    ``fields`` maps a path in the arguments to its complaints; ``current`` is the
    authoritative state of what was touched, under its name as in ``state``.
    """

    default_code: ClassVar[str] = "internal"
    is_a_fault: ClassVar[bool] = True
    """Whether operators count it by its code; what comes of mere numbers of people is none of ours."""

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        fields: Mapping[str, list[str]] | None = None,
        retry_after_ms: int | None = None,
        current: JsonObject | None = None,
    ) -> None:
        self.code = code or self.default_code
        self.fault = CODES[self.code]
        self.message = message or self.fault.message
        self.fields = fields
        self.retry_after_ms = retry_after_ms
        self.current = current
        super().__init__(f"{self.code}: {self.message}")

    def to_wire(self, trace_id: str) -> JsonObject:
        """Return the one error shape of protocol section 5."""
        wire: JsonObject = {
            "code": self.code,
            "class": self.fault.error_class,
            "severity": self.fault.severity,
            "message": self.message,
            "retryable": self.fault.retryable,
            "trace_id": trace_id,
        }
        if self.retry_after_ms is not None:
            wire["retry_after_ms"] = self.retry_after_ms
        if self.fields is not None:
            wire["fields"] = dict(self.fields)
        return wire


class NetworkError(IdlingError):
    """The line to a client or a provider failed."""

    default_code = "timeout"


class AuthError(IdlingError):
    """It is not known who is asking."""

    default_code = "unauthenticated"


class DeniedError(IdlingError):
    """It is known who is asking, and they may not."""

    default_code = "forbidden"


class InvalidError(IdlingError):
    """The request cannot be understood. Deterministic, and never stored."""

    default_code = "invalid_arguments"


class RejectedError(IdlingError):
    """The rules say no. Stored as the verdict of its ``mid``, with ``current``."""

    default_code = "conflict"


class UnavailableError(IdlingError):
    """A store did not answer in time. No ``mid`` was consumed: ask again."""

    default_code = "unavailable"


class TooManyError(UnavailableError):
    """More come than can be taken just now. They come again at their own times, and nothing is out of order."""

    is_a_fault = False


class RateLimitError(IdlingError):
    """Too much, too fast."""

    default_code = "rate_limited"


class InternalError(IdlingError):
    """A defect of ours; the log has the rest under the same trace id."""

    default_code = "internal"
