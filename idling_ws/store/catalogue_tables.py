"""The catalogue in the database: imported from the packaged file, read by category.

An import is one transaction under an advisory lock: nobody ever sees half an edition,
and instances that start together import it once. It is skipped when the edition is
there, and an older server never takes a newer one's edition away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from idling_ws.domain.emoji import CUSTOM_CATEGORY, Emoji, EmojiId, SkinTone, Variant
from idling_ws.domain.errors import JsonObject
from idling_ws.store.catalogue import Catalogue, load_packaged_catalogue, packaged_bytes
from idling_ws.store.postgres import Connection, Database
from idling_ws.store.replicas import Reader

# Any constant will do; it only has to be the same in every instance, and no other lock's.
_ADVISORY_LOCK = 4_941_011
# Room for another instance that imports just now; one takes a fraction of a second.
IMPORT_TIMEOUT_S = 30.0

CUSTOM_NAME = "Custom"
CUSTOM_POSITION = 100_000
"""Behind every emoji of Unicode."""

_REVISION = "coalesce((SELECT revision FROM emoji_edition), 0)"
_SHARED = "u.status = 'approved' AND u.deleted_at IS NULL"


@dataclass(frozen=True, slots=True)
class StoredEdition:
    """What the tables hold. ``revision`` grows with every import."""

    digest: str
    emoji: str
    release: str
    revision: int


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader gets, and the ``revision`` it was read at, both from one snapshot."""

    body: JsonObject
    revision: int


class CatalogueTables:
    """The tables ``emoji_categories``, ``emojis`` and ``emoji_edition``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def edition(self) -> StoredEdition | None:
        """Return what is there, or None before the first import. Raises ``UnavailableError``."""
        async with self._database.connection() as connection:
            return await _edition(connection)

    async def bring_up_to_date(self, release: str) -> int | None:
        """Import the packaged edition unless it, or a newer one, is there; return how many emoji came in.

        ``release`` is the version of this server. Raises ``UnavailableError``.
        """
        return await self._load(release, even_older=False)

    async def load(self, release: str) -> int | None:
        """Import the packaged edition unless exactly it is there; return how many emoji came in."""
        return await self._load(release, even_older=True)

    async def _load(self, release: str, *, even_older: bool) -> int | None:
        encoded = packaged_bytes()
        digest = hashlib.sha256(encoded).hexdigest()
        held = await self.edition()
        if held is not None and held.digest == digest:
            return None
        catalogue = load_packaged_catalogue()
        async with self._database.transaction() as connection:
            timeout_ms = int(IMPORT_TIMEOUT_S * 1000)
            await connection.run(
                f"SET LOCAL lock_timeout = {timeout_ms}; SET LOCAL statement_timeout = {timeout_ms}; "
                f"SET LOCAL idle_in_transaction_session_timeout = {timeout_ms}; "
                "SELECT pg_advisory_xact_lock(%s)",
                (_ADVISORY_LOCK,),
                timeout_s=IMPORT_TIMEOUT_S,
            )
            # Only now it is known: somebody may have been faster.
            held = await _edition(connection)
            if held is not None and (held.digest == digest or not (even_older or _is_newer(catalogue, release, held))):
                return None
            await _replace(connection, catalogue)
            edition = catalogue.edition
            await connection.run(
                "INSERT INTO emoji_edition AS e (digest, emoji, unicode, cldr, release, revision, imported_at) "
                "VALUES (%s, %s, %s, %s, %s, 1, now()) ON CONFLICT (id) DO UPDATE SET digest = EXCLUDED.digest, "
                "emoji = EXCLUDED.emoji, unicode = EXCLUDED.unicode, cldr = EXCLUDED.cldr, "
                "release = EXCLUDED.release, revision = e.revision + 1, imported_at = EXCLUDED.imported_at",
                (digest, edition.emoji, edition.unicode, edition.cldr, release),
            )
        return len(catalogue)

    async def revision(self) -> int:
        """Return how often what everybody may use has changed. Raises ``UnavailableError``."""
        rows = await self._database.run(f"SELECT {_REVISION}")
        return int(rows[0][0])

    async def categories(self, *, at: Reader | None = None) -> Page:
        """Return ``{categories: [{id, name, count}]}`` in the order of the picker. Raises ``UnavailableError``.

        Custom emoji come last, once there are any.
        """
        rows = await (at or self._database).run(
            f"SELECT {_REVISION}, coalesce(json_agg(json_build_object('id', c.id, 'name', c.name, 'count', "
            "(SELECT count(*) FROM emojis e WHERE e.category = c.id AND e.base IS NULL)) ORDER BY c.position), '[]')"
            f"::text, (SELECT count(*) FROM custom_emojis u WHERE {_SHARED}) FROM emoji_categories c"
        )
        revision, listed, custom = rows[0]
        categories = orjson.loads(listed)
        if custom:
            categories.append({"id": CUSTOM_CATEGORY, "name": CUSTOM_NAME, "count": custom})
        return Page({"categories": categories}, revision)

    async def category(self, category: str, *, at: Reader | None = None) -> Page | None:
        """Return ``{category: {id, name, count}, emojis: […]}``, or None when there is no such category.

        Raises ``UnavailableError``.
        """
        if category == CUSTOM_CATEGORY:
            revision, shared = await self.shared_custom_emojis(at=at)
            return _page(category, CUSTOM_NAME, shared, revision)
        rows = await (at or self._database).run(
            f"SELECT {_REVISION}, c.name, "
            "(SELECT coalesce(json_agg(json_build_array(e.id, e.name, e.shortcodes, e.keywords, e.base, e.tones) "
            "ORDER BY e.position), '[]')::text FROM emojis e WHERE e.category = c.id) "
            "FROM emoji_categories c WHERE c.id = %s",
            (category,),
        )
        if not rows:
            return None
        revision, name, listed = rows[0]
        return _page(category, name, _read_emojis(category, orjson.loads(listed)), revision)

    async def shared_custom_emojis(self, *, at: Reader | None = None) -> tuple[int, list[Emoji]]:
        """Return the custom emoji that everybody may use, and the revision at which they are these.

        Raises ``UnavailableError``.
        """
        rows = await (at or self._database).run(
            f"SELECT {_REVISION}, (SELECT coalesce(json_agg(json_build_array(u.id, u.name, u.digest) "
            f"ORDER BY u.created_at, u.id), '[]')::text FROM custom_emojis u WHERE {_SHARED})"
        )
        revision, listed = rows[0]
        return revision, [
            Emoji(
                EmojiId(id_), name, CUSTOM_CATEGORY, CUSTOM_POSITION + place,
                shortcodes=(name,), url=f"/files/{digest}",
            )
            for place, (id_, name, digest) in enumerate(orjson.loads(listed))
        ]  # fmt: skip


def _page(category: str, name: str, emojis: list[Emoji], revision: int) -> Page:
    shown = [emoji.to_wire() for emoji in emojis]
    return Page({"category": {"id": category, "name": name, "count": len(shown)}, "emojis": shown}, revision)


def _read_emojis(category: str, rows: list[list[Any]]) -> list[Emoji]:
    """Return the emoji of one category from its rows in order: each before its variants."""
    variants: dict[str, list[Variant]] = {}
    for id_, *_, base, tones in rows:
        if base is not None:
            variants.setdefault(base, []).append(Variant(EmojiId(id_), tuple(map(SkinTone, tones))))
    return [
        Emoji(
            EmojiId(id_), name, category, position,
            shortcodes=tuple(shortcodes), keywords=tuple(keywords), variants=tuple(variants.get(id_, ())),
        )
        for position, (id_, name, shortcodes, keywords, base, _) in enumerate(rows)
        if base is None
    ]  # fmt: skip


async def _edition(connection: Connection) -> StoredEdition | None:
    rows = await connection.run("SELECT digest, emoji, release, revision FROM emoji_edition")
    return StoredEdition(*rows[0]) if rows else None


def _is_newer(catalogue: Catalogue, release: str, held: StoredEdition) -> bool:
    """Whether ours is the later edition; of one edition, whether ours is the later server's."""
    return (_numbers(catalogue.edition.emoji), _numbers(release)) > (_numbers(held.emoji), _numbers(held.release))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))


async def _replace(connection: Connection, catalogue: Catalogue) -> None:
    """Make the tables hold ``catalogue`` and nothing else; rows that stay as they are are not written."""
    categories = [
        {"id": category.id, "name": category.name, "position": category.position} for category in catalogue.categories
    ]
    for table, columns, rows in (
        ("emoji_categories", ("id", "name", "position"), categories),
        ("emojis", _COLUMNS, list(_rows(catalogue))),
    ):
        values = columns[1:]
        await connection.run(
            f"WITH given AS MATERIALIZED (SELECT * FROM json_populate_recordset(NULL::{table}, %s)), "
            f"gone AS (DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM given g WHERE g.id = t.id)) "
            f"INSERT INTO {table} AS t ({', '.join(columns)}) SELECT {', '.join(columns)} FROM given "
            f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in values)} "
            f"WHERE ({', '.join(f't.{name}' for name in values)}) "
            f"IS DISTINCT FROM ({', '.join(f'EXCLUDED.{name}' for name in values)})",
            (orjson.dumps(rows).decode(),),
            timeout_s=IMPORT_TIMEOUT_S,
        )


_COLUMNS = (
    "id", "base", "tones", "name", "category", "subgroup", "position", "since", "keywords", "shortcodes", "emoticons",
)  # fmt: skip


def _rows(catalogue: Catalogue) -> Iterator[JsonObject]:
    """All rows of ``emojis``: each emoji, and behind it its variants."""
    position = 0
    for emoji in catalogue.emojis.values():
        shared = {"category": emoji.category, "subgroup": emoji.subgroup, "since": emoji.since}
        yield {
            **shared, "id": emoji.id, "base": None, "tones": [], "name": emoji.name, "position": position,
            "keywords": emoji.keywords, "shortcodes": emoji.shortcodes, "emoticons": emoji.emoticons,
        }  # fmt: skip
        position += 1
        for variant in emoji.variants:
            yield {
                **shared, "id": variant.id, "base": emoji.id, "tones": variant.tones,
                "name": emoji.name_of(variant.id), "position": position,
                "keywords": (), "shortcodes": (), "emoticons": (),
            }  # fmt: skip
            position += 1
