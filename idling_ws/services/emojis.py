"""Emoji that people keep, use and bring: favourites in order, counts, and custom ones."""

from __future__ import annotations

from typing import Any

from idling_ws.domain.custom_emojis import MAX_PER_USER, CustomEmoji
from idling_ws.domain.entries import effect
from idling_ws.domain.errors import JsonObject, RejectedError
from idling_ws.domain.rules import Call, Outcome
from idling_ws.domain.writes import CountUse, SaveCustomEmoji, SaveFavorites
from idling_ws.services.notifications import tell

Facts = dict[str, Any]

MAX_FAVORITES = 200
MAX_RECENT = 32


def resolve(call: Call, facts: Facts, current: JsonObject | None = None) -> str:
    """Return the id of the emoji that the call names: from the catalogue, or a custom one that may be used.

    Raises ``RejectedError("emoji_not_found")``.
    """
    given: str = call.args["emoji"]
    known = call.resolve_emoji(given)
    if known is not None:
        return known
    if facts["usable_custom_emoji"] is not None:
        return given
    raise RejectedError("emoji_not_found", current=current)


# -- favourites ------------------------------------------------------------------------


def add_favorite(call: Call, facts: Facts) -> Outcome:
    """``favorite.add``: at the end. One that is there already changes nothing, and is confirmed."""
    before: list[str] = facts["favorites"]
    emoji = resolve(call, facts, {"favorites": before})
    if emoji in before:
        return Outcome(result={"favorites": before})
    if len(before) >= MAX_FAVORITES:
        raise RejectedError("favorites_full", current={"favorites": before})
    return _favorites(call, "favorite.added", before, [*before, emoji], {"emoji": emoji})


def remove_favorite(call: Call, facts: Facts) -> Outcome:
    """``favorite.remove``. One that is not there changes nothing, and is confirmed."""
    before: list[str] = facts["favorites"]
    # A custom emoji that was deleted since may still be a favourite: what is there can always go.
    emoji = call.args["emoji"]
    if emoji not in before:
        emoji = resolve(call, facts, {"favorites": before})
    if emoji not in before:
        return Outcome(result={"favorites": before})
    after = [other for other in before if other != emoji]
    return _favorites(call, "favorite.removed", before, after, {"emoji": emoji})


def move_favorite(call: Call, facts: Facts) -> Outcome:
    """``favorite.move``: behind ``after``, or to the front."""
    before: list[str] = facts["favorites"]
    emoji = _kept(call, before, call.args["emoji"])
    after_emoji = call.args["after"]
    rest = [other for other in before if other != emoji]
    if after_emoji is None:
        place = 0
    else:
        behind = _kept(call, before, after_emoji)
        if behind == emoji:
            return Outcome(result={"favorites": before})
        place = rest.index(behind) + 1
    after = [*rest[:place], emoji, *rest[place:]]
    if after == before:
        return Outcome(result={"favorites": before})
    return _favorites(call, "favorite.moved", before, after, {"emoji": emoji, "after": after_emoji})


def _kept(call: Call, favorites: list[str], given: str) -> str:
    emoji = given if given in favorites else call.resolve_emoji(given)
    if emoji not in favorites:
        raise RejectedError("favorite_not_found", current={"favorites": favorites})
    assert emoji is not None, "None is no favourite"  # noqa: S101 -- for the type checker
    return emoji


def _favorites(call: Call, kind: str, before: list[str], after: list[str], data: JsonObject) -> Outcome:
    return Outcome(
        items=[effect(kind, {"favorites": after}, data)],
        result={"favorites": after},
        writes=[SaveFavorites(call.user_id, tuple(after))],
        before={"favorites": before},
        after={"favorites": after},
    )


# -- usage -----------------------------------------------------------------------------


def use(call: Call, facts: Facts) -> Outcome:
    """``emoji.use``: counts add up, in whatever order they come."""
    emoji = resolve(call, facts)
    count: int = call.args["count"]
    recent = [emoji, *[other for other in facts["recent_emojis"] or [] if other != emoji]][:MAX_RECENT]
    usage = {"emoji": emoji, "count": count, "total": facts["emoji_total"] + count}
    return Outcome(
        items=[effect("usage.counted", {"recent_emojis": recent}, usage)],
        result={"usage": usage},
        writes=[CountUse(call.user_id, emoji, call.now.date(), count, tuple(recent))],
        after={"usage": usage},
    )


# -- custom emoji ----------------------------------------------------------------------


def create_custom(call: Call, facts: Facts) -> Outcome:
    """A picture that was checked and stored becomes a custom emoji that waits for a moderator."""
    if len(facts["custom_emojis"]) >= MAX_PER_USER:
        raise RejectedError("custom_emojis_full")
    args = call.args
    emoji = CustomEmoji(
        id=f"c_{call.new_id.replace('-', '')}",
        user_id=call.user_id,
        name=args["name"],
        digest=args["digest"],
        media_type=args["media_type"],
        width=args["width"],
        height=args["height"],
        is_animated=args["is_animated"],
        status="pending",
        created_at=call.now,
    )
    return _custom(emoji, "custom_emoji.created", is_new=True)


def delete_custom(call: Call, facts: Facts) -> Outcome:
    """``custom_emoji.delete``, by its owner."""
    row = facts["named_custom_emoji"]
    if row is None or row["user_id"] != call.user_id:
        raise RejectedError("custom_emoji_not_found")
    emoji = CustomEmoji.from_row(row)
    return Outcome(
        items=[effect("custom_emoji.deleted", {"custom_emojis": {emoji.id: None}}, {"id": emoji.id})],
        result={"custom_emoji": {"id": emoji.id}},
        writes=[SaveCustomEmoji(emoji.delete(call.now))],
        before={"custom_emoji": emoji.to_state()},
    )


def review_custom(call: Call, facts: Facts) -> Outcome:
    """``custom_emoji.review``: its owner learns the decision, in state and by a notification."""
    row = facts["named_custom_emoji"]
    if row is None:
        raise RejectedError("custom_emoji_not_found")
    before = CustomEmoji.from_row(row)
    after = before.review(call.now, call.user_id, approve=call.args["approve"])
    outcome = Outcome(
        result={"custom_emoji": after.to_state()},
        writes=[SaveCustomEmoji(after)],
        before={"custom_emoji": before.to_state()},
        after={"custom_emoji": after.to_state()},
    )
    reviewed = effect(
        "custom_emoji.reviewed",
        {"custom_emojis": {after.id: after.to_state()}},
        {"id": after.id, "status": after.status},
    )
    approved = call.args["approve"]
    created, added = tell(
        call,
        facts["emoji_owner_notifications"],
        after.user_id,
        "custom_emoji.reviewed",
        "success" if approved else "warning",
        f"Your emoji “{after.name}” can be used now." if approved else f"Your emoji “{after.name}” was declined.",
        data={"custom_emoji": after.id, "name": after.name, "status": after.status},
    )
    outcome.writes.append(added)
    if after.user_id == call.user_id:
        outcome.items = [reviewed, created]
    else:
        outcome.elsewhere[after.user_id] = [reviewed, created]
    return outcome


def _custom(emoji: CustomEmoji, kind: str, *, is_new: bool) -> Outcome:
    shown = emoji.to_state()
    return Outcome(
        items=[effect(kind, {"custom_emojis": {emoji.id: shown}})],
        result={"custom_emoji": shown},
        writes=[SaveCustomEmoji(emoji, is_new=is_new)],
        after={"custom_emoji": shown},
    )
