"""What the protocol core tells its shell, one small fact each."""

from __future__ import annotations

from dataclasses import dataclass

from idling_ws.client.outbox import Mutation
from idling_ws.client.replica import Outcome
from idling_ws.client.shapes import Entry, JsonObject, Verdict, Welcome


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The connection is signed in. The state was replaced exactly when not resumed."""

    welcome: Welcome


@dataclass(frozen=True, slots=True)
class EntryArrived:
    """An entry came in and was applied, was known, or left a gap before it."""

    entry: Entry
    outcome: Outcome
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class VerdictArrived:
    """A verdict came outside of the stream: a refusal, or the answer to a repeated ``mid``."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """A mutation of this client has its verdict, and the state has its effects."""

    mutation: Mutation


@dataclass(frozen=True, slots=True)
class ErrorArrived:
    """The server refused a frame. With ``mid``: that sending consumed nothing."""

    error: JsonObject
    mid: str | None


@dataclass(frozen=True, slots=True)
class NoticeArrived:
    """Something ephemeral on a topic."""

    topic: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class ByeArrived:
    """The server is about to close, and says when to come back."""

    code: int
    reason: str
    retry_ms: int | None


@dataclass(frozen=True, slots=True)
class Resuming:
    """Entries are missing: the client asks for those after its cursor."""

    cursor: str


@dataclass(frozen=True, slots=True)
class TokenAging:
    """The access token runs out soon: the shell should fetch another and refresh."""


@dataclass(frozen=True, slots=True)
class LineSilent:
    """Nothing came for too long: the line is dead, whatever the socket says."""


Event = (
    Welcomed
    | EntryArrived
    | VerdictArrived
    | Settled
    | ErrorArrived
    | NoticeArrived
    | ByeArrived
    | Resuming
    | TokenAging
    | LineSilent
)
