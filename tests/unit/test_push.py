"""Web Push: which places we post to, and which keys are keys."""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idling_ws.delivery.push import Posted
from idling_ws.domain.push import MAX_ENDPOINT, OTHER_TITLE, TITLES, Services, Subscription, is_point
from idling_ws.edge.web_push import PublicOnly, WebPushLine, derive_signing_key, is_public, origin_of


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/a:b",
        "https://fcm.googleapis.com:443/fcm/send/a",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com/x",
        "https://wns2-par02p.notify.windows.com/w/?token=x",
    ],
)
def test_the_usual_services_are_accepted(endpoint: str) -> None:
    assert Services().accept(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil-fcm.googleapis.com/x",
        "https://push.apple.com/x",
        "https://xpush.apple.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://evil.example\\.push.apple.com/x",
        "https://evil.example%2f.push.apple.com/x",
        "https://evil.example%00.push.apple.com/x",
        "https://.push.apple.com/x",
        "https://me@fcm.googleapis.com/x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://evil.example#fcm.googleapis.com",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com\\@evil.example/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://[::1]/x",
        "https://[::1/x",
        "https://fcm.googleapis.com:99999/x",
        "https:///x",
        "file:///etc/passwd",
        "https://fcm.googleapis.com/ x",
        "https://fcm.googleapis.com/\n",
        "https://fcm.googleapis.com/\N{CYRILLIC SMALL LETTER A}",
        "https://fcm.googleapis.com/" + "x" * MAX_ENDPOINT,
        "",
    ],
)
def test_nothing_else_is(endpoint: str) -> None:
    assert not Services().accept(endpoint)


def test_a_private_service_is_accepted_only_where_it_is_listed() -> None:
    private = Services(("127.0.0.1:9000",), private=True)
    assert private.accept("http://127.0.0.1:9000/x")
    assert not private.accept("http://127.0.0.1:9001/x")
    assert not Services(("127.0.0.1:9000",)).accept("https://127.0.0.1:9000/x")
    assert not Services(()).accept("https://fcm.googleapis.com/x")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "::7f00:1", "fec0::1", "64:ff9b:1::7f00:1", "240.0.0.1",
        "ff02::1", "192.0.2.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    """Also where IPv4 hides in IPv6: mapped, NAT64, 6to4."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_outside_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://fcm.googleapis.com:443/x", "https://fcm.googleapis.com"),
        ("https://FCM.googleapis.com/x", "https://fcm.googleapis.com"),
        ("http://127.0.0.1:9000/x", "http://127.0.0.1:9000"),
        ("http://[::1]:80/x", "http://[::1]"),
    ],
)
def test_who_is_meant_is_written_as_browsers_do(endpoint: str, origin: str) -> None:
    """A push service compares it with its own origin, character by character."""
    assert origin_of(endpoint) == origin


def test_every_kind_has_words_of_its_own() -> None:
    """What is not known yet has some, too; and none of them has a place for somebody's words."""
    assert all("{" not in title for title in (*TITLES.values(), OTHER_TITLE))


class Liar(AbstractResolver):
    """A name server that says what it is told to, one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def test_of_a_names_addresses_only_the_public_ones_are_dialled() -> None:
    """It is asked once for a connection, and what was checked is what is dialled: a second answer is no use."""
    resolver = PublicOnly(Liar(["127.0.0.1", "8.8.8.8", "10.0.0.1"], ["169.254.169.254"]))
    assert [one["host"] for one in await resolver.resolve("push.example", 443)] == ["8.8.8.8"]
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("push.example", 443)


async def test_a_listed_name_that_leads_inside_is_not_dialled() -> None:
    """Its host is on the list, but it means this machine: nothing is even connected to."""
    dialled = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.append(writer)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        key = ec.generate_private_key(ec.SECP256R1())
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        encoded = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        subscription = Subscription(f"https://localhost:{port}/x", encoded, "AAECAwQFBgcICQoLDA0ODw")
        line = WebPushLine(Services((f"localhost:{port}",)), derive_signing_key("a" * 32), "mailto:push@example.org")
        try:
            assert await line.post(subscription, b"{}", "topic") is Posted.FAILED
        finally:
            await line.close()
    assert dialled == []


def test_a_point_is_on_the_curve() -> None:
    """What is not would make encryption fail later, or worse."""
    raw = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )  # fmt: skip
    assert is_point(raw)
    assert not is_point(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert not is_point(b"\x02" + raw[1:])
    assert not is_point(raw[:-1])
    assert not is_point(b"\x04" + b"\xff" * 64)


def test_all_instances_sign_with_one_key() -> None:
    keys = [derive_signing_key(secret).private_numbers().private_value for secret in ("a" * 32, "a" * 32, "b" * 32)]
    assert keys[0] == keys[1] != keys[2]
