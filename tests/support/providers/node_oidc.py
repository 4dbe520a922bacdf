"""npm's ``oidc-provider`` as a child process: a sign-in service that none of us wrote."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / "oidc"
# Two workers may wait for it one after the other, within the time of one test.
INSTALL_TIMEOUT_S = 100
EXIT_TIMEOUT_S = 10

# Debian 12's Node 18 has none of it.
WHAT_IT_USES = "process.exit(URL.parse && require('node:crypto').hash ? 0 : 1)"


class NodeMissingError(RuntimeError):
    """Node or npm is not installed here or too old, or npm gets no packages."""


class NodeOidc:
    """A running provider with one client; ended by closing its input."""

    def __init__(
        self, redirect_uris: list[str], *, client_id: str = "idling", client_secret: str = "a%secret:+&"
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        install()
        client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "redirect_uris": redirect_uris,
            "token_endpoint_auth_method": "client_secret_post",
        }
        self._process = subprocess.Popen(
            ["node", "server.js", json.dumps(client)],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:"), "the provider did not start"

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def install() -> None:
    """Install the locked packages once, whoever else wants to at the same time.

    Raises NodeMissingError.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NodeMissingError("node and npm are needed for a real OpenID Connect provider")
    if subprocess.run(["node", "--eval", WHAT_IT_USES], check=False, stdin=subprocess.DEVNULL).returncode != 0:
        raise NodeMissingError("this Node is too old for the real OpenID Connect provider: 22 or later is needed")
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    modules = FOLDER / "node_modules"
    modules.mkdir(exist_ok=True)
    marker = modules / ".installed"
    with (FOLDER / "package.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists() and marker.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(command, cwd=FOLDER, check=True, timeout=INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
            raise NodeMissingError(f"npm could not install oidc-provider: {exc}") from exc
        marker.write_text(wanted)
