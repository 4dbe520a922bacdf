"""The catalogue in PostgreSQL: all of it, once, and only ever forward by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from idling_ws.domain.emoji import CUSTOM_CATEGORY
from idling_ws.store import catalogue_tables
from idling_ws.store.catalogue import Catalogue, Edition, load_packaged_catalogue
from idling_ws.store.catalogue_tables import CatalogueTables
from idling_ws.store.postgres import Connection, Database
from tests.support.instances import SECRET_KEY

CATALOGUE = load_packaged_catalogue()

Replace = Callable[..., None]


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Replace:
    """Have another file packaged: ``pack(version, ids)`` with these emoji alone."""

    def replace(version: str, *ids: str) -> None:
        kept = [CATALOGUE.emojis[id_] for id_ in CATALOGUE.emojis if id_ in ids]
        made = Catalogue(Edition(version, version, "1", len(ids)), CATALOGUE.categories, kept)
        monkeypatch.setattr(catalogue_tables, "load_packaged_catalogue", lambda: made)
        monkeypatch.setattr(catalogue_tables, "packaged_bytes", f"{version} {ids}".encode)

    return replace


async def stored_ids(database: Database) -> set[str]:
    return {row[0] for row in await database.run("SELECT id FROM emojis")}


async def test_every_fully_qualified_emoji_is_a_row(database: Database) -> None:
    """All ids are there, variants beside what they colour, and every category counts its own."""
    tables = CatalogueTables(database)
    assert await tables.load("1.0") == CATALOGUE.edition.fully_qualified == len(CATALOGUE)
    assert len(await stored_ids(database)) == len(CATALOGUE)
    rows = await database.run("SELECT id, base, tones, name, category FROM emojis WHERE id = '1F44D-1F3FE'")
    assert rows == [
        ("1F44D-1F3FE", "1F44D", ["medium_dark"], "thumbs up: medium-dark skin tone", "people-body"),
    ]
    counts = {category["id"]: category["count"] for category in (await tables.categories()).body["categories"]}
    assert counts == {category.id: category.count for category in CATALOGUE.categories}


async def test_a_page_of_the_picker_equals_the_packaged_one(database: Database) -> None:
    """What went through the database comes out as it went in, in order."""
    tables = CatalogueTables(database)
    await tables.load("1.0")
    for category in CATALOGUE.categories:
        page = await tables.category(category.id)
        assert page is not None
        assert page.body["category"] == {"id": category.id, "name": category.name, "count": category.count}
        assert page.body["emojis"] == [emoji.to_wire() for emoji in CATALOGUE.of_category(category.id)]
    assert await tables.category("no-such") is None


async def test_importing_again_writes_nothing(database: Database) -> None:
    """The second import is told that all is there; not even a revision moves."""
    tables = CatalogueTables(database)
    await tables.load("1.0")
    before = await database.run("SELECT max(xmin::text::bigint) FROM emojis")
    assert await tables.load("1.0") is None
    assert await tables.bring_up_to_date("2.0") is None
    assert await database.run("SELECT max(xmin::text::bigint) FROM emojis") == before
    assert await tables.revision() == 1


async def test_instances_that_start_together_import_once(database: Database) -> None:
    """Eight at once: one does it, the others find it done."""
    done = await asyncio.gather(*[CatalogueTables(database).bring_up_to_date("1.0") for _ in range(8)])
    assert sorted(done, key=str) == [len(CATALOGUE), *[None] * 7]
    assert await CatalogueTables(database).revision() == 1


async def test_a_later_edition_takes_over_and_an_earlier_one_does_not(database: Database, pack: Replace) -> None:
    """An old server that starts late leaves the new emoji alone; told to, it brings its own."""
    tables = CatalogueTables(database)
    pack("16.0", "1F600", "1F44D", "2764-FE0F")
    await tables.bring_up_to_date("1.9")
    pack("17.0", "1F600", "1F680")
    assert await tables.bring_up_to_date("1.10") is not None
    assert await stored_ids(database) == {"1F600", "1F680"}
    pack("16.0", "1F600", "1F44D", "2764-FE0F")
    assert await tables.bring_up_to_date("1.11") is None
    assert await stored_ids(database) == {"1F600", "1F680"}
    assert await tables.load("1.11") is not None
    assert {"1F44D", "2764-FE0F"} <= await stored_ids(database)
    assert "1F680" not in await stored_ids(database)


async def test_of_one_edition_the_later_server_has_the_better_words(database: Database, pack: Replace) -> None:
    """Versions compare as numbers: 1.10 is later than 1.9."""
    tables = CatalogueTables(database)
    pack("17.0", "1F600")
    await tables.bring_up_to_date("1.9")
    pack("17.0", "1F600", "1F680")
    assert await tables.bring_up_to_date("1.8") is None
    assert await tables.bring_up_to_date("1.10") is not None


async def test_an_import_that_fails_half_way_leaves_the_former_edition(
    database: Database, pack: Replace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction: categories, emoji and edition change together or not at all."""
    tables = CatalogueTables(database)
    pack("16.0", "1F600")
    await tables.load("1.0")
    pack("17.0", "1F680")
    replace = catalogue_tables._replace

    async def fail_after(connection: Connection, catalogue: Catalogue) -> None:
        await replace(connection, catalogue)
        raise OSError("the power is gone")

    monkeypatch.setattr(catalogue_tables, "_replace", fail_after)
    with pytest.raises(OSError, match="power"):
        await tables.load("1.0")
    assert await stored_ids(database) == {"1F600"}
    held = await tables.edition()
    assert held is not None
    assert (held.emoji, held.revision) == ("16.0", 1)


async def test_what_all_may_use_moves_the_revision_and_nothing_else_does(database: Database) -> None:
    """A custom emoji counts once it is approved and until it is gone."""
    tables = CatalogueTables(database)
    await tables.load("1.0")
    await database.run(
        "INSERT INTO custom_emojis (id, user_id, name, name_key, digest, media_type, width, height, is_animated, "
        "status, created_at) VALUES ('c_1', 1, 'party_cat', 'party_cat', 'abc', 'image/png', 8, 8, false, "
        "'pending', now())"
    )
    assert await tables.revision() == 1
    assert await tables.shared_custom_emojis() == (1, [])
    await database.run("UPDATE custom_emojis SET status = 'approved', version = 2")
    revision, [shared] = await tables.shared_custom_emojis()
    assert (revision, shared.id, shared.url) == (2, "c_1", "/files/abc")
    assert (await tables.categories()).body["categories"][-1] == {"id": "custom", "name": "Custom", "count": 1}
    page = await tables.category(CUSTOM_CATEGORY)
    assert page is not None
    assert page.body["emojis"] == [shared.to_wire()]
    await database.run("UPDATE custom_emojis SET version = 3")
    assert await tables.revision() == 2
    await database.run("UPDATE custom_emojis SET deleted_at = now()")
    assert await tables.shared_custom_emojis() == (3, [])


def test_the_command_says_what_it_did(migrated_url: str, redis_url: str) -> None:
    """``idling-ws emoji import``, twice."""
    environ = {**os.environ, "IDLING_DATABASE_URL": migrated_url, "IDLING_REDIS_URL": redis_url}
    environ["IDLING_SECRET_KEY"] = SECRET_KEY
    said = [
        subprocess.run(
            [sys.executable, "-m", "idling_ws", "emoji", "import"],
            env=environ, capture_output=True, check=True, text=True,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert said == ["3944 emoji imported.\n", "The catalogue is there already.\n"]
