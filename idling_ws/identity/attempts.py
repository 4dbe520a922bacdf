"""Sign-in attempts: what has to survive between sending somebody out and their return.

It travels with the browser, sealed: neither Redis nor this instance is needed when they
come back. The ``state`` that goes along through the provider carries our stamp, and the
cookie opens only together with it: an answer that was forged, that belongs to another
browser or to another provider, that comes late or a second time is told apart and refused.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import orjson

from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import AuthError
from idling_ws.identity.authorization import Question
from idling_ws.identity.sealing import Seal, SealBrokenError, Stamp
from idling_ws.identity.tokens import LoginId
from idling_ws.store.attempts import spend_state
from idling_ws.store.postgres import Database

LIFE = timedelta(minutes=10)
_MAX_CHARS = 4096
_MAX_NEXT_CHARS = 512


class AttemptError(AuthError):
    """An answer that belongs to no attempt of this browser. ``reason`` is for log and audit."""

    default_code = "login_failed"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: what was asked, where to go afterwards, and who was signed in when it began."""

    question: Question
    next_path: str
    login_id: LoginId | None


class Attempts:
    """Begins attempts and takes each back once."""

    def __init__(self, database: Database, secret_key: bytes | str, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seal = Seal(secret_key, "sign-in attempts")
        self._stamp = Stamp(secret_key, "sign-in states")

    def begin(self, provider: str, next_path: str, login_id: LoginId | None) -> tuple[Attempt, str]:
        """Return a new attempt and the cookie that it comes back with."""
        body = secrets.token_urlsafe(32)
        state = f"{body}.{self._proof(provider, body)}"
        question = Question(state, secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        attempt = Attempt(question, safe_path(next_path), login_id)
        expires_at = int((self._clock.now() + LIFE).timestamp())
        kept = [question.nonce, question.verifier, attempt.next_path, login_id, expires_at]
        sealed = self._seal.close(orjson.dumps(kept), _bound_to(provider, state))
        return attempt, base64.urlsafe_b64encode(sealed).decode()

    async def take(self, provider: str, state: str | None, cookie: str | None) -> Attempt:
        """Return the attempt that ``state`` and ``cookie`` belong to; it is used up.

        Raises ``AttemptError``, and ``UnavailableError`` with nothing used up.
        """
        if not state or len(state) > _MAX_CHARS:
            raise AttemptError("no state")
        body, _, proof = state.partition(".")
        if not secrets.compare_digest(self._proof(provider, body).encode(), proof.encode(errors="surrogatepass")):
            raise AttemptError("the state is not ours")
        if not cookie or len(cookie) > _MAX_CHARS:
            raise AttemptError("the attempt is not of this browser")
        try:
            sealed = base64.b64decode(cookie, altchars=b"-_", validate=True)
            kept = orjson.loads(self._seal.open(sealed, _bound_to(provider, state)))
        except (ValueError, SealBrokenError) as exc:
            raise AttemptError("the attempt is of another browser or was changed") from exc
        nonce, verifier, next_path, login_id, expires_at = kept
        await self._use_up(state, datetime.fromtimestamp(expires_at, UTC))
        return Attempt(Question(state, nonce, verifier), next_path, login_id)

    async def _use_up(self, state: str, expires_at: datetime) -> None:
        now = self._clock.now()
        if expires_at <= now:
            raise AttemptError("the attempt took too long")
        # Kept a while longer than it lives: instances' clocks differ.
        kept_until = expires_at + LIFE
        if not await spend_state(self._database, hashlib.sha256(state.encode()).digest(), kept_until, now):
            raise AttemptError("the state was used before")

    def _proof(self, provider: str, body: str) -> str:
        return self._stamp.of(f"{provider}.{body}".encode(errors="surrogatepass")).hex()


def safe_path(path: str) -> str:
    """Return ``path`` when it stays on this site, else ``/``.

    Browsers read ``//host`` and ``/\\host`` as other hosts, and drop tabs and line ends
    before they look; so nothing with any of these passes.
    """
    if not path.startswith("/") or path.startswith("//") or len(path) > _MAX_NEXT_CHARS:
        return "/"
    if "\\" in path or not path.isascii() or not path.isprintable() or " " in path:
        return "/"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc and not parts.path.startswith("/auth/") else "/"


def _bound_to(provider: str, state: str) -> str:
    return f"{provider} {state}"
