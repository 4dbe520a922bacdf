"""Settings: all mistakes at once, safe defaults, and a reference that matches the code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from idling_ws.config import Settings, SettingsError, load_settings, origin_of
from idling_ws.config_table import PREFIX, SETTINGS, settings_table, unknown_settings

EXTERNAL = {
    "IDLING_DATABASE_URL": "postgresql://user@db.example/idling",
    "IDLING_REDIS_URL": "redis://cache.example",
    "IDLING_SECRET_KEY": "x" * 40,
}


def test_the_reference_lists_exactly_what_the_code_reads() -> None:
    """docs/configuration.md holds the table that the code renders."""
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert settings_table() in page


def test_every_field_has_a_documented_setting() -> None:
    """No setting can be read that the reference does not know."""
    documented = {setting.name.lower() for setting in SETTINGS}
    # These are made of several settings each.
    assert {item.name for item in dataclasses.fields(Settings)} - {"providers", "push", "watch"} <= documented


def test_all_mistakes_are_reported_at_once() -> None:
    """Somebody with three mistakes hears of three, not of one after the other."""
    with pytest.raises(SettingsError) as caught:
        load_settings({**EXTERNAL, "IDLING_PORT": "eighty", "IDLING_HEARTBEAT_S": "0", "IDLING_REDIS_URL": "http://x"})
    for name in ("PORT", "HEARTBEAT_S", "REDIS_URL"):
        assert PREFIX + name in str(caught.value)


def test_a_foreign_database_needs_a_secret_of_its_own() -> None:
    """A key that was made up on one instance would lock the others out."""
    with pytest.raises(SettingsError, match="IDLING_SECRET_KEY: required"):
        load_settings({"IDLING_DATABASE_URL": "postgresql://db/idling"})


def test_the_embedded_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """The second start reads what the first one made, and nobody else can."""
    first = load_settings({"IDLING_DATA_DIR": str(tmp_path / "var")})
    again = load_settings({"IDLING_DATA_DIR": str(tmp_path / "var")})
    assert first.secret_key == again.secret_key
    assert len(first.secret_key) >= 32
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o077 == 0


def test_guests_may_come_in_only_where_nothing_else_is_said() -> None:
    """The default is on for a laptop and off for a real installation."""
    assert load_settings(EXTERNAL).guest_login is False
    assert load_settings({**EXTERNAL, "IDLING_GUEST_LOGIN": "1"}).guest_login is True


def test_the_secret_key_never_shows_in_a_settings_dump() -> None:
    """A traceback or a debug line must not carry it."""
    assert "x" * 40 not in repr(load_settings(EXTERNAL))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Idle.example:443/path", "https://idle.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_spelled_as_browsers_spell_it(url: str, origin: str) -> None:
    """Default ports and letter case would make two of one."""
    assert origin_of(url) == origin


def test_a_misspelt_name_is_found() -> None:
    """IDLING_HEARTBEATS does nothing, and somebody should say so."""
    assert unknown_settings({"IDLING_HEARTBEATS": "5", "IDLING_PORT": "1", "PATH": "/bin"}) == ["IDLING_HEARTBEATS"]


TWITCH = {"IDLING_TWITCH_CLIENT_ID": "its-id", "IDLING_TWITCH_CLIENT_SECRET": "its-secret"}


def test_a_sign_in_service_is_offered_when_its_id_is_set() -> None:
    """Nothing is offered by itself; each has its own names."""
    assert load_settings(EXTERNAL).providers == ()
    [twitch] = load_settings(EXTERNAL | TWITCH).providers
    assert (twitch.name, twitch.client_id, twitch.client_secret) == ("twitch", "its-id", "its-secret")
    assert twitch.issuer == "https://id.twitch.tv/oauth2"
    both = {"IDLING_OIDC_ISSUER": "https://sso.example", "IDLING_OIDC_CLIENT_ID": "x", "IDLING_OIDC_NAME": "the-club"}
    [twitch, club] = load_settings(EXTERNAL | TWITCH | both).providers
    assert (club.name, club.title, club.issuer, club.client_secret) == (
        "the-club",
        "The Club",
        "https://sso.example",
        None,
    )


def test_a_service_on_this_machine_needs_no_credentials() -> None:
    """One variable is enough to try signing in."""
    [twitch] = load_settings({**EXTERNAL, "IDLING_TWITCH_ISSUER": "http://127.0.0.1:8082/oauth2"}).providers
    assert twitch.client_id


def test_endpoints_of_a_service_may_be_replaced() -> None:
    """So that any of them can be pointed at a test's own."""
    [google] = load_settings(
        EXTERNAL
        | {
            "IDLING_GOOGLE_CLIENT_ID": "x",
            "IDLING_GOOGLE_SECRET": "y",
            "IDLING_GOOGLE_TOKEN_URL": "https://t.example/t",
        }
    ).providers
    assert (google.token_url, google.jwks_url, google.client_secret) == ("https://t.example/t", None, "y")


def test_a_services_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """Not in the environment, where other programs of the same user see it."""
    (tmp_path / "secret").write_text("from the file\n")
    environ = {**EXTERNAL, "IDLING_TWITCH_CLIENT_ID": "x", "IDLING_TWITCH_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    assert load_settings(environ).providers[0].client_secret == "from the file"
    with pytest.raises(SettingsError, match="IDLING_TWITCH_CLIENT_SECRET_FILE: No such file"):
        load_settings({**environ, "IDLING_TWITCH_CLIENT_SECRET_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"IDLING_TWITCH_CLIENT_SECRET": "x"}, "IDLING_TWITCH_CLIENT_ID: required"),
        ({"IDLING_OIDC_CLIENT_ID": "x"}, "IDLING_OIDC_ISSUER: required with the client id"),
        ({"IDLING_OIDC_ISSUER": "https://sso.example"}, "IDLING_OIDC_CLIENT_ID: required with the issuer"),
        ({"IDLING_GOOGLE_ISSUER": "https://sso.example"}, "client id is empty"),
        ({"IDLING_GOOGLE_CLIENT_ID": "x", "IDLING_GOOGLE_ISSUER": "http://sso.example"}, "not https"),
        (
            {"IDLING_OIDC_CLIENT_ID": "x", "IDLING_OIDC_ISSUER": "https://a.example", "IDLING_OIDC_NAME": "../x"},
            "is no name",
        ),
    ],
)
def test_a_service_that_cannot_work_is_a_mistake(environ: dict[str, str], complaint: str) -> None:
    """Found at the start, with the name of the setting, not at the first sign-in."""
    with pytest.raises(SettingsError, match=complaint) as caught:
        load_settings(EXTERNAL | environ)
    assert "IDLING_" in str(caught.value)


def test_a_services_secret_never_shows_in_a_settings_dump() -> None:
    """Neither in a traceback nor in a debug line."""
    assert "its-secret" not in repr(load_settings(EXTERNAL | TWITCH))


def test_files_lie_in_the_data_folder_unless_a_place_is_named(tmp_path: Path) -> None:
    """The default follows the data folder; what names neither a folder nor a bucket is said at the start."""
    folder = {"IDLING_DATA_DIR": str(tmp_path / "var")}
    assert load_settings(folder).files_url == str(tmp_path / "var" / "files")
    assert load_settings({**folder, "IDLING_FILES_URL": "s3://emoji/a?region=eu"}).files_url == "s3://emoji/a?region=eu"
    with pytest.raises(SettingsError, match="IDLING_FILES_URL: files lie in a folder"):
        load_settings({**folder, "IDLING_FILES_URL": "https://files.example"})


def test_replicas_are_urls_beside_a_database() -> None:
    """Several are separated by commas; what is none, or of no use, is said at the start."""
    two = {"IDLING_REPLICA_URLS": "postgresql://a/x, postgresql://b/x,"}
    assert load_settings(EXTERNAL | two).replica_urls == ("postgresql://a/x", "postgresql://b/x")
    assert load_settings(EXTERNAL).replica_urls == ()
    with pytest.raises(SettingsError, match="IDLING_REPLICA_URLS: not postgresql://"):
        load_settings(EXTERNAL | {"IDLING_REPLICA_URLS": "http://a/x"})
    with pytest.raises(SettingsError, match="IDLING_REPLICA_URLS: of no use"):
        load_settings(two)
