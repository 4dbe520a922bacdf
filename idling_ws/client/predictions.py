"""What a pending mutation will probably do: a guess to show until the verdict comes.

A prediction is a merge patch, computed anew over whatever state lies under it. So
when an entry arrives from another device, the pending mutations are replayed over
the new truth in order. A guess may be poor; it vanishes with the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idling_ws.client.shapes import JsonObject

Predict = Callable[[JsonObject, JsonObject], JsonObject | None]


def _session_start(state: JsonObject, args: JsonObject) -> JsonObject | None:
    if state.get("session"):
        return None
    return {"session": {"activity": args.get("activity"), "emoji": args.get("emoji"), "status": "active"}}


def _session_update(state: JsonObject, args: JsonObject) -> JsonObject | None:
    wanted = {key: args[key] for key in ("activity", "emoji") if key in args}
    return {"session": wanted} if state.get("session") else None


def _session_turns(status: str) -> Predict:
    def predict(state: JsonObject, _args: JsonObject) -> JsonObject | None:
        return {"session": {"status": status}} if state.get("session") else None

    return predict


def _favorites(change: Callable[[list[str], JsonObject], list[str]]) -> Predict:
    def predict(state: JsonObject, args: JsonObject) -> JsonObject | None:
        # A list has no parts for a merge patch: it is replaced as a whole.
        return {"favorites": change(list(state.get("favorites") or []), args)}

    return predict


def _added(favorites: list[str], args: JsonObject) -> list[str]:
    emoji = args.get("emoji")
    return [*favorites, emoji] if isinstance(emoji, str) and emoji not in favorites else favorites


def _removed(favorites: list[str], args: JsonObject) -> list[str]:
    return [emoji for emoji in favorites if emoji != args.get("emoji")]


PREDICTIONS: Mapping[str, Predict] = {
    "session.start": _session_start,
    "session.update": _session_update,
    "session.pause": _session_turns("paused"),
    "session.resume": _session_turns("active"),
    "session.end": lambda state, _args: {"session": None} if state.get("session") else None,
    "profile.update": lambda _state, args: {"profile": dict(args)},
    "preferences.set": lambda _state, args: {"preferences": dict(args.get("values") or {})},
    "favorite.add": _favorites(_added),
    "favorite.remove": _favorites(_removed),
    "notification.dismiss": lambda _state, args: {"notifications": {"items": {str(args.get("id")): None}}},
}
