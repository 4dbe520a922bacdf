"""The search of a process follows what other processes commit, without being told."""

from __future__ import annotations

from idling_ws.domain.emoji import EmojiId
from idling_ws.services.emoji_search import EmojiSearch
from idling_ws.services.shared_emojis import SharedEmojis
from idling_ws.store.catalogue import load_packaged_catalogue
from idling_ws.store.catalogue_tables import CatalogueTables
from idling_ws.store.postgres import Database
from tests.support.rows import run_sql

_INSERT = (
    "INSERT INTO custom_emojis (id, user_id, name, name_key, digest, media_type, width, height, is_animated, status, "
    "created_at) VALUES (%s, 1, %s, %s, repeat('0', 64), 'image/png', 1, 1, false, 'pending', now())"
)
_APPROVE = "UPDATE custom_emojis SET status = 'approved' WHERE id = %s"


def bring(url: str, id_: str, name: str) -> None:
    """Let a custom emoji wait for its review."""
    run_sql(url, _INSERT, id_, name, name)


def found(search: EmojiSearch, text: str) -> list[EmojiId]:
    """Return the custom emoji that ``text`` finds."""
    return [hit.id for hit in search.search(text).hits if hit.emoji.custom]


async def test_only_what_is_approved_is_found_and_only_for_as_long(migrated_url: str, database: Database) -> None:
    """Pending: not found; approved: found; deleted: no more."""
    tables, search = CatalogueTables(database), EmojiSearch(load_packaged_catalogue())
    await tables.bring_up_to_date("1")
    shared = SharedEmojis(tables, search)
    bring(migrated_url, "c_1", "zorbleflip")
    await shared.refresh()
    assert found(search, "zorbleflip") == []
    run_sql(migrated_url, _APPROVE, "c_1")
    await shared.refresh()
    assert found(search, "zorbleflip") == found(search, "zorb") == ["c_1"]
    bring(migrated_url, "c_2", "zorblefly")
    run_sql(migrated_url, _APPROVE, "c_2")
    await shared.refresh()
    assert sorted(found(search, "zorble")) == ["c_1", "c_2"]
    run_sql(migrated_url, "UPDATE custom_emojis SET deleted_at = now() WHERE id = 'c_1'")
    await shared.refresh()
    assert (found(search, "zorble"), shared.count) == (["c_2"], 1)


async def test_it_looks_by_itself(migrated_url: str, database: Database) -> None:
    """Loaded at the start; what comes later is there without anybody's word."""
    tables, search = CatalogueTables(database), EmojiSearch(load_packaged_catalogue())
    await tables.bring_up_to_date("1")
    bring(migrated_url, "c_1", "zorbleflip")
    run_sql(migrated_url, _APPROVE, "c_1")
    shared = SharedEmojis(tables, search)
    await shared.start()
    assert shared.count == 1
    bring(migrated_url, "c_2", "zorblefly")
    run_sql(migrated_url, _APPROVE, "c_2")
    while shared.count == 1:
        await database.run("SELECT pg_sleep(0.02)")
    assert sorted(found(search, "zorble")) == ["c_1", "c_2"]
    await shared.stop()
