"""Hooks: how a recorder, a counter or a page listens to a client.

Every method does nothing. They are called from the client's reader, in the order in
which things happened, and must return at once.
"""

from __future__ import annotations

from idling_ws.client.outbox import Mutation
from idling_ws.client.reconnecting import Ending
from idling_ws.client.replica import Outcome
from idling_ws.client.shapes import Entry, JsonObject, Verdict, Welcome


class Hooks:
    """Override what you want to hear of."""

    def connecting(self, transport: str, url: str, cursor: str | None) -> None:
        """A line is about to be opened from ``cursor``."""

    def welcomed(self, transport: str, welcome: Welcome) -> None:
        """The line is signed in; the state was replaced unless resumed."""

    def ended(self, transport: str, ending: Ending) -> None:
        """The line is gone."""

    def resuming(self, cursor: str) -> None:
        """Entries were missing and the client asked for them."""

    def sent(self, mutation: Mutation, transport: str) -> None:
        """A mutation went onto the line, for the first time or again."""

    def entry(self, entry: Entry, outcome: Outcome, verdict: Verdict | None) -> None:
        """An entry came in."""

    def verdict(self, verdict: Verdict, transport: str) -> None:
        """A verdict came outside of the stream."""

    def settled(self, mutation: Mutation) -> None:
        """A mutation of this client ended, and the state has its effects."""

    def error(self, error: JsonObject, mid: str | None) -> None:
        """The server refused a frame; a mutation named by ``mid`` was not consumed."""

    def notice(self, topic: str, data: JsonObject) -> None:
        """Something ephemeral."""
