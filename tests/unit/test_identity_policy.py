"""The policy table, where an answer may lead, and what provider settings are refused."""

from __future__ import annotations

import pytest

from idling_ws.domain.errors import DeniedError
from idling_ws.domain.roles import ROLES, after_linking
from idling_ws.identity.attempts import safe_path
from idling_ws.identity.policy import POLICY, allow, allows
from idling_ws.identity.providers import ProviderSettingsError, generic, preset
from idling_ws.identity.sealing import Seal, SealBrokenError, Stamp, derive_key


def test_what_is_not_in_the_table_nobody_may() -> None:
    for role in ROLES:
        assert not allows([role], "universe.delete")
    with pytest.raises(DeniedError):
        allow(ROLES, "universe.delete")


def test_who_has_no_role_may_nothing() -> None:
    for action in POLICY:
        assert not allows([], action)
        assert not allows(["root", ""], action)


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        ("session.start", {"guest", "member", "moderator", "admin"}),
        ("custom_emoji.review", {"moderator", "admin"}),
        ("user.suspend", {"moderator", "admin"}),
        ("announcement.publish", {"admin"}),
        ("user.grant", {"admin"}),
        ("admin.view", {"admin"}),
    ],
)
def test_an_action_is_for_its_roles_and_no_other(action: str, roles: set[str]) -> None:
    assert {role for role in ROLES if allows([role], action)} == roles


def test_any_of_several_roles_is_enough() -> None:
    allow(["member", "moderator"], "user.suspend")


def test_a_guest_who_links_an_account_becomes_a_member() -> None:
    assert after_linking(("guest",)) == ("member",)
    assert after_linking(("admin", "member")) == ("admin", "member")


@pytest.mark.parametrize("path", ["/", "/room", "/room?id=7&x=%2F", "/a/b#c", "/./x", "/authors"])
def test_a_path_of_this_site_is_kept(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "room", "https://evil.test", "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test"),
        *("/\t/evil.test", "/\n/evil.test", "/\r\nSet-Cookie: a=b", "javascript:alert(1)", " /x", "/ x"),
        *("/x\x00", "/\u2215evil.test", "/" + "x" * 600, "/auth/logout", "/auth/login/twitch"),
    ],
)
def test_a_path_that_could_lead_away_leads_home(path: str) -> None:
    assert safe_path(path) == "/"


@pytest.mark.parametrize(
    ("name", "issuer", "client_id"),
    [
        ("Oidc", "https://id.test", "x"),
        ("a/b", "https://id.test", "x"),
        ("", "https://id.test", "x"),
        ("oidc", "http://id.test", "x"),
        ("oidc", "https://user@id.test", "x"),
        ("oidc", "https://id.test#x", "x"),
        ("oidc", "https://", "x"),
        ("oidc", "ftp://127.0.0.1", "x"),
        ("oidc", "https://id.test", ""),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, issuer: str, client_id: str) -> None:
    with pytest.raises(ProviderSettingsError):
        generic(name, issuer, client_id, None)


def test_this_machine_may_be_asked_without_tls_and_without_credentials() -> None:
    assert generic("oidc", "http://127.0.0.1:9000", "x", None).issuer == "http://127.0.0.1:9000"
    assert preset("twitch", None, None, issuer="http://127.0.0.1:8082/oauth2").client_id == "idling-local"
    with pytest.raises(ProviderSettingsError):
        preset("twitch", None, None)


def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(preset("google", "id", "hush"))


def test_purposes_and_secrets_have_keys_of_their_own() -> None:
    keys = {derive_key(secret, purpose) for secret in ("a", "b") for purpose in ("x", "y")}
    assert len(keys) == 4
    assert derive_key("a", "x") == derive_key(b"a", "x")
    with pytest.raises(ValueError, match="empty"):
        derive_key("", "x")


def test_what_is_sealed_opens_only_untouched_and_under_its_name() -> None:
    seal = Seal("a", "x")
    sealed = seal.close(b"plain", "name")
    assert seal.open(sealed, "name") == b"plain"
    assert seal.close(b"plain", "name") != sealed
    broken = [sealed[:-1], sealed + b"\x00", b"", b"\x01", b"\x02" + sealed[1:], sealed[:20] + b"\x00" + sealed[21:]]
    for bad in broken:
        with pytest.raises(SealBrokenError):
            seal.open(bad, "name")
    for other, name in ((seal, "other"), (Seal("b", "x"), "name"), (Seal("a", "y"), "name")):
        with pytest.raises(SealBrokenError):
            other.open(sealed, name)


def test_a_stamp_fits_only_its_message() -> None:
    stamp = Stamp("a", "x")
    assert stamp.fits(b"m", stamp.of(b"m"))
    assert not stamp.fits(b"n", stamp.of(b"m"))
    assert not stamp.fits(b"m", b"")
    assert not Stamp("b", "x").fits(b"m", stamp.of(b"m"))
