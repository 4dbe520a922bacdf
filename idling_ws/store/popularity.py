"""What everybody uses: a score for each emoji that halves with every week that passes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from idling_ws.domain.errors import InvalidError
from idling_ws.store.replicas import Reader

HALF_LIFE_DAYS = 7
# By then a use counts for less than a hundredth.
WINDOW_DAYS = 49
TOP = 200


@dataclass(frozen=True, slots=True)
class Used:
    """How often somebody used an emoji, and on which day last."""

    emoji: str
    count: int
    last_used: date


class Popularity:
    """Reads of the counts: of all people together, from a database where that may lag, and of one."""

    def __init__(self, database: Reader) -> None:
        self._database = database

    async def top(self) -> list[tuple[str, float]]:
        """Return ``(emoji, score)``, the highest first, as of the last roll-up; colourings count for what they colour.

        A custom emoji is among them only while everybody may use it. Raises ``UnavailableError``.
        """
        rows = await self._database.run(
            # From everybody's sums of each day: their rows of seven weeks would be too many to read each minute.
            "SELECT coalesce(e.base, s.emoji) AS id, sum(s.uses * power(0.5, (current_date - s.day) / %s::float)) "
            "FROM analytics_emoji_days s LEFT JOIN emojis e ON e.id = s.emoji "
            "LEFT JOIN custom_emojis c ON c.id = s.emoji AND c.status = 'approved' AND c.deleted_at IS NULL "
            "WHERE s.day > current_date - %s AND (e.id IS NOT NULL OR c.id IS NOT NULL) "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
            (HALF_LIFE_DAYS, WINDOW_DAYS, TOP),
        )
        return [(row[0], round(float(row[1]), 4)) for row in rows]

    async def own(
        self, user_id: int, after: str | None, limit: int, *, at: Reader | None = None
    ) -> tuple[list[Used], str | None]:
        """Return a page of what somebody used, the most used first, and where the next one begins.

        Raises ``InvalidError`` for an ``after`` that is none, ``UnavailableError``.
        """
        count, emoji = (None, "") if after is None else _read_after(after)
        rows = await (at or self._database).run(
            "SELECT emoji, sum(count)::bigint AS uses, max(day) FROM emoji_usage_stats WHERE user_id = %s "
            "GROUP BY emoji HAVING %s::bigint IS NULL OR (sum(count), emoji) < (%s::bigint, %s) "
            "ORDER BY uses DESC, emoji DESC LIMIT %s",
            (user_id, count, count, emoji, limit + 1),
        )
        used = [Used(*row) for row in rows[:limit]]
        return used, f"{used[-1].count}.{used[-1].emoji}" if len(rows) > limit else None


def _read_after(after: str) -> tuple[int, str]:
    count, dot, emoji = after.partition(".")
    is_count = count.isascii() and count.isdigit() and len(count) <= 15
    if not (dot and is_count and emoji.isascii() and emoji.isprintable()):
        raise InvalidError(fields={"after": ["Not a page."]})
    return int(count), emoji
