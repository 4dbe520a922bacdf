"""The packaged emoji data against its own header, and what the catalogue answers about it."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.domain.emoji import EmojiId, SkinTone, to_bare_id, to_char
from idling_ws.store.catalogue import Catalogue, load_packaged_catalogue, read_catalogue

DATA = resources.files("idling_ws").joinpath("data")


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(DATA.joinpath("emoji.json").read_bytes())
    return data


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_packaged_catalogue()


def test_file_is_what_its_header_says(raw: dict[str, Any]) -> None:
    """Counts, provenance and licence of the file are true."""
    header, rows = raw["header"], raw["emojis"]
    variants = [variant[0] for row in rows for variant in row[8]]
    ids = [row[0] for row in rows] + variants
    assert header["counts"] == {
        "fully_qualified": len(set(ids)),
        "emojis": len(rows),
        "tone_variants": len(variants),
        "categories": len(raw["categories"]),
        "subgroups": len(raw["subgroups"]),
    }
    # The figure of emoji-test.txt 17.0: fixed here, so that a smaller file cannot vouch for itself.
    assert len(ids) == len(set(ids)) == 3944
    assert float(header["emoji"]) >= 16
    assert all(source["integrity"].startswith("sha512-") for source in header["sources"])
    licences = DATA.joinpath(header["licences"]).read_text(encoding="utf-8")
    assert all(f"{source['package']} {source['version']}" in licences for source in header["sources"])


def test_rows_are_whole(raw: dict[str, Any]) -> None:
    """Each emoji has all its fields, in range, without doubles."""
    shortcodes = [code for row in raw["emojis"] for code in row[6]]
    assert len(shortcodes) == len(set(shortcodes))
    for row in raw["emojis"]:
        id_, name, category, subgroup, since, keywords, codes, _, tones = row
        assert len(row) == len(raw["header"]["row"])
        assert name.strip() == name != ""
        assert 0 <= category < len(raw["categories"])
        assert 0 <= subgroup < len(raw["subgroups"])
        assert 0.6 <= float(since) <= float(raw["header"]["emoji"])
        assert keywords == sorted(set(keywords))
        assert codes, f"{id_} has no shortcode"
        assert len(tones) in {0, 5, 20, 25}


def test_ids_are_fully_qualified(catalogue: Catalogue) -> None:
    """VS16 is there exactly where Unicode wants it, in emoji of one code point and of several."""
    for id_ in (
        "1F600",
        "2764-FE0F",
        "0023-FE0F-20E3",
        "1F44D-1F3FD",
        "261D-1F3FB",
        "00A9-FE0F",
        "1F1E9-1F1EA",
    ):
        assert catalogue.resolve(id_) == id_
    assert catalogue.resolve("❤️‍🔥") == "2764-FE0F-200D-1F525"
    assert catalogue.resolve("🏴󠁧󠁢󠁳󠁣󠁴󠁿") == "1F3F4-E0067-E0062-E0073-E0063-E0074-E007F"


def test_every_id_is_found_in_every_spelling(catalogue: Catalogue) -> None:
    """Upper case, lower case, as itself, and each without VS16: always the one canonical id."""
    ids = [*catalogue.emojis, *(v.id for emoji in catalogue.emojis.values() for v in emoji.variants)]
    assert len(ids) == len(catalogue) == catalogue.edition.fully_qualified
    for id_ in ids:
        bare_id = id_.replace("-FE0F", "")
        for text in (id_, id_.lower(), to_char(id_), bare_id, to_char(bare_id)):
            # A keycap's or ©'s bare id is plain text only when it is given as text of ASCII.
            assert catalogue.resolve(text) == id_
            assert catalogue.is_known(text)
        found = catalogue.find(id_)
        assert found is not None
        assert found.id == id_ or any(variant.id == id_ for variant in found.variants)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "#", "1", "grinning", "U+1F600", "c_1F600",
        "1F600 ", " 1F600", "1F600\n", "1F600-", "-1F600", "1F600-1F600", "1F600" * 100, "\uff11F600",
        "1F3FB", "🏻", "🇩", "\u200d", "\ufe0f", "FE0F", "FE0F-FE0F", "❤\ufe0e", "\u202a1F600",
        "D800", "\ud800", "110000", "FFFFFFFF", "\0", "😀😀", "😀" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_emoji_is_unknown(catalogue: Catalogue, text: str) -> None:
    """Components, halves, look-alikes, several at once and plain text are refused."""
    assert catalogue.resolve(text) is None
    assert not catalogue.is_known(text)


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    """No text makes it raise, and what it finds is what was meant."""
    found = load_packaged_catalogue().resolve(text)
    assert found is None or to_bare_id(found) == to_bare_id(text)


def test_tones(catalogue: Catalogue) -> None:
    """A tone gives the variant with everybody in it, and names say the tone as Unicode does."""
    thumbs_up = catalogue.emojis[EmojiId("1F44D")]
    assert thumbs_up.in_tone(SkinTone.DARK) == "1F44D-1F3FF"
    assert thumbs_up.name_of(EmojiId("1F44D-1F3FE")) == "thumbs up: medium-dark skin tone"
    assert catalogue.emojis[EmojiId("1F600")].in_tone(SkinTone.DARK) == "1F600"
    handshake = catalogue.find(EmojiId("1FAF1-1F3FB-200D-1FAF2-1F3FF"))
    assert handshake is catalogue.emojis[EmojiId("1F91D")]
    assert handshake.in_tone(SkinTone.MEDIUM) == "1F91D-1F3FD"


def test_categories_count_what_they_hold(catalogue: Catalogue) -> None:
    """Nine categories in the order of Unicode's charts, together holding every emoji."""
    assert [category.position for category in catalogue.categories] == list(range(9))
    assert sum(category.count for category in catalogue.categories) == len(catalogue.emojis)
    for category in catalogue.categories:
        assert len(catalogue.of_category(category.id)) == category.count > 0


def test_common_emoji_and_words_name_emoji_that_there_are(catalogue: Catalogue) -> None:
    """The project's own lists point at emoji of the catalogue, none twice."""
    assert len(catalogue.common) == len(set(catalogue.common))
    assert all(id_ in catalogue.emojis for id_ in catalogue.common)
    assert all(id_ in catalogue.emojis for ids in catalogue.words.values() for id_ in ids)


def test_another_format_is_refused(raw: dict[str, Any]) -> None:
    """A file of a format that this version does not know is not half-read."""
    with pytest.raises(ValueError, match="format 2"):
        read_catalogue(orjson.dumps(raw | {"header": raw["header"] | {"format": 2}}))
