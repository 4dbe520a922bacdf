"""Plain calls about the stream: write into it, ask where it stands, poll it, hear its goodbye."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.event_source import EventSource
from tests.support.instances import Instance
from tests.support.wire_client import Answer, Login, call


async def write(instance: Instance, login: Login, *texts: str) -> str:
    """Change the profile once for each text; return the cursor after that."""
    mutations = [{"mid": uuid4().hex, "name": "profile.update", "args": {"bio": text}} for text in texts]
    answer = await call(instance.url, "POST", "/api/mutations", token=login.token, json={"mutations": mutations})
    assert [verdict["status"] for verdict in answer.json["verdicts"]] == ["confirmed"] * len(texts)
    return str(answer.json["cursor"])


async def head_of(instance: Instance, login: Login) -> str:
    """Return where the streams stand."""
    return str((await call(instance.url, "GET", "/api/snapshot", token=login.token)).json["cursor"])


async def poll(instance: Instance, login: Login, cursor: str, wait_s: float = 0) -> Answer:
    """Ask once for what is behind ``cursor``."""
    return await call(instance.url, "GET", f"/api/events?cursor={cursor}&wait_s={wait_s}", token=login.token)


def at(cursor: str, user_seq: int) -> str:
    """Return ``cursor`` moved to another place in the user's own stream."""
    epoch, _, all_seq = cursor.split(".")
    return f"{epoch}.{user_seq}.{all_seq}"


async def bye(source: EventSource) -> dict[str, Any]:
    """Read to the goodbye and the end; return what it said."""
    while (event := await source.next()).kind != "bye":
        pass
    with pytest.raises(EOFError):
        await source.next()
    return dict(event.data)
