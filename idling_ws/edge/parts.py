"""The parts a handler may use, built once by ``app`` and found through one key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from idling_ws.config import Settings
from idling_ws.delivery.acknowledged import Acknowledged
from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.heartbeat import Heartbeats
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.joining import Joining
from idling_ws.delivery.lobby import Lobby
from idling_ws.delivery.mailbox import Postman
from idling_ws.delivery.presence import Presence
from idling_ws.delivery.roster import Roster
from idling_ws.domain.clock import Clock
from idling_ws.edge.uploads import Places
from idling_ws.identity.browser_sessions import BrowserSessions
from idling_ws.identity.guests import Guests
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.logins import Logins
from idling_ws.identity.recognised import Recognised
from idling_ws.identity.revocations import Revocations
from idling_ws.identity.sign_in import SignIn
from idling_ws.identity.tokens import Tokens
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.observe.metrics import Metrics
from idling_ws.services.emoji_search import EmojiSearch
from idling_ws.services.images import ImageStudio
from idling_ws.services.shared_emojis import SharedEmojis
from idling_ws.store.analytics import Analytics
from idling_ws.store.audit_trail import AuditTrail
from idling_ws.store.cache_drops import Drops
from idling_ws.store.catalogue import Catalogue
from idling_ws.store.custom_emojis import CustomEmojiRows
from idling_ws.store.files import FileStore
from idling_ws.store.log import StreamLog
from idling_ws.store.popularity import Popularity
from idling_ws.store.postgres import Database
from idling_ws.store.reads import Reads
from idling_ws.store.replicas import Replicas
from idling_ws.store.sessions import SessionStore
from idling_ws.watching.health import Health


@dataclass(slots=True)
class Parts:
    """Everything below the edge. ``instance`` names this process; ``draining`` is set once it stops.

    ``push_key`` is what browsers subscribe to Web Push with.
    """

    instance: str
    settings: Settings
    clock: Clock
    database: Database
    replicas: Replicas
    stream_log: StreamLog
    sessions: SessionStore
    hub: Hub
    fanout: Fanout
    joining: Joining
    heartbeats: Heartbeats
    presence: Presence
    acknowledged: Acknowledged
    push_key: str
    lobby: Lobby
    roster: Roster
    postman: Postman
    pipeline: Pipeline
    keyring: KeyRing
    tokens: Tokens
    logins: Logins
    guests: Guests
    reads: Reads
    drops: Drops
    recognised: Recognised
    database_answers: Callable[[], bool]
    trail: AuditTrail
    files: FileStore
    studio: ImageStudio
    uploads: Places
    custom_emojis: CustomEmojiRows
    catalogue: Catalogue
    emoji_search: EmojiSearch
    shared_emojis: SharedEmojis
    popularity: Popularity
    analytics: Analytics
    revocations: Revocations
    browser_sessions: BrowserSessions
    sign_in: SignIn
    metrics: Metrics
    health: Health
    drain_mutations: Callable[[float], Awaitable[None]]
    draining: bool = False


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)
