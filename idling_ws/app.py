"""The composition root: builds every part once, wires it, and owns its start and stop.

Nothing below knows how it was put together; nothing above reaches around this.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import secrets
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from idling_ws import __version__
from idling_ws.breakers import Breakers
from idling_ws.config import Settings
from idling_ws.delivery.acknowledged import Acknowledged
from idling_ws.delivery.departures import Departures
from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.hearing import hearing
from idling_ws.delivery.heartbeat import Heartbeats
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.joining import Joining
from idling_ws.delivery.lobby import Lobby
from idling_ws.delivery.lobby_board import Board
from idling_ws.delivery.mailbox import Postman
from idling_ws.delivery.presence import DATABASE_EVERY_S, Presence
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.pulses import Pulses
from idling_ws.delivery.push import Push
from idling_ws.delivery.roster import Roster
from idling_ws.delivery.sweeper import Sweeper
from idling_ws.domain.caching import SHARED
from idling_ws.domain.ids import ALL
from idling_ws.domain.rules import LobbyChange
from idling_ws.edge.auditing import note_denied
from idling_ws.edge.endings import Endings
from idling_ws.edge.figures import open_roster
from idling_ws.edge.limits import HTTP_LIMITS, HttpLimits
from idling_ws.edge.parts import PARTS, Parts
from idling_ws.edge.sockets import SOCKETS, Sockets
from idling_ws.edge.uploads import Places
from idling_ws.edge.web_push import WebPushLine, derive_signing_key
from idling_ws.gauges import add_breaker_gauges, add_cache_gauges, add_gauges, add_limit_gauges, add_replica_gauges
from idling_ws.identity.browser_sessions import BrowserSessions
from idling_ws.identity.guests import Guests
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.logins import Logins
from idling_ws.identity.outbound import Outbound
from idling_ws.identity.recognised import Recognised
from idling_ws.identity.revocations import Revocations
from idling_ws.identity.tokens import Tokens
from idling_ws.jobs import Jobs
from idling_ws.mutations.allowances import Allowances
from idling_ws.mutations.batch import Committed
from idling_ws.mutations.committer import Committer
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.observe.metrics import Metrics
from idling_ws.services.emoji_search import EmojiSearch
from idling_ws.services.images import ImageStudio
from idling_ws.services.shared_emojis import SharedEmojis
from idling_ws.store.analytics import Analytics
from idling_ws.store.audit_trail import AuditTrail
from idling_ws.store.cache import Cache
from idling_ws.store.cache_drops import Drops
from idling_ws.store.cache_layers import ProcessLayer, RedisLayer
from idling_ws.store.catalogue import load_packaged_catalogue
from idling_ws.store.catalogue_tables import CatalogueTables
from idling_ws.store.custom_emojis import CustomEmojiRows
from idling_ws.store.error_stats import ErrorStats
from idling_ws.store.files import FolderFiles, open_file_store
from idling_ws.store.leases import Leases
from idling_ws.store.log import StreamLog, Tails
from idling_ws.store.login_cache import LoginCache
from idling_ws.store.outbox import Outbox
from idling_ws.store.popularity import Popularity
from idling_ws.store.postgres import Database
from idling_ws.store.push import PushRows
from idling_ws.store.quotas import Quotas
from idling_ws.store.reads import Reads
from idling_ws.store.redis import Keys, connect
from idling_ws.store.replicas import Replicas
from idling_ws.store.retention import Retention
from idling_ws.store.sessions import SessionStore
from idling_ws.watching.time_of_day import open_clock
from idling_ws.wiring import build_health, build_notices, build_sign_in, in_time

log = logging.getLogger(__name__)

CACHE_BYTES = 8 << 20
CACHE_ENTRIES = 5000


@contextlib.asynccontextmanager
async def running_parts(
    settings: Settings, database_url: str, redis_url: str, app: web.Application
) -> AsyncIterator[Parts]:
    """Build and start every part, put them on ``app``, and stop them in reverse."""
    instance = secrets.token_hex(4)
    database = Database(database_url, max_size=settings.database_pool)
    await database.open()
    clock = await open_clock(database)
    metrics = Metrics(clock)
    breakers = Breakers(clock)
    catalogue_tables = CatalogueTables(database)
    await catalogue_tables.bring_up_to_date(__version__)
    stream_log = StreamLog(database)
    epoch = await stream_log.epoch()
    replicas = Replicas(database, settings.replica_urls, epoch, clock, max_lag_s=settings.replica_max_lag_s)
    keys = Keys(epoch)
    redis = connect(redis_url)
    tails = Tails(redis, keys, clock, breakers)
    outbox = Outbox(database)
    hub = Hub(stream_log, tails)
    fanout = Fanout(redis_url, keys, instance, clock)
    drops = Drops(keys)
    publisher = Publisher(fanout, tails, keys, outbox, drops)
    sessions = SessionStore(database, stale_s=settings.stale_s)
    lobby = Lobby(clock, sessions, Board(clock, fanout, keys, instance))
    roster = Roster(clock, fanout, publisher, Pulses(clock, fanout, keys, instance), keys, instance)
    presence = Presence(
        clock,
        fanout,
        keys,
        sessions,
        instance,
        flush_every_s=min(DATABASE_EVERY_S, settings.stale_s / 3, settings.session_timeout_s / 3),
    )

    acknowledged = Acknowledged(fanout, keys)
    push_line = WebPushLine(
        settings.push.services, derive_signing_key(settings.secret_key), settings.push.contact, breakers, clock
    )
    push = Push(PushRows(database), acknowledged, push_line, metrics.pushed)

    def tell(committed: list[Committed], changes: list[LobbyChange]) -> None:
        for entry in committed:
            drops.note_entry(entry.user_id, entry.seq, entry.frame)
            hub.deliver(entry.user_id, entry.seq, entry.frame)
            publisher.publish(entry.user_id, entry.seq, entry.frame)
            roster.note_entry(entry.user_id, entry.seq, entry.frame)
        if changes:
            lobby.changed(changes)

    def restored() -> None:
        lobby.look_again()
        sweeper.compare_soon()
        shared_emojis.look_again()

    catalogue = load_packaged_catalogue()
    popularity = Popularity(replicas.reading(None))
    emoji_search = EmojiSearch(catalogue)
    shared_emojis = SharedEmojis(catalogue_tables, emoji_search)
    committer = Committer(database, clock, catalogue.resolve, tell)
    committer.accepts_push = settings.push.services.accept
    committer.batch_sizes = metrics.batch_size.observe
    committer.settled = metrics.mutation_settled
    pipeline = Pipeline(committer, clock)
    keyring = KeyRing(database, settings.secret_key, clock)
    await keyring.load()
    tokens = Tokens(keyring, settings.public_url, clock)
    trail = AuditTrail(database, clock)
    logins = Logins(database, tokens, clock, settings.secret_key, trail=trail)
    sweeper = Sweeper(outbox, hub, publisher, fanout, drops)
    process_layer = ProcessLayer(max_bytes=CACHE_BYTES, max_entries=CACHE_ENTRIES)
    redis_layer = RedisLayer(redis, keys, clock, fanout.line_of, breakers=breakers)
    cache = Cache(
        process_layer,
        redis_layer,
        drops,
        clock,
        count=metrics.cache_read,
        count_load=metrics.cache_load,
        database_answers=lambda: sweeper.database_answers,
    )
    revocations = Revocations(database, keyring, clock)
    web_client = aiohttp.ClientSession()
    heartbeats = Heartbeats(clock, stream_log, hub, epoch, heartbeat_s=settings.heartbeat_s)
    files = open_file_store(settings.files_url)
    if isinstance(files, FolderFiles):
        await files.sweep()
    analytics = Analytics(database, at=replicas.reading(None))
    leases = Leases(database, instance)
    jobs = Jobs(
        settings,
        clock,
        database,
        leases,
        sessions,
        presence,
        pipeline,
        Retention(database, entries_s=settings.entry_retention_s, audit_days=settings.audit_retention_days),
        keyring,
        logins,
        revocations,
        analytics,
        ErrorStats(database, instance, clock, metrics.error_counts.totals),
        metrics.failed,
    )
    health = build_health(settings, clock, fanout, replicas, sweeper, metrics)
    health.clock_watch.on_jump = jobs.hold_off
    notices = build_notices(
        settings, database, leases, pipeline, health, fanout, keys, instance, clock, web_client, breakers, metrics
    )
    parts = Parts(
        instance=instance,
        settings=settings,
        clock=clock,
        database=database,
        replicas=replicas,
        stream_log=stream_log,
        sessions=sessions,
        hub=hub,
        fanout=fanout,
        joining=Joining(
            hub,
            fanout,
            keys,
            stream_log,
            clock,
            retention_s=settings.entry_retention_s,
            replay_limit=settings.replay_limit,
        ),
        heartbeats=heartbeats,
        presence=presence,
        acknowledged=acknowledged,
        push_key=push_line.public_key,
        lobby=lobby,
        roster=roster,
        postman=Postman(max_bytes=settings.mailbox_bytes),
        pipeline=pipeline,
        keyring=keyring,
        tokens=tokens,
        logins=logins,
        guests=Guests(database, tokens, clock, settings.secret_key, trail=trail),
        reads=Reads(cache, stream_log, catalogue_tables, popularity, replicas.reading(None), drops.floor),
        drops=drops,
        recognised=Recognised(clock),
        database_answers=lambda: sweeper.database_answers,
        trail=trail,
        files=files,
        studio=ImageStudio(),
        uploads=Places(),
        custom_emojis=CustomEmojiRows(database),
        catalogue=catalogue,
        emoji_search=emoji_search,
        shared_emojis=shared_emojis,
        popularity=popularity,
        analytics=analytics,
        revocations=revocations,
        browser_sessions=BrowserSessions(
            database, logins, LoginCache(redis, keys, clock, breakers), revocations, clock
        ),
        sign_in=build_sign_in(settings, database, logins, Outbound(web_client, breakers=breakers), clock),
        metrics=metrics,
        health=health,
        drain_mutations=committer.drain,
    )
    sockets = Sockets(parts)
    revocations.on_revoked = Endings(sockets, keyring).heard
    health.on_change = sockets.tell
    app[PARTS] = parts
    app[SOCKETS] = sockets
    quotas = Quotas(redis, keys, clock, breakers)
    limits = app[HTTP_LIMITS] = HttpLimits(quotas, clock, per_minute=settings.http_rate_per_min)
    allowances = Allowances(quotas, clock, per_minute=settings.mutations_per_min)
    pipeline.spend = allowances.spend

    hub.on_entry = drops.note_entry
    hub.on_position = drops.note_position
    hub.on_close = lambda user_id: fanout.unsubscribe(keys.stream(user_id))
    fanout.on_messages = heard = hearing(hub, keys)
    fanout.on_restored = restored
    fanout.on_echo = metrics.echoed
    drops.on_shared = shared_emojis.look_again
    shared_emojis.on_revision = functools.partial(drops.raise_floor, SHARED, ALL)
    fanout.handle(keys.stream(ALL), lambda message: heard([(keys.stream(ALL), message)]))
    fanout.handle(keys.drops, drops.heard)
    presence.on_left = lobby.left
    departures = Departures(clock, fanout, keys, sessions, presence, instance, heartbeat_s=settings.heartbeat_s)
    add_gauges(metrics, parts, sockets, committer, publisher, sweeper)
    add_breaker_gauges(metrics, breakers)
    add_cache_gauges(metrics, process_layer, redis_layer, drops)
    add_replica_gauges(metrics, replicas)
    add_limit_gauges(metrics, quotas, limits, allowances, sockets.addresses, trail)

    await replicas.start()
    sockets.start()
    await revocations.load()
    hub.notice_head(ALL, dict(await stream_log.heads([ALL])).get(ALL, 0), known=True)
    await fanout.start()
    publisher.start()
    sweeper.start()
    heartbeats.start()
    presence.start()
    acknowledged.start()
    push.start()
    departures.start()
    lobby.start()
    open_roster(roster, parts, sockets)
    await shared_emojis.start()
    committer.start()
    allowances.start()
    trail.start()
    pipeline.on_denied = functools.partial(note_denied, parts)
    jobs.start()
    await health.start()
    notices.start()
    # What exists now lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    log.info("instance %s is up", instance)
    try:
        yield parts
    finally:
        await notices.stop()
        await health.stop()
        await cache.close()
        await departures.stop()
        await heartbeats.stop()
        await committer.stop()
        await allowances.stop()
        await sweeper.stop()
        await push.stop()
        await acknowledged.stop()
        stores = (jobs.stop(), trail.stop(), presence.stop(), publisher.stop(), lobby.stop(), roster.stop())
        await in_time(*stores)
        await sockets.close()
        await hub.close()
        await fanout.stop()
        await shared_emojis.stop()
        await files.close()
        await web_client.close()
        await push_line.close()
        await redis.aclose()
        await replicas.stop()
        await database.close()
        log.info("instance %s is down", instance)
