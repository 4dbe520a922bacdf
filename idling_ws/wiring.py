"""Parts that are made of several, put together here so that ``app`` stays a list of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from idling_ws.breakers import Breakers
from idling_ws.config import Settings
from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.sweeper import Sweeper
from idling_ws.domain.clock import Clock
from idling_ws.identity.attempts import Attempts
from idling_ws.identity.authorization import Provider
from idling_ws.identity.logins import Logins
from idling_ws.identity.outbound import Outbound
from idling_ws.identity.sign_in import SignIn
from idling_ws.mutations.pipeline import Pipeline
from idling_ws.observe.metrics import Metrics
from idling_ws.store.leases import Leases
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Keys
from idling_ws.store.replicas import Replicas
from idling_ws.watching.clock_watch import ClockWatch
from idling_ws.watching.disk import DiskWatch
from idling_ws.watching.health import Health
from idling_ws.watching.notices import Notices
from idling_ws.watching.time_of_day import TimeOfDay
from idling_ws.watching.webhook import Webhook

log = logging.getLogger(__name__)

STOP_WRITES_S = 1.0


def build_sign_in(settings: Settings, database: Database, logins: Logins, outbound: Outbound, clock: Clock) -> SignIn:
    """Return the way in through each of the sign-in services that are set."""
    providers = {
        each.name: Provider(each, f"{settings.public_url}/auth/callback/{each.name}", outbound, clock)
        for each in settings.providers
    }
    return SignIn(database, providers, Attempts(database, settings.secret_key, clock), logins, clock)


def build_health(
    settings: Settings, clock: TimeOfDay, fanout: Fanout, replicas: Replicas, sweeper: Sweeper, metrics: Metrics
) -> Health:
    """Return what looks at the parts of this instance, and show it on ``/metrics``."""
    health = Health(
        clock,
        database_takes_changes=lambda: sweeper.database_takes_changes,
        redis_is_heard=lambda: fanout.healthy,
        replicas_are_well=lambda: replicas.worst() == "ok",
        disk=DiskWatch(_folders(settings), settings.watch.disk_free_bytes),
        clock_watch=ClockWatch(clock),
        errors_last_minute=metrics.error_counts.grave_last_minute,
        max_errors=settings.watch.errors_per_min,
    )
    watch = health.clock_watch
    metrics.gauge("idling_disk_free_bytes", "Bytes free where data and files lie", lambda: health.disk.free_bytes)
    metrics.counter("idling_clock_jumps", "Times that this machine's clock jumped", lambda: watch.jumps)
    metrics.gauge("idling_clock_last_jump_seconds", "How far it jumped the last time", lambda: watch.last_jump_s)
    metrics.gauge("idling_clock_off_seconds", "How far it is ahead of the place's time", lambda: watch.off_s)
    metrics.gauges("idling_condition", "1 while a fault lasts, by kind", "kind", health.levels)
    return health


def build_notices(
    settings: Settings,
    database: Database,
    leases: Leases,
    pipeline: Pipeline,
    health: Health,
    fanout: Fanout,
    keys: Keys,
    instance: str,
    clock: Clock,
    web_client: aiohttp.ClientSession,
    breakers: Breakers,
    metrics: Metrics,
) -> Notices:
    """Return who tells operators of what lasts."""
    url = settings.watch.webhook_url
    webhook = None if url is None else Webhook(web_client, url, settings.public_url, breakers, metrics.posted)
    return Notices(database, leases, pipeline, health, fanout, keys, instance, clock, webhook)


def _folders(settings: Settings) -> list[Path]:
    """Return where this instance writes: its data, and its files unless they lie in a bucket."""
    files = urlsplit(settings.files_url)
    if files.scheme == "s3":
        return [settings.data_dir]
    return [settings.data_dir, Path(files.path if files.scheme else settings.files_url)]


async def in_time(*writes: Awaitable[None]) -> None:
    """Let what is still to be written be written at the same time; a store that hangs is not waited for."""
    try:
        async with asyncio.timeout(STOP_WRITES_S):
            for failure in await asyncio.gather(*writes, return_exceptions=True):
                if failure is not None:
                    log.error("something was not written at the end", exc_info=failure)
    except TimeoutError:
        log.warning("a store did not answer: some of what was known is not written")
