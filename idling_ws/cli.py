"""The command line: serve, migrate, import the emoji, hand out tokens, show what is set."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from idling_ws import __version__
from idling_ws.config import Settings, SettingsError, load_settings
from idling_ws.config_table import PREFIX, unknown_settings
from idling_ws.domain.clock import rfc3339
from idling_ws.domain.errors import IdlingError
from idling_ws.domain.ids import UserId
from idling_ws.domain.roles import ROLES
from idling_ws.embedded import EmbeddedServersError
from idling_ws.observe.logs import configure
from idling_ws.observe.tracing import TracingMissingError

log = logging.getLogger("idling_ws")


def _settings(**overrides: Any) -> Settings:
    """Read the settings, or end with every mistake in them."""
    try:
        settings = load_settings(**overrides)
    except SettingsError as exc:
        raise click.ClickException(f"Some settings cannot be used:\n{exc}") from exc
    configure(settings.log_format, settings.log_level)
    for name in unknown_settings():
        log.warning("%s is not a setting of this version: misspelt?", name)
    if settings.trusted_proxies and not os.environ.get(f"{PREFIX}PUBLIC_URL"):
        log.warning("%sPUBLIC_URL is not set: pages that come through a proxy are refused as foreign", PREFIX)
    return settings


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` on the fast loop and turn what people can act on into one line."""
    import uvloop

    try:
        uvloop.run(work)
    except (IdlingError, EmbeddedServersError, TracingMissingError) as exc:
        raise click.ClickException(str(exc)) from exc
    except Exception as exc:
        # Imported late: the cryptography behind it would slow every command down.
        from idling_ws.identity.sealing import SealBrokenError

        if isinstance(exc, SealBrokenError):
            raise click.ClickException(str(exc)) from exc
        raise
    except KeyboardInterrupt:
        sys.exit(130)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="idling-ws")
def main() -> None:
    """The realtime server of Idling.app."""


@main.command()
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=int, help="The port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on one port.")
@click.option("--no-migrate", is_flag=True, help="Do not bring the database up to date first.")
@click.option("--share-port", is_flag=True, hidden=True, help="Listen beside others on the same port.")
def serve(host: str | None, port: int | None, workers: int, no_migrate: bool, share_port: bool) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    from idling_ws.serving import run

    _run(run(_settings(host=host, port=port), workers=workers, migrate_first=not no_migrate, share_port=share_port))


@main.command()
def migrate() -> None:
    """Bring the database up to date."""
    from idling_ws.serving import servers
    from idling_ws.store.migrate import migrate as apply

    async def work() -> None:
        async with servers(_settings(), beside=True) as (database_url, _):
            applied = await asyncio.to_thread(apply, database_url)
        click.echo(f"{len(applied)} migrations applied." if applied else "The database is up to date.")

    _run(work())


@main.group()
def epoch() -> None:
    """The life of the log that cursors belong to."""


@epoch.command("renew")
def renew_epoch() -> None:
    """Void every cursor: after a data folder was copied back. Devices get a fresh state."""
    from idling_ws.serving import servers
    from idling_ws.store.migrate import renew_epoch as renew

    async def work() -> None:
        async with servers(_settings(), beside=True) as (database_url, _):
            renewed = await asyncio.to_thread(renew, database_url)
        click.echo(f"The log is {renewed} from now on. Start the servers anew.")

    _run(work())


@main.group()
def emoji() -> None:
    """The catalogue of emoji."""


@emoji.command("import")
def import_emoji() -> None:
    """Bring the catalogue that came with this version into the database. Doing it again does nothing."""
    from idling_ws.serving import servers
    from idling_ws.store.catalogue_tables import CatalogueTables
    from idling_ws.store.postgres import Database

    async def work() -> None:
        async with servers(_settings(), beside=True) as (database_url, _):
            database = Database(database_url)
            await database.open()
            try:
                count = await CatalogueTables(database).load(__version__)
            finally:
                await database.close()
        click.echo("The catalogue is there already." if count is None else f"{count} emoji imported.")

    _run(work())


@main.group()
def analytics() -> None:
    """What happened in the place."""


@analytics.command("rebuild")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The first day to do again, UTC.")
def rebuild_analytics(since: datetime) -> None:
    """Let a running server add up everything since then once more, from the rows themselves."""
    from idling_ws.serving import servers
    from idling_ws.store.analytics import Analytics
    from idling_ws.store.postgres import Database

    async def work() -> None:
        async with servers(_settings(), beside=True) as (database_url, _):
            database = Database(database_url)
            await database.open()
            try:
                await Analytics(database).rebuild(since.replace(tzinfo=UTC))
            finally:
                await database.close()
        click.echo(f"Everything since {since:%Y-%m-%d} is added up again within minutes.")

    _run(work())


@main.group()
def token() -> None:
    """Access tokens for scripts and load tests."""


@token.command("issue")
@click.option("--user", type=int, help="For this user.")
@click.option("--guests", type=click.IntRange(1, 1_000_000), help="For so many new guests.")
@click.option("--ttl", type=click.IntRange(60, 86400), default=900, show_default=True, help="Seconds they hold.")
def issue(user: int | None, guests: int | None, ttl: int) -> None:
    """Print one JSON object a line: user_id, access_token, expires_at."""
    if (user is None) == (guests is None):
        raise click.UsageError("Give either --user or --guests.")
    from idling_ws.operating import issue_tokens

    async def work() -> None:
        for user_id, access_token, expires_at in await issue_tokens(_settings(), user, guests or 0, ttl_s=ttl):
            line = {"user_id": user_id, "access_token": access_token, "expires_at": rfc3339(expires_at)}
            click.echo(orjson.dumps(line).decode())

    _run(work())


@main.group()
def user() -> None:
    """What people may do."""


_user_option = click.option("--user", "user_id", type=click.IntRange(1), required=True, help="The user's id.")
_role_option = click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")


@user.command("grant")
@_user_option
@_role_option
def grant(user_id: int, role: str) -> None:
    """Give somebody a role; their devices know it within two seconds."""
    _change_role(user_id, role, grant=True)


@user.command("revoke")
@_user_option
@_role_option
def revoke(user_id: int, role: str) -> None:
    """Take a role away again."""
    _change_role(user_id, role, grant=False)


def _change_role(user_id: int, role: str, *, grant: bool) -> None:
    from idling_ws.operating import change_role

    _run(change_role(_settings(), UserId(user_id), role, grant=grant))
    click.echo(f"User {user_id} {'has' if grant else 'no longer has'} the role {role}.")


@main.group()
def keys() -> None:
    """The keys that sign access tokens."""


@keys.command("rotate")
@click.option("--at-once", is_flag=True, help="Refuse all older keys from now on: for one that leaked.")
def rotate(at_once: bool) -> None:
    """Sign with a new key. The one before is good until its last token has run out."""
    from idling_ws.operating import rotate_keys

    async def work() -> None:
        kid = await rotate_keys(_settings(), at_once=at_once)
        click.echo(f"Tokens are signed with {kid} from now on.")

    _run(work())


@main.group()
def audit() -> None:
    """The trail of what was done, and by whom."""


@audit.command("verify")
def audit_verify() -> None:
    """Check every chain. Exit 1 with the findings when a row was altered, deleted, inserted or reordered."""
    from idling_ws.serving import servers
    from idling_ws.store.audit_check import Tally, check_trail

    tally, findings = Tally(), 0

    def check(database_url: str) -> None:
        nonlocal findings
        for finding in check_trail(database_url, tally):
            findings += 1
            click.echo(str(finding))

    async def work() -> None:
        async with servers(_settings(), beside=True) as (database_url, _):
            await asyncio.to_thread(check, database_url)

    _run(work())
    click.echo(f"{tally.rows} rows in {tally.chains} chains, {findings} findings.")
    if findings:
        sys.exit(1)


@main.command()
def doctor() -> None:
    """Look at this installation and say what to do. Exit 1 when something has to be done."""
    from idling_ws.doctor import examine
    from idling_ws.doctor_finding import FAIL, WARN

    levels: list[str] = []

    async def work() -> None:
        async for finding in examine(_settings()):
            levels.append(finding.level)
            click.echo(f"{finding.level:<5} {finding.part}: {finding.text}")
            if finding.cure:
                click.echo(f"      {finding.cure}")

    _run(work())
    click.echo(f"{levels.count(FAIL)} to mend, {levels.count(WARN)} to think about.")
    if FAIL in levels:
        sys.exit(1)


@main.command()
def openapi() -> None:
    """Print what can be asked for over plain HTTP, as OpenAPI 3.1."""
    from idling_ws.edge.docs import openapi_document

    click.echo(openapi_document())


@main.command()
def asyncapi() -> None:
    """Print every frame of the socket, as AsyncAPI 3."""
    from idling_ws.edge.docs import asyncapi_document

    click.echo(asyncapi_document())


@main.group("config")
def config_group() -> None:
    """The settings."""


@config_group.command("show")
def config_show() -> None:
    """Print every setting as it is now; the secret key is not shown."""
    settings = _settings()
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        shown = "(set)" if item.name == "secret_key" else value
        if isinstance(shown, frozenset | tuple):
            # A provider by its name: what else there is of it may be secret.
            shown = ", ".join(sorted(str(getattr(part, "name", part)) for part in shown)) or "none"
        click.echo(f"IDLING_{item.name.upper()} = {shown if shown is not None else '(embedded)'}")
