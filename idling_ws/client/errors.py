"""What can go wrong for a client, as one tree.

    ClientError
    ├── ProtocolError   the server said something that idling.v1 has no place for
    ├── RefusedError    a REST call was answered with problem+json
    ├── GivenUpError    the close code says: do not come back unchanged
    └── ClosedError     the client was closed before the verdict came

A mutation that the rules reject is no error: its ``Verdict`` says ``rolled_back``.
"""

from __future__ import annotations

from idling_ws.client.shapes import JsonObject


class ClientError(Exception):
    """Anything this package raises on purpose."""


class ProtocolError(ClientError):
    """The server said something that idling.v1 has no place for."""


class RefusedError(ClientError):
    """A REST call was answered with a problem: its HTTP status and its members."""

    def __init__(self, status: int, problem: JsonObject, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('message', '')}")
        self.status = status
        self.problem = problem
        self.retry_after_ms = retry_after_ms

    @property
    def code(self) -> str:
        """The stable code of protocol section 5, or the bare status where a proxy answered."""
        return str(self.problem.get("code") or f"http_{self.status}")


class GivenUpError(ClientError):
    """The server ended the connection with a code that forbids coming back unchanged."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class ClosedError(ClientError):
    """The client was closed before the verdict came. The mutation stays in doubt."""
