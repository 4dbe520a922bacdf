"""The files for operators: settings that exist, units that are valid, and nginx as it is given out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from click.testing import CliRunner

from idling_ws.config_table import PREFIX, SETTINGS
from idling_ws.proof.cli import main as check_history
from tests.support.crowd import sized
from tests.support.instances import Instance, running_instances
from tests.support.servers import RedisServer
from tests.support.tls_proxy import NGINX, TlsProxy
from tests.support.wire_client import Login, call

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
LOAD_TEST = DEPLOY.parent / "scripts" / "load_test.py"
LAST = "the-last-one"
USERS, DEVICES = sized((6, 3), (50, 3))
RATE, ROUNDS = sized((25, 1), (300, 5))
PATIENCE_S = 240.0
Behind = tuple[TlsProxy, list[Instance]]


def test_every_setting_in_them_exists() -> None:
    """A name that is none would do nothing, silently."""
    known = {PREFIX + setting.name for setting in SETTINGS}
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file()):
        for name in re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name}: {name}"


def test_compose_gives_instances_what_they_need() -> None:
    """Two instances after the migration, and nginx before both by the same file as anywhere."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))[
        "services"
    ]
    for name in ("one", "two"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["migrate"]["command"] == ["migrate"]
    (sample, *_), (replace,) = services["nginx"]["volumes"], services["nginx"]["command"][2:]
    assert sample.startswith("./nginx/idling.conf:")
    text = (DEPLOY / "nginx" / "idling.conf").read_text(encoding="utf-8")
    for instance in re.findall(r"s/(127\.0\.0\.1:\d+)/(?:one|two):8080/", replace):
        assert text.count(f"server {instance} ") == 1


def test_an_image_is_made_of_what_it_needs_and_of_nothing_else() -> None:
    """Data, keys and environments that lie in a checkout are not even sent to where it is built."""
    copied = {
        source
        for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    everything, *let_in, caches = [
        line
        for line in (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert (everything, caches) == ("*", "**/__pycache__")
    assert {line.removeprefix("!") for line in let_in} == copied


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here to check its units")
def test_units_are_valid(tmp_path: Path) -> None:
    """As systemd reads them; only what they start is not installed here."""
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(
            unit.read_text(encoding="utf-8").replace("/opt/idling/.venv/bin/idling-ws", "/bin/true")
        )
    for unit in tmp_path.iterdir():
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def behind(migrated_url: str, pair_redis: RedisServer) -> Iterator[Behind]:
    """Two instances behind nginx."""
    proxy = TlsProxy()
    settings = {"PUBLIC_URL": proxy.url, "ALLOWED_ORIGINS": "", "TRUSTED_PROXIES": "127.0.0.1"}
    with running_instances(migrated_url, pair_redis.url, 2, **settings) as instances:
        proxy.behind = (instances[0].port, instances[1].port)
        proxy.start()
        try:
            yield proxy, instances
        finally:
            proxy.close()


async def _say_hello(session: aiohttp.ClientSession, url: str, login: Login, cursor: str | None = None) -> Any:
    socket = await session.ws_connect(
        url.replace("https://", "wss://") + "/ws",
        headers={"Authorization": f"Bearer {login.token}"},
        protocols=["idling.v1"],
        ssl=False,
    )
    hello = {"type": "hello", "client": {"id": "x", "name": "x", "version": "1"}}
    await socket.send_json(hello if cursor is None else {**hello, "cursor": cursor})
    return socket, await socket.receive_json()


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")
async def test_an_instance_leaves_and_nobody_behind_nginx_is_turned_away(behind: Behind) -> None:
    """No sticky sessions: its devices resume at the other, and requests and changes go on meanwhile."""
    proxy, instances = behind
    url = proxy.url
    guest = (await call(url, "POST", "/auth/guest", json={}, headers={"Origin": url}, ssl=False)).json
    login = Login(guest["user"]["id"], guest["user"]["name"], guest["access_token"], guest["refresh_token"], "")
    mids: list[str] = []

    async def change(mid: str = "") -> None:
        mids.append(mid or f"m{len(mids)}")
        body = {"mutations": [{"mid": mids[-1], "name": "profile.update", "args": {"bio": mids[-1]}}]}
        while True:
            answer = await call(url, "POST", "/api/mutations", token=login.token, json=body, ssl=False)
            assert answer.status == 200, answer.body
            [verdict] = answer.json["verdicts"]
            if verdict["status"] != "error":
                break
            assert verdict["error"]["retryable"], verdict
        assert verdict["status"] == "confirmed"

    async with aiohttp.ClientSession() as session:
        opened = [await _say_hello(session, url, login) for _ in range(6)]
        assert len({welcome["instance"] for _, welcome in opened}) == 2, "both have some"
        outcomes = [asyncio.create_task(_outcome(socket)) for socket, _ in opened]
        leaving = asyncio.create_task(asyncio.to_thread(instances[0].terminate))
        while not leaving.done() or len(mids) < 20:
            await change()
        assert await leaving == 0
        await change(LAST)
        codes = await asyncio.gather(*outcomes)
        assert set(codes) == {None, 4200}
        for (_, welcome), code in zip(opened, codes, strict=True):
            if code is not None:
                again, resumed = await _say_hello(session, url, login, welcome["cursor"])
                assert resumed["resumed"]
                entries: list[Any] = []
                while len(entries) < len(mids):
                    message = await again.receive_json()
                    entries += [message] if message["type"] == "entry" else []
                assert [entry["items"][-1]["mid"] for entry in entries] == mids


async def until_said(process: asyncio.subprocess.Process, words: str) -> None:
    """Read what a load test prints until it says ``words``."""
    assert process.stdout is not None
    said = b""
    while line := await process.stdout.readline():
        said += line
        if words in line.decode():
            return
    raise AssertionError(f"it ended without saying {words!r}: {said.decode()}")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")
@pytest.mark.timeout(300)
async def test_a_rolling_restart_under_load_loses_nothing(behind: Behind, migrated_url: str, tmp_path: Path) -> None:
    """Each instance leaves and comes back, as in an upgrade; the checker holds every device's record and the database
    against each other.
    """
    proxy, instances = behind
    history, report = tmp_path / "h.jsonl", tmp_path / "r.json"
    run = await asyncio.create_subprocess_exec(
        sys.executable, str(LOAD_TEST),
        "--url", proxy.url, "--users", str(USERS), "--devices", str(DEVICES), "--transport", "ws,sse,poll",
        "--scenario", "repeat", "--rate", str(RATE), "--duration", "3600",
        "--history", str(history), "--json", str(report),
        env={**os.environ, "SSL_CERT_FILE": str(proxy.folder / "certificate.pem")},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            await until_said(run, f"{USERS * DEVICES}/{USERS * DEVICES} connected")
            for instance in instances * ROUNDS:
                assert await asyncio.to_thread(instance.terminate) == 0
                await asyncio.to_thread(instance.start)
            run.send_signal(signal.SIGINT)
            output, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert run.returncode == 0, output.decode()
    metrics = json.loads(report.read_bytes())["metrics"]
    assert metrics["unsettled"] == 0
    assert metrics["resumed"] > 0
    # All began afresh once; nobody had to again.
    assert metrics["fresh"] == USERS * DEVICES
    result = CliRunner().invoke(check_history, [str(history), "--database-url", migrated_url])
    assert result.exit_code == 0, result.output
    assert f"{USERS * DEVICES}  devices brought to the end of their streams" in result.output


async def _outcome(socket: Any) -> int | None:
    """Read on: None once it has the last verdict, or the code it was closed with before."""
    async for message in socket:
        if f'"mid":"{LAST}"' in message.data:
            return None
    return int(socket.close_code)
