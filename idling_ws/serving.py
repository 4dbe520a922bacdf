"""Serving: the process around the application. Servers first, then instances, then signals.

With several workers this process serves nobody: it keeps the embedded servers, starts
one process per worker on one port, starts it again when it dies, and ends them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator

import click

from idling_ws.config import Settings, SettingsError
from idling_ws.config_table import PREFIX
from idling_ws.domain.errors import UnavailableError
from idling_ws.embedded import SUPERUSER as EMBEDDED_SUPERUSER
from idling_ws.embedded import EmbeddedServers, running_endpoints
from idling_ws.listening import serve
from idling_ws.observe.tracing import check_installed
from idling_ws.store.migrate import migrate
from idling_ws.store.server_role import make_role

log = logging.getLogger(__name__)

WORKER_STOP_S = 9.0
RESTART_PAUSE_S = 0.5
DATABASE_WAIT_S = 30.0
MOST_FILES = 1 << 18


@contextlib.asynccontextmanager
async def servers(settings: Settings, *, beside: bool = False) -> AsyncIterator[tuple[str, str]]:
    """Give the URLs of PostgreSQL and Redis; embedded ones run for the length of the block.

    ``beside`` is for commands that may use the embedded servers of a running ``serve``.
    """
    if settings.database_url is not None and settings.redis_url is not None:
        yield settings.database_url, settings.redis_url
        return
    if settings.database_url is not None or settings.redis_url is not None:
        raise click.ClickException(f"Set both {PREFIX}DATABASE_URL and {PREFIX}REDIS_URL, or neither.")
    if beside and (running := running_endpoints(settings.data_dir)):
        yield running.database_url, running.redis_url
        return
    embedded = EmbeddedServers(settings.data_dir)
    endpoints = await embedded.start()
    try:
        yield endpoints.database_url, endpoints.redis_url
    finally:
        await embedded.stop()


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as we may: each device takes one, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # some systems name a hard limit that they do not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def run(settings: Settings, *, workers: int, migrate_first: bool, share_port: bool) -> None:
    """Serve until SIGINT or SIGTERM. Raises ``UnavailableError``, ``EmbeddedServersError``, ``SettingsError``,
    ``TracingMissingError``.
    """
    if workers > 1 and settings.port == 0:
        raise SettingsError(f"{PREFIX}PORT: several workers need a port of their own choosing")
    check_installed(settings.otel_endpoint)
    allow_many_sockets()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if share_port:
        _end_with_parent(stop)
    async with servers(settings) as (database_url, redis_url):
        if migrate_first:
            await _migrate(database_url)
        # What serves does not own the tables where that is ours to say: so it cannot get round the audit trail.
        served_url = database_url
        if settings.is_embedded:
            served_url = await asyncio.to_thread(make_role, database_url, EMBEDDED_SUPERUSER)
        if workers > 1:
            await _run_workers(settings, workers, served_url, redis_url, stop)
            return
        click.echo(f"Idling is open at {settings.public_url}  (Ctrl-C ends it)", err=True)
        await serve(settings, database_url=served_url, redis_url=redis_url, reuse_port=share_port, stop=stop)


def _end_with_parent(stop: asyncio.Event) -> None:
    """Stop when the process above is gone: the other end of a worker's standard input is held by it alone."""
    loop = asyncio.get_running_loop()

    def on_end() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

    loop.add_reader(sys.stdin.fileno(), on_end)


async def _migrate(database_url: str) -> None:
    """Migrate, waiting a while for a database that is just starting."""
    deadline = asyncio.get_running_loop().time() + DATABASE_WAIT_S
    while True:
        try:
            await asyncio.to_thread(migrate, database_url)
        except UnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _run_workers(settings: Settings, count: int, database_url: str, redis_url: str, stop: asyncio.Event) -> None:
    environ = {
        **os.environ,
        PREFIX + "DATABASE_URL": database_url,
        PREFIX + "REDIS_URL": redis_url,
        PREFIX + "SECRET_KEY": settings.secret_key,
        PREFIX + "HOST": settings.host,
        PREFIX + "PORT": str(settings.port),
        PREFIX + "PUBLIC_URL": settings.public_url,
        PREFIX + "GUEST_LOGIN": str(settings.guest_login).lower(),
    }
    click.echo(f"Idling is open at {settings.public_url} with {count} workers  (Ctrl-C ends it)", err=True)
    keepers = [asyncio.create_task(_keep_worker(environ, stop), name=f"worker-{n}") for n in range(count)]
    await stop.wait()
    await asyncio.gather(*keepers)


async def _keep_worker(environ: dict[str, str], stop: asyncio.Event) -> None:
    """Run one worker; start it again when it dies before its time."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            # Its own session: Ctrl-C reaches this process first, and this one ends it in order.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "idling_ws", "serve", "--no-migrate", "--share-port",
                env=environ, start_new_session=True, stdin=asyncio.subprocess.PIPE,
            )  # fmt: skip
            ended = asyncio.create_task(process.wait())
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WORKER_STOP_S):
                        await asyncio.shield(ended)
                if not ended.done():
                    process.kill()
                    await ended
                return
            log.error("worker %d ended with %s, starting another", process.pid, process.returncode)
            await asyncio.sleep(RESTART_PAUSE_S)
    finally:
        stopping.cancel()
