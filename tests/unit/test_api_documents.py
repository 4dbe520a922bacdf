"""The API's documents: valid by their own rules, and about the very routes, frames and arguments that there are."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from idling_ws.cli import main
from idling_ws.domain.errors import CODES, InvalidError
from idling_ws.edge.docs import Docs, asyncapi_document, openapi_document, plain_page, swagger_folder
from idling_ws.edge.pages import Pages, static_dir
from idling_ws.edge.routes import add_routes
from idling_ws.mutations.table import MUTATIONS
from idling_ws.wire import frames, schemas
from idling_ws.wire.operations import OPERATIONS

Json = dict[str, Any]
# Not plain HTTP: it is what AsyncAPI is about.
SOCKET = ("GET", "/ws")


@pytest.fixture(scope="module")
def openapi() -> Json:
    """The document of plain HTTP."""
    document: Json = json.loads(openapi_document())
    return document


@pytest.fixture(scope="module")
def asyncapi() -> Json:
    """The document of the socket."""
    document: Json = json.loads(asyncapi_document())
    return document


def references(node: Any) -> Iterator[str]:
    """Yield every ``$ref`` in a document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def found(document: Json, reference: str) -> Any:
    """Return what a reference leads to. Raises ``KeyError``."""
    assert reference.startswith("#/")
    node: Any = document
    for part in reference[2:].split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_every_route_is_described_and_nothing_else_is(openapi: Json) -> None:
    """Method by method: a route that nobody described is found here, and a row about none, too."""
    app = web.Application()
    add_routes(app)
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method not in {"HEAD", "OPTIONS"}
    }
    described = {(method.upper(), path) for path, methods in openapi["paths"].items() for method in methods}
    assert described == routes - {SOCKET}
    assert len(OPERATIONS) == len(described), "a row comes twice"


def test_openapi_is_valid_by_its_meta_schema(openapi: Json) -> None:
    """3.1, with every schema in it."""
    assert list(OpenAPIV31SpecValidator(openapi).iter_errors()) == []


def test_every_reference_leads_somewhere_and_every_component_is_referred_to(openapi: Json, asyncapi: Json) -> None:
    """In both documents."""
    for document in (openapi, asyncapi):
        referred = set(references(document))
        for reference in referred:
            found(document, reference)
        schemas_there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert schemas_there - referred == set()


def test_every_operation_says_who_what_and_how_it_fails(openapi: Json) -> None:
    """An id of its own, a summary, its path's parameters, a success and the problem."""
    ids: list[str] = []
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            in_path = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert any(status < "400" for status in operation["responses"])
            problem = operation["responses"]["default"]["content"]
            assert list(problem) == ["application/problem+json"]
            if operation["security"] and {} not in operation["security"]:
                assert {"401", "403"} <= operation["responses"].keys()
    assert len(ids) == len(set(ids))


def test_the_documents_name_every_code_and_every_change(openapi: Json, asyncapi: Json) -> None:
    """Of the tables of the code."""
    public = {name for name, mutation in MUTATIONS.items() if mutation.public}
    assert openapi["x-mutations"].keys() == public
    *named, anything = openapi["components"]["schemas"]["MutationAsked"]["anyOf"]
    asked = {one["properties"]["name"]["const"]: one["properties"]["args"] for one in named}
    assert asked == openapi["x-mutations"]
    assert anything.keys() == {"title", "description"}
    assert {name.removeprefix("mutate.") for name in asyncapi["components"]["messages"] if "mutate." in name} == public
    assert openapi["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(CODES)


def test_asyncapi_tells_every_frame_in_its_direction(asyncapi: Json) -> None:
    """Those of the protocol's two tables; each message goes one way."""
    assert asyncapi["asyncapi"] == "3.0.0"
    ways = {
        operation["action"]: [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]
        for operation in asyncapi["operations"].values()
    }
    kinds = {way: {asyncapi["components"]["messages"][name]["name"] for name in names} for way, names in ways.items()}
    assert kinds == {
        "receive": {"hello", "mutate", "heartbeat", "resume", "ack", "subscribe", "unsubscribe", "refresh", "bye"},
        "send": {
            "welcome", "entry", "verdict", "heartbeat", "notice", "subscribed", "unsubscribed", "refreshed", "error",
            "bye",
        },
    }  # fmt: skip
    assert {*ways["receive"], *ways["send"]} == asyncapi["channels"]["socket"]["messages"].keys()


def validator(document: bytes, name: str) -> jsonschema_rs.Draft202012Validator:
    """Return what checks a value against one component."""
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **json.loads(document)})


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=70), st.just({}), st.just([]))
MIDS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), ANYTHING)


@given(mid=MIDS, name=ANYTHING, args=ANYTHING, version=ANYTHING)
def test_a_mutate_frame_is_read_exactly_when_its_schema_takes_it(mid: Any, name: Any, args: Any, version: Any) -> None:
    """What is written down and what is read by hand are the same."""
    message = {"type": "mutate", "mid": mid, "name": name, "args": args, "if_version": version}
    is_valid = validator(asyncapi_document(), "Mutate").is_valid(message)
    try:
        frames.read_mutate(message)
    except InvalidError:
        assert not is_valid
    else:
        assert is_valid


TEXTS = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x2FFF), max_size=90)


@given(activity=TEXTS)
def test_words_are_taken_exactly_when_their_pattern_says_so(activity: str) -> None:
    """Length, control characters and blanks."""
    is_valid = validator(openapi_document(), "SessionStart").is_valid({"activity": activity})
    try:
        schemas.load(schemas.SessionStart(), {"activity": activity})
    except InvalidError:
        assert not is_valid
    else:
        assert is_valid


@pytest.mark.parametrize(
    ("given_count", "taken"), [(3, 3), (3.0, 3), (3.5, None), (True, None), ("3", None), (0, None)]
)
def test_a_whole_number_is_what_json_schema_calls_an_integer(given_count: Any, taken: int | None) -> None:
    """JSON has one kind of number: ``3.0`` is a whole one, and ``true`` is none at all."""
    args = {"emoji": "1F600", "count": given_count}
    assert validator(openapi_document(), "EmojiUse").is_valid(args) == (taken is not None)
    if taken is None:
        with pytest.raises(InvalidError):
            schemas.load(schemas.EmojiUse(), args)
    else:
        count = schemas.load(schemas.EmojiUse(), args)["count"]
        assert (type(count), count) == (int, taken)


@pytest.mark.parametrize(("command", "document"), [("openapi", openapi_document), ("asyncapi", asyncapi_document)])
def test_the_command_line_prints_the_same(command: str, document: Any) -> None:
    """Without any server or setting."""
    result = CliRunner().invoke(main, [command])
    assert (result.exit_code, json.loads(result.output)) == (0, json.loads(document()))


async def test_without_the_extra_the_list_is_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the policy of all pages; of what the other page is made of nothing is there."""
    assert swagger_folder() is not None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert swagger_folder() is None
    docs = Docs(Pages(static_dir()))
    response = await docs.page(make_mocked_request("GET", "/api/docs"))
    assert isinstance(response, web.Response)
    assert response.text == plain_page()
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    with pytest.raises(InvalidError):
        await docs.file(make_mocked_request("GET", "/api/docs/x", match_info={"name": "swagger-ui.css"}))


def test_the_plain_page_names_every_route_and_says_how_to_get_the_other() -> None:
    """For who has not installed the extra."""
    page = plain_page()
    for operation in OPERATIONS:
        assert operation.path in page
    assert "idling-ws[docs]" in page.replace("&#x27;", "'")
    assert "<script" not in page
