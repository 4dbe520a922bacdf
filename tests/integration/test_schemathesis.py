"""Schemathesis asks a running instance what its own document allows, and what it forbids.

No answer is a 5xx or other than described; what is forbidden is refused, what is allowed is not; without
credentials nothing personal is said. Under the rules of ``schemathesis.toml``, as for whoever runs it by hand, and
with no hints how to make what is asked. ``IDLING_TEST_FULL_SIZE=1`` asks for more of everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from idling_ws.edge.docs import openapi_document
from tests.support.instances import Instance
from tests.support.rows import run_sql
from tests.support.wire_client import sign_in

Pair = tuple[Instance, Instance]

IS_FULL_SIZE = os.environ.get("IDLING_TEST_FULL_SIZE") == "1"
EXAMPLES = {"guest": 15 if IS_FULL_SIZE else 3, "admin": 30 if IS_FULL_SIZE else 3}
RULES = tomllib.loads((Path(__file__).parents[2] / "schemathesis.toml").read_text())
# They end what the others are asked with.
ENDINGS = "^/auth/logout|^/api/devices/"


def ask_everything(
    base: str, token: str, examples: int, *, only: str | None = None, without: str | None = None
) -> tuple[int, list[str]]:
    """Return how many requests were made, and what was wrong with them."""
    config: dict[str, Any] = RULES | {
        "seed": 1,
        "base-url": base,
        "headers": {"Authorization": f"Bearer {token}"},
        "request-timeout": 60,
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "database": "none"},
        "phases": {
            # Every boundary of every parameter: thousands of requests.
            "coverage": {"enabled": IS_FULL_SIZE},
        },
    }
    whole = schemathesis.openapi.from_dict(json.loads(openapi_document()), config=schemathesis.Config.from_dict(config))
    schema = whole.include(path_regex=only) if only is not None else whole.exclude(path_regex=without)
    asked, wrong = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            asked += len(event.recorder.interactions)
            wrong += [
                f"{event.recorder.label}: {check.name}: {check.failure_info.failure} {check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
        elif isinstance(event, events.NonFatalError | events.FatalError):
            wrong.append(repr(event))
    return asked, wrong


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ["guest", "admin"])
async def test_no_request_that_can_be_thought_of_is_answered_otherwise_than_described(
    role: str, pair: Pair, pair_url: str
) -> None:
    """Every operation, as somebody who may little and as somebody who may everything."""
    base = pair[0].url
    login, leaver = await sign_in(base), await sign_in(base)
    if role == "admin":
        run_sql(pair_url, "INSERT INTO roles (user_id, role) VALUES (%s, 'admin')", login.user_id)
    asked, wrong = await asyncio.to_thread(ask_everything, base, login.token, EXAMPLES[role], without=ENDINGS)
    assert not wrong, "\n".join(wrong)
    left, wrong = await asyncio.to_thread(ask_everything, base, leaver.token, 1, only=ENDINGS)
    assert not wrong, "\n".join(wrong)
    assert asked > 100
    assert left > 0
