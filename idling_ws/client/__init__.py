"""A client of idling.v1: the protocol without I/O, and a thin shell over aiohttp.

``IdlingClient`` is all that most need. It shares no code with the server, because the
load test and the checker use it to find the server's mistakes.
"""

from idling_ws.client.client import IdlingClient
from idling_ws.client.errors import ClientError, ClosedError, GivenUpError, ProtocolError, RefusedError
from idling_ws.client.hooks import Hooks
from idling_ws.client.lifecycle import Status
from idling_ws.client.outbox import Mutation
from idling_ws.client.reconnecting import Ending
from idling_ws.client.replica import Outcome
from idling_ws.client.rest import RestCalls
from idling_ws.client.shapes import Entry, Verdict, Welcome

__all__ = [
    "ClientError",
    "ClosedError",
    "Ending",
    "Entry",
    "GivenUpError",
    "Hooks",
    "IdlingClient",
    "Mutation",
    "Outcome",
    "ProtocolError",
    "RefusedError",
    "RestCalls",
    "Status",
    "Verdict",
    "Welcome",
]
