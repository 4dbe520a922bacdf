"""Messages on a socket: what cannot be understood gets its error, is not stored, and ends nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.bystander import Bystander
from tests.support.instances import Instance
from tests.support.shapes import is_error
from tests.support.wire_client import connect, sign_in, upgrade


def mutate(**members: Any) -> str:
    """Return a message that would start a session, but for ``members`` (``...`` leaves one out)."""
    message = {"type": "mutate", "mid": "m1", "name": "session.start", "args": {"activity": "reading"}, **members}
    return json.dumps({key: value for key, value in message.items() if value is not ...})


def start(**args: Any) -> str:
    """Return a ``session.start`` with these arguments."""
    return mutate(args={"activity": "reading", **args})


def raw_start(value: str) -> str:
    """Return a ``session.start`` whose activity is this piece of JSON."""
    return mutate(args={"activity": "#"}).replace('"#"', value)


# Text of a frame, the code of its ``error``, and the fields that it names.
ERRORS: dict[str, tuple[str, str, set[str]]] = {
    "nothing": ("", "bad_json", set()),
    "line feeds alone": ("\n\n", "bad_json", set()),
    "not JSON": ('{"type":', "bad_json", set()),
    "a word": ("hello", "bad_json", set()),
    "something behind the object": ('{"type":"heartbeat"} x', "bad_json", set()),
    "a byte order mark": ('\ufeff{"type":"heartbeat"}', "bad_json", set()),
    "NaN": (raw_start("NaN"), "bad_json", set()),
    "Infinity": (raw_start("-Infinity"), "bad_json", set()),
    "a number past all doubles": (raw_start("1e400"), "bad_json", set()),
    "an integer of 5,000 digits": (raw_start("9" * 5000), "bad_json", set()),
    "an integer that not all readers see alike": (raw_start(str(2**53)), "bad_json", set()),
    "a lone surrogate": (raw_start(r'"\ud800"'), "bad_json", set()),
    "a lone low surrogate": (raw_start(r'"\udc00x"'), "bad_json", set()),
    "a raw NUL": (raw_start('"a\0b"'), "bad_json", set()),
    "16,000-deep nesting": ("[" * 16_000 + "]" * 16_000, "bad_json", set()),
    "deep nesting in the arguments": (raw_start("[" * 40 + "]" * 40), "bad_json", set()),
    "a key twice": ('{"type":"heartbeat","type":"bye"}', "bad_json", set()),
    "a key twice inside": (
        '{"type":"mutate","mid":"m1","name":"session.start","args":{"activity":"a","activity":"b"}}', "bad_json", set()
    ),
    "a key twice in two spellings": ('{"type":"heartbeat","typ\\u0065":"bye"}', "bad_json", set()),
    "a list": ("[]", "bad_frame", set()),
    "a string": ('"heartbeat"', "bad_frame", set()),
    "a number": ("1", "bad_frame", set()),
    "null": ("null", "bad_frame", set()),
    "no type": ("{}", "bad_frame", set()),
    "a type that is no string": ('{"type":1}', "bad_frame", set()),
    "an unknown type": ('{"type":"teleport"}', "unknown_type", set()),
    "a type of the server's": ('{"type":"welcome"}', "unknown_type", set()),
    "a mutation without mid": (mutate(mid=...), "bad_frame", {"mid"}),
    "a mid that is a number": (mutate(mid=1), "bad_frame", {"mid"}),
    "an empty mid": (mutate(mid=""), "bad_frame", {"mid"}),
    "a mid too long": (mutate(mid="x" * 65), "bad_frame", {"mid"}),
    "a mid with a line feed": (mutate(mid="x\n"), "bad_frame", {"mid"}),
    "a mid with NUL": (mutate(mid="x\0"), "bad_frame", {"mid"}),
    "a mid in foreign digits": (mutate(mid="١٢"), "bad_frame", {"mid"}),
    "a mutation without name": (mutate(name=...), "bad_frame", {"name"}),
    "a name that is no string": (mutate(name=["session.start"]), "bad_frame", {"name"}),
    "a mutation without args": (mutate(args=...), "bad_frame", {"args"}),
    "args that are null": (mutate(args=None), "bad_frame", {"args"}),
    "args that are a list": (mutate(args=[]), "bad_frame", {"args"}),
    "if_version in quotes": (mutate(if_version="1"), "bad_frame", {"if_version"}),
    "if_version true": (mutate(if_version=True), "bad_frame", {"if_version"}),
    "if_version with a fraction": (mutate(if_version=1.5), "bad_frame", {"if_version"}),
    "if_version below zero": (mutate(if_version=-1), "bad_frame", {"if_version"}),
    "everything wrong": (
        mutate(mid=1, name=2, args=3, if_version="4"), "bad_frame", {"mid", "name", "args", "if_version"}
    ),
    "a heartbeat of no known kind": ('{"type":"heartbeat","activity":"asleep"}', "bad_frame", {"activity"}),
    "a heartbeat of the wrong type": ('{"type":"heartbeat","activity":1}', "bad_frame", {"activity"}),
    "an ack without cursor": ('{"type":"ack"}', "bad_cursor", set()),
    "an ack of a bad cursor": ('{"type":"ack","cursor":"x.1"}', "bad_cursor", set()),
    "a resume without cursor": ('{"type":"resume"}', "bad_cursor", set()),
    "a resume at a number": ('{"type":"resume","cursor":17}', "bad_cursor", set()),
    "a resume at a negative place": ('{"type":"resume","cursor":"abc.-1.0"}', "bad_cursor", set()),
    "a resume past all integers": (
        '{"type":"resume","cursor":"abc.%s.0"}' % ("9" * 40), "bad_cursor", set()
    ),
    "a resume with a line feed": ('{"type":"resume","cursor":"abc.1.0\\n"}', "bad_cursor", set()),
    "a topic that is none": ('{"type":"subscribe","topic":"kitchen"}', "bad_frame", {"topic"}),
    "no topic": ('{"type":"subscribe"}', "bad_frame", {"topic"}),
    "a topic that is a list": ('{"type":"unsubscribe","topic":["lobby"]}', "bad_frame", {"topic"}),
    "a refresh without token": ('{"type":"refresh"}', "bad_frame", {"token"}),
    "a refresh with nonsense": ('{"type":"refresh","token":"a.b.c"}', "unauthenticated", set()),
    "a second hello": ('{"type":"hello","client":{}}', "bad_frame", set()),
}  # fmt: skip

# Text of a frame, the code of its ``verdict``, and the fields that it names.
REFUSALS: dict[str, tuple[str, str, set[str]]] = {
    "an unknown mutation": (mutate(name="session.begin"), "unknown_mutation", set()),
    "a mutation of the server's own": (
        mutate(name="session.time_out", args={"id": "x"}), "unknown_mutation", set()
    ),
    "a name with NUL": (mutate(name="session.start\0"), "unknown_mutation", set()),
    "no arguments": (mutate(args={}), "invalid_arguments", {"activity"}),
    "an unknown argument": (start(colour="red"), "invalid_arguments", {"colour"}),
    "an argument of the wrong type": (start(activity=1), "invalid_arguments", {"activity"}),
    "an argument that is null": (start(activity=None), "invalid_arguments", {"activity"}),
    "an argument that is a list": (start(activity=["a"]), "invalid_arguments", {"activity"}),
    "an empty text": (start(activity=""), "invalid_arguments", {"activity"}),
    "a blank text": (start(activity=" \u2003"), "invalid_arguments", {"activity"}),
    "a text too long": (start(activity="x" * 81), "invalid_arguments", {"activity"}),
    "NUL in a text": (start(activity="a\0b"), "invalid_arguments", {"activity"}),
    "a control character in a text": (start(activity="a\x1bb"), "invalid_arguments", {"activity"}),
    "a line feed in a line": (start(activity="a\nb"), "invalid_arguments", {"activity"}),
    "two mistakes": (start(activity="", colour=1), "invalid_arguments", {"activity", "colour"}),
    "an unknown value inside": (
        mutate(name="preferences.set", args={"values": {"theme": "pink", "sounds": 1, "font": "x"}}),
        "invalid_arguments",
        {"values.theme", "values.sounds", "values.font"},
    ),
    "a name of one character": (mutate(name="profile.update", args={"name": "x"}), "invalid_arguments", {"name"}),
    "a name of NULs": (mutate(name="profile.update", args={"name": "a\0\0b"}), "invalid_arguments", {"name"}),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
async def test_what_cannot_be_understood_is_an_error(
    pair: tuple[Instance, Instance], bystander: Bystander, what: str
) -> None:
    """It carries the ``mid`` where there was a good one; the connection stays as it was."""
    text, code, fields = ERRORS[what]
    login = await sign_in(pair[0].url)
    async with await connect(pair[0].url, login.token) as device, bystander.undisturbed():
        device.send_text(text)
        answer = await device.receive()
        assert answer["type"] == "error"
        assert is_error(answer["error"], code)
        assert set(answer["error"].get("fields", {})) == fields
        assert answer.get("mid") == ("m1" if fields and "mid" not in fields and '"m1"' in text else None)
        device.send({"type": "still-here"})
        assert is_error((await device.receive())["error"], "unknown_type")


@pytest.mark.parametrize("what", REFUSALS)
async def test_what_may_not_be_is_refused_with_a_verdict(
    pair: tuple[Instance, Instance], bystander: Bystander, what: str
) -> None:
    """Outside the stream, and never stored: the same ``mid`` may be used for something better."""
    text, code, fields = REFUSALS[what]
    login = await sign_in(pair[0].url)
    async with await connect(pair[0].url, login.token) as device:
        async with bystander.undisturbed():
            device.send_text(text)
            answer = await device.receive()
            assert (answer["type"], answer["mid"], answer["status"]) == ("verdict", "m1", "rolled_back")
            assert is_error(answer["error"], code)
            assert set(answer["error"].get("fields", {})) == fields
        assert (await device.mutate("session.start", {"activity": "reading"}, mid="m1"))["status"] == "confirmed"


async def test_the_main_mistakes_are_answered_alike_on_a_stock_socket(stock: Instance, bystander: Bystander) -> None:
    """The two kinds of socket differ below the messages only."""
    login = await sign_in(stock.url)
    async with await connect(stock.url, login.token) as device, bystander.undisturbed():
        for what in ("not JSON", "a list", "an unknown type", "a mutation without mid", "a lone surrogate"):
            text, code, _ = ERRORS[what]
            device.send_text(text)
            assert is_error((await device.receive())["error"], code)


async def test_unknown_fields_are_ignored(door: str) -> None:
    """Of a message, unlike of arguments: so that the contract can grow."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        device.send({"type": "heartbeat", "activity": "idle", "mood": "calm"})
        device.send({"type": "mutate", "mid": "m1", "name": "profile.update", "args": {"bio": "x"}, "colour": "red"})
        assert (await device.verdict("m1"))["status"] == "confirmed"


async def test_a_frame_of_several_objects_is_as_many_messages(door: str) -> None:
    """Each is taken by itself, in order: a bad one takes no other with it."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        lines = [mutate(mid="m1"), "not json", '{"type":"teleport"}', "[]", mutate(mid="m2"), '{"type":"heartbeat"}']
        device.send_text("\n".join(lines))
        answers = [await device.receive() for _ in range(3)]
        assert [answer["error"]["code"] for answer in answers] == ["bad_json", "unknown_type", "bad_frame"]
        first, second = await device.expect("entry"), await device.expect("entry")
        assert (first["items"][-1]["mid"], first["items"][-1]["status"]) == ("m1", "confirmed")
        assert second["items"][-1]["error"]["code"] == "session_already_active"


async def test_an_object_over_several_lines_is_one_message(door: str) -> None:
    """A line feed inside an object joins nothing."""
    login = await sign_in(door)
    async with await connect(door, login.token) as device:
        device.send_text(json.dumps(json.loads(mutate()), indent=1))
        assert (await device.verdict("m1"))["status"] == "confirmed"


async def test_nothing_is_taken_after_bye(door: str, bystander: Bystander) -> None:
    """Not even from the same frame."""
    login = await sign_in(door)
    device = await connect(door, login.token)
    async with bystander.undisturbed():
        device.send_text('{"type":"bye"}\n' + mutate())
        assert (await device.expect_close()).code == 1000


BEFORE_HELLO = [
    mutate(), '{"type":"heartbeat"}', '{"type":"ack","cursor":"a.0.0"}', '{"type":"resume","cursor":"a.0.0"}',
    '{"type":"subscribe","topic":"lobby"}', '{"type":"refresh","token":"a.b.c"}',
]  # fmt: skip
BAD_HELLOS: list[dict[str, Any]] = [
    {"client": []}, {"client": "x"}, {"client": {"id": 1}}, {"client": {"name": "x" * 101}}, {"client": None},
    {"client": {}, "token": 1}, {"client": {}, "token": "x" * 5000}, {"client": {}, "token": ["a"]},
]  # fmt: skip


async def test_before_hello_nothing_else_is_taken(door: str, bystander: Bystander) -> None:
    """It is an error, and the connection waits on: a hello after it is welcome."""
    login = await sign_in(door)
    async with await upgrade(door) as wire, bystander.undisturbed():
        for text in BEFORE_HELLO:
            wire.send_text(text)
            assert is_error((await wire.receive())["error"], "bad_frame")
        wire.send_text("{")
        assert is_error((await wire.receive())["error"], "bad_json")
        for hello in BAD_HELLOS:
            wire.send({"type": "hello", **hello})
            answer = await wire.receive()
            assert is_error(answer["error"], "bad_frame")
            assert answer["error"]["fields"]
        wire.send({"type": "hello", "client": {}, "token": login.token})
        assert (await wire.receive())["type"] == "welcome"


async def test_bye_is_understood_before_hello(door: str) -> None:
    """Whoever changes their mind may leave in order."""
    wire = await upgrade(door)
    wire.send({"type": "bye"})
    assert (await wire.expect_close()).code == 1000


async def test_messages_sent_right_behind_hello_are_taken_after_the_welcome(door: str) -> None:
    """In order, from the same frame or from later ones; a second hello among them is an error."""
    login = await sign_in(door)
    hello = {"type": "hello", "client": {"id": "d", "name": "n", "version": "1"}, "token": login.token}
    async with await upgrade(door) as wire:
        wire.send(hello, {"type": "teleport"}, hello)
        wire.send_text(mutate())
        assert (await wire.receive())["type"] == "welcome"
        assert is_error((await wire.receive())["error"], "unknown_type")
        assert is_error((await wire.receive())["error"], "bad_frame")
        assert (await wire.receive())["items"][-1]["status"] == "confirmed"
