"""The doctor: looks at an installation as the server would use it, and says of each part what to do.

It changes nothing but a file that it puts into the file store and takes out again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import aiohttp
import psycopg2

from idling_ws.config import Settings
from idling_ws.config_table import PREFIX, unknown_settings
from idling_ws.doctor_finding import FAIL, OK, WARN, Finding
from idling_ws.doctor_stores import of_cluster, of_redis, replica
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import IdlingError
from idling_ws.identity.discovery import Announced
from idling_ws.identity.keys import KeyRing
from idling_ws.identity.outbound import Outbound, ProviderError
from idling_ws.identity.providers import ProviderSettings
from idling_ws.identity.sealing import SealBrokenError
from idling_ws.serving import MOST_FILES, servers
from idling_ws.store.checkup import PostgresFacts, ask_cluster, ask_postgres, ask_redis
from idling_ws.store.files import open_file_store
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Failures, is_cluster

OLDEST_POSTGRES = 14
LITTLE_SPACE = 1 << 30
FEW_FILES = 4096
CLOCK_OFF_S = 2.0
ANSWER_S = 5.0
_PROBE = b"idling-ws doctor was here"


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything, part by part; a part that fails does not keep the next from being looked at.

    Raises ``EmbeddedServersError`` when there are no servers to look at.
    """
    for finding in (*_settings(settings), *_machine(settings)):
        yield finding
    async with servers(settings, beside=True) as (database_url, redis_url):
        for finding in (*await _database(database_url, settings), *await _fanout(redis_url)):
            yield finding
        for url in settings.replica_urls:
            yield await asyncio.to_thread(replica, url, database_url, settings.replica_max_lag_s)
    yield await _files(settings)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        for finding in await _instance(session, settings):
            yield finding
        for provider in settings.providers:
            yield await _sign_in(session, provider)


async def _database(url: str, settings: Settings) -> list[Finding]:
    try:
        facts = await asyncio.to_thread(ask_postgres, url)
    except psycopg2.Error as exc:
        reason = str(exc).strip().partition("\n")[0] or type(exc).__name__
        return [Finding(FAIL, "postgres", reason, f"Nothing works without: see {PREFIX}DATABASE_URL.")]
    findings = list(_postgres(facts, settings))
    if not facts.pending:
        findings.append(await _keys(url, settings))
    return findings


async def _fanout(url: str) -> list[Finding]:
    try:
        return list(of_cluster(await ask_cluster(url)) if is_cluster(url) else of_redis(await ask_redis(url)))
    except Failures as exc:
        cure = f"People notice little, instances hear each other late: see {PREFIX}REDIS_URL."
        return [Finding(FAIL, "redis", str(exc) or type(exc).__name__, cure)]


async def _sign_in(session: aiohttp.ClientSession, provider: ProviderSettings) -> Finding:
    part = f"sign-in: {provider.name}"
    try:
        await Announced(provider, Outbound(session), SystemClock()).endpoints()
    except ProviderError as exc:
        cure = "People cannot sign in with it: see its settings, and whether this machine can reach it."
        return Finding(FAIL, part, exc.reason, cure)
    return Finding(OK, part, "says where to send people")


def _settings(settings: Settings) -> Iterator[Finding]:
    for name in unknown_settings():
        yield Finding(WARN, "settings", f"{name} is not a setting of this version", "Misspelt? It has no effect.")
    host = urlsplit(settings.public_url).hostname or ""
    is_here = host in {"localhost", "::1"} or host.startswith("127.")
    if not settings.is_tls and not is_here:
        cure = f"Put TLS in front and set {PREFIX}PUBLIC_URL to its https:// URL: working offline and push need it."
        yield Finding(WARN, "address", f"{settings.public_url} is reached without TLS", cure)
    elif settings.trusted_proxies and not os.environ.get(f"{PREFIX}PUBLIC_URL"):
        cure = f"Set {PREFIX}PUBLIC_URL to what people type."
        yield Finding(FAIL, "address", "pages that come through a proxy are refused as foreign", cure)
    else:
        yield Finding(OK, "address", f"people come to {settings.public_url}")
    if not is_here and settings.is_embedded:
        cure = f"For more than one machine, or backups of your own, set {PREFIX}DATABASE_URL and {PREFIX}REDIS_URL."
        yield Finding(WARN, "servers", "the embedded PostgreSQL and Redis are used", cure)


def _machine(settings: Settings) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    level = OK if most >= FEW_FILES else WARN
    cure = "" if level == OK else "Raise it (`ulimit -Hn`, `LimitNOFILE` of a unit): each device takes one."
    yield Finding(level, "open files", f"{most:,} at most", cure)
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding(FAIL, "data folder", f"{folder} cannot be written", f"See its owner, or {PREFIX}DATA_DIR.")
        return
    free = shutil.disk_usage(folder).free
    level = OK if free >= LITTLE_SPACE else WARN
    cure = "" if level == OK else "PostgreSQL stops when the disk is full: make room."
    yield Finding(level, "data folder", f"{settings.data_dir}, {free / (1 << 30):.1f} GiB free", cure)


def _postgres(facts: PostgresFacts, settings: Settings) -> Iterator[Finding]:
    part = "postgres"
    yield Finding(OK, part, f"PostgreSQL {facts.version} answers in {facts.answer_ms:.1f} ms")
    if facts.version_num < OLDEST_POSTGRES * 10_000:
        yield Finding(FAIL, part, f"older than {OLDEST_POSTGRES}", "Upgrade it: it gets no more corrections.")
    if facts.encoding != "UTF8":
        yield Finding(FAIL, part, f"stores {facts.encoding}", "Make the database anew with ENCODING 'UTF8'.")
    if facts.loses:
        cure = "Switch on what is named, or a confirmed change can be lost when that machine dies."
        yield Finding(FAIL, part, f"{' and '.join(facts.loses)} off", cure)
    if abs(facts.clock_ahead_s) > CLOCK_OFF_S:
        cure = "Let both follow one time service: tokens and time-outs go by them."
        yield Finding(WARN, part, f"its clock is {facts.clock_ahead_s:+.0f} s from the one here", cure)
    if facts.free_connections < settings.database_pool:
        cure = f"Raise max_connections, or lower {PREFIX}DATABASE_POOL ({settings.database_pool} for each process)."
        yield Finding(WARN, part, f"only {facts.free_connections} connections are free", cure)
    if facts.unknown:
        cure = "Run the version that made them, or a newer one."
        yield Finding(FAIL, "migrations", f"a newer version was here: {', '.join(facts.unknown)}", cure)
    elif facts.pending:
        yield Finding(FAIL, "migrations", f"{len(facts.pending)} are missing", "Run `idling-ws migrate`.")
        return
    else:
        yield Finding(OK, "migrations", "up to date")
    if facts.owns_trail and not settings.is_embedded:  # with those a role is made for what serves
        cure = "Serve as a role that owns no tables: docs/security.md says how."
        yield Finding(WARN, "audit trail", "this role could switch it off", cure)
    if not facts.emojis:
        yield Finding(WARN, "emoji", "there are none", "Run `idling-ws emoji import`.")


async def _keys(database_url: str, settings: Settings) -> Finding:
    database = Database(database_url, max_size=1)
    await database.open()
    try:
        await KeyRing(database, settings.secret_key, SystemClock()).refresh()
    except SealBrokenError as exc:
        return Finding(FAIL, "secret", "the signing key does not open", str(exc))
    except IdlingError as exc:
        return Finding(FAIL, "secret", str(exc), "See what the database says.")
    finally:
        await database.close()
    return Finding(OK, "secret", "opens the signing key")


async def _files(settings: Settings) -> Finding:
    where = f"files at {settings.files_url}"
    try:
        store = open_file_store(settings.files_url)
        try:
            digest = await store.put(_PROBE, "image/png")
            found = await store.get(digest)
            await store.delete(digest)
        finally:
            with contextlib.suppress(IdlingError):
                await store.close()
    except (IdlingError, OSError) as exc:
        cure = f"Pictures cannot be brought: see {PREFIX}FILES_URL, and who may write there."
        return Finding(FAIL, "files", f"{where}: {exc}", cure)
    if found is None or found.content != _PROBE:
        return Finding(FAIL, "files", f"{where} do not come back as they were put", "See what lies in between.")
    return Finding(OK, "files", f"{where} come back as they were put")


async def _instance(session: aiohttp.ClientSession, settings: Settings) -> list[Finding]:
    """Return what serves here says of itself; nothing where nobody does."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 -- compared, not bound
    try:
        async with session.get(f"http://{host}:{settings.port}/readyz") as response:
            said = await response.json()
            status, missing = said["status"], [f"{part} {how}" for part, how in said["parts"].items() if how != "ok"]
    except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError):
        return []
    if not missing:
        return [Finding(OK, "instance", f"the one at port {settings.port} is {status}")]
    level = WARN if status == "degraded" else FAIL
    text = f"the one at port {settings.port} is {status}: {', '.join(missing)}"
    return [Finding(level, "instance", text, "See docs/operations.md.")]
