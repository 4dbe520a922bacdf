"""Uploads as a page sends them."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.support.wire_client import Answer, Login, call


async def upload(base: str, login: Login | None, content: bytes, name: str = "wave", **how: Any) -> Answer:
    """Send a form as a page would."""
    form = aiohttp.FormData()
    form.add_field("name", name)
    form.add_field("file", content, filename="a.png", content_type=how.pop("media_type", "image/png"))
    return await call(
        base, "POST", "/api/emojis/custom", token=None if login is None else login.token, data=form, **how
    )
