"""Preferences: each value is the last one that was set, in commit order."""

from __future__ import annotations

from typing import Any

from idling_ws.domain import preferences
from idling_ws.domain.entries import effect
from idling_ws.domain.rules import Call, Outcome, check_version
from idling_ws.domain.writes import SavePreferences


def change(call: Call, facts: dict[str, Any]) -> Outcome:
    """``preferences.set``: only what is given changes."""
    stored = facts["preferences"] or {"chosen": {}, "version": 1}
    before = preferences.to_state(stored["chosen"], stored["version"])
    check_version(call.if_version, stored["version"], {"preferences": before})
    values: dict[str, Any] = call.args["values"]
    if all(before[key] == value for key, value in values.items()):
        return Outcome(result={"preferences": before})
    chosen, version = {**stored["chosen"], **values}, stored["version"] + 1
    after = preferences.to_state(chosen, version)
    return Outcome(
        items=[
            effect(
                "preferences.changed",
                {"preferences": {key: value for key, value in after.items() if before[key] != value}},
            )
        ],
        result={"preferences": after},
        writes=[SavePreferences(call.user_id, chosen, version)],
        before={"preferences": {key: before[key] for key in values}},
        after={"preferences": values},
    )
