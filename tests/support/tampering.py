"""The answer with which a browser comes back from a service, and the single things that can be wrong with it.

Each tampering takes a good answer of one browser, and that of another, and makes a bad one
of the first. The rules are tried with them, and so are the routes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Return:
    """What comes back to us: the query, the attempt's cookie, and whose callback it comes to."""

    query: dict[str, str]
    cookie: str | None
    provider: str = "twitch"

    def asking(self, **changes: str | None) -> Return:
        """With these parameters; None takes one away."""
        merged = {**self.query, **changes}
        return replace(self, query={name: value for name, value in merged.items() if value is not None})

    def holding(self, cookie: str | None) -> Return:
        """With that as the attempt's cookie."""
        return replace(self, cookie=cookie)


Tampering = Callable[[Return, Return], Return]


def flip(text: str | None, at: int = 10) -> str:
    """Change one character."""
    assert text is not None
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


TAMPERINGS: dict[str, Tampering] = {
    "no state": lambda mine, _: mine.asking(state=None),
    "empty state": lambda mine, _: mine.asking(state=""),
    "state of zeros": lambda mine, _: mine.asking(state="0" * 43 + "." + "0" * 64),
    "state changed": lambda mine, _: mine.asking(state=flip(mine.query["state"])),
    "stamp changed": lambda mine, _: mine.asking(state=flip(mine.query["state"], 60)),
    "state too long": lambda mine, _: mine.asking(state=mine.query["state"] + "a" * 5000),
    "another attempt's state": lambda mine, other: mine.asking(state=other.query["state"]),
    "no cookie": lambda mine, _: mine.holding(None),
    "empty cookie": lambda mine, _: mine.holding(""),
    "another browser's cookie": lambda mine, other: mine.holding(other.cookie),
    "cookie changed": lambda mine, _: mine.holding(flip(mine.cookie, 40)),
    "cookie cut": lambda mine, _: mine.holding((mine.cookie or "")[:-8]),
    "cookie not base64": lambda mine, _: mine.holding("%%%"),
    "another provider's callback": lambda mine, _: replace(mine, provider="google"),
    "another attempt's code": lambda mine, other: mine.asking(code=other.query["code"]),
    "no code": lambda mine, _: mine.asking(code=None),
    "made-up code": lambda mine, _: mine.asking(code="made-up"),
    "code too long": lambda mine, _: mine.asking(code="x" * 5000),
    "another issuer": lambda mine, _: mine.asking(iss="https://evil.test"),
    "an error beside the code": lambda mine, _: mine.asking(error="<script>alert(1)</script>"),
}
