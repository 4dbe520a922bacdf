"""``/api/openapi.json``: OpenAPI 3.1, made of the schemas that check what comes in and describe what goes out.

Nobody writes that document: a field or a route that changes is in it with the next start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from idling_ws.domain.errors import JsonObject
from idling_ws.wire.answers import Error, Problem
from idling_ws.wire.describing import constraints
from idling_ws.wire.jsontext import MAX_SAFE_INTEGER
from idling_ws.wire.operations import JSON, OPERATIONS, Operation

PROBLEM = "application/problem+json"
# A body that takes either of these, and one only: what a schema of fields cannot say.
_EXACTLY_ONE = {"NotificationRead": ("ids", "up_to")}
# Whatever JSON can say exactly (``jsontext``): of a value that its own rules look at.
_JSON: JsonObject = {
    "description": "Any JSON, numbers no larger than every reader has them exactly.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "number", "minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER},
        {"type": "array", "items": {"$ref": "#/components/schemas/Json"}},
        {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Json"}},
    ],
}
_LIMITED = ("/api/", "/auth/")
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "nobody": [],
    "anybody": [{}, {"cookie": []}, {"bearer": []}],
    "somebody": [{"bearer": []}, {"cookie": []}],
    "cookie": [{"cookie": []}],
}
_INTRODUCTION = """The realtime server of Idling.app over plain HTTP: the changes of the socket, and the reads.

The socket at `/ws` is described by [/api/asyncapi.json](/api/asyncapi.json). Every error is a problem (RFC 9457).
A change takes an `Idempotency-Key`, 1-64 characters of `A-Za-z0-9_-`: sent again under the same one it takes effect
once and gets the same answer; with other arguments it is refused (`mid_reused`).
With a cookie, whatever changes something needs an `Origin` (or `Sec-Fetch-Site`) of the place itself."""


class Components:
    """Schemas turned into JSON Schema (2020-12), each once and under its name: for either document."""

    def __init__(self) -> None:
        self._plugin = MarshmallowPlugin(schema_name_resolver=_name)
        self.spec = APISpec("Idling", "1", "3.1.0", plugins=[self._plugin])
        self.converter.add_attribute_function(_constraints)  # type: ignore[no-untyped-call]  # it has no types

    @property
    def converter(self) -> OpenAPIConverter:
        """What knows how a field is told to others."""
        converter = self._plugin.converter
        assert converter is not None, "the plugin is in use"  # noqa: S101 -- for the type checker
        return converter

    def refer(self, schema: Schema | type[Schema]) -> JsonObject:
        """Return a reference to ``schema``, which is among the components from now on."""
        referred: JsonObject = self.converter.resolve_nested_schema(schema)  # type: ignore[no-untyped-call]  # as above
        return referred

    def parameters(self, schema: type[Schema], location: str) -> list[JsonObject]:
        """Return the members of ``schema`` as parameters."""
        return [dict(one) for one in self.converter.schema2parameters(schema(), location=location)]

    def schemas(self) -> JsonObject:
        """Return all that was referred to, by name."""
        found: JsonObject = self.spec.to_dict().get("components", {}).get("schemas", {})
        for name, members in _EXACTLY_ONE.items():
            if name in found:
                found[name]["oneOf"] = [{"required": [member]} for member in members]
        return {name: found[name] for name in sorted(found)}


def _name(schema: Schema | type[Schema] | str) -> str:
    return type(resolve_schema_instance(schema)).__name__.removesuffix("Schema")


def _constraints(converter: OpenAPIConverter, field: fields.Field[Any], **kwargs: Any) -> JsonObject:
    return constraints(field)


def build_openapi(version: str, categories: list[str], mutations: Mapping[str, Schema]) -> JsonObject:
    """Return the document. ``categories``: the emoji's; ``mutations``: the arguments of each public one."""
    components = Components()
    problem = components.refer(Problem)
    paths: dict[str, JsonObject] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(components, operation, problem)
    for parameter in paths["/api/emojis/search"]["get"]["parameters"]:
        if parameter["name"] == "category":
            parameter["schema"]["enum"] = categories
    components.refer(Error)
    listed = {name: components.refer(schema) for name, schema in mutations.items()}
    schemas = components.schemas()
    _list_mutations(schemas, listed)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Idling",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token of `/auth/token`."},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "idling",
                    "description": "What signing in leaves in a browser; `__Host-idling` over TLS.",
                },
            },
        },
        "x-mutations": listed,
    }


def _list_mutations(schemas: JsonObject, listed: JsonObject) -> None:
    """Say what each change is called and takes; what is wrong with one is said by its verdict, not by a status."""
    schemas["Json"] = _JSON
    asked, anything = schemas["MutationAsked"], {"$ref": "#/components/schemas/Json"}
    for member in ("name", "args", "if_version"):
        asked["properties"][member] = anything | {
            key: value for key, value in asked["properties"][member].items() if key == "description"
        }
    asked["additionalProperties"] = anything
    asked["anyOf"] = [
        {"title": name, "required": ["name", "args"], "properties": {"name": {"const": name}, "args": args}}
        for name, args in listed.items()
    ] + [{"title": "anything else", "description": "Its verdict says what is wrong with it."}]


def _operation(components: Components, operation: Operation, problem: JsonObject) -> JsonObject:
    parameters = [
        {"in": "path", "name": name, "required": True, "schema": operation.path_about.get(name, {"type": "string"})}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.query is not None:
        parameters += components.parameters(operation.query, "query")
    if operation.header is not None:
        parameters += components.parameters(operation.header, "header")
    described: JsonObject = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "security": _SECURITY[operation.who],
        "responses": {str(status): _answer(components, answer) for status, answer in operation.answers.items()},
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _body(components, operation.body, operation)
    for status in sorted(_errors(operation)):
        described["responses"].setdefault(
            str(status), {"description": _WORDS.get(status, "Refused."), "content": {PROBLEM: {"schema": problem}}}
        )
    described["responses"]["default"] = {"description": "A problem.", "content": {PROBLEM: {"schema": problem}}}
    return described


def _body(components: Components, body: type[Schema], operation: Operation) -> JsonObject:
    content: JsonObject = {"schema": components.refer(body)}
    if operation.media_type != JSON:
        content["encoding"] = {"file": {"contentType": "image/png, image/gif, image/webp, image/jpeg"}}
    return {"required": operation.body_required, "content": {operation.media_type: content}}


def _answer(components: Components, answer: type[Schema] | str | None) -> JsonObject:
    if answer is None:
        return {"description": "Nothing more to say."}
    if isinstance(answer, str):
        return {"description": "As it is.", "content": {answer: {}}}
    about = (answer.__doc__ or "").strip().partition("\n")[0]
    words = "Done." if not about or about.startswith("Something") else about
    return {"description": words, "content": {JSON: {"schema": components.refer(answer)}}}


_WORDS = {
    400: "It could not be read.",
    401: "Sign in first.",
    403: "Not for you.",
    404: "Not there.",
    409: "The rules say no; `current` is what holds.",
    410: "That position is gone.",
    413: "Too large.",
    415: "Another media type is wanted.",
    422: "Not valid; `fields` says where.",
    429: "Too fast; `retry_after_ms` says when.",
    503: "Not just now.",
}


def _errors(operation: Operation) -> set[int]:
    """Return the statuses of what can go wrong with any operation of that kind, and with this one."""
    errors = {*operation.errors}
    if operation.who in {"somebody", "cookie"}:
        errors |= {401, 403, 503}
    if operation.path.startswith(_LIMITED):
        errors.add(429)
    if operation.body is not None:
        errors |= {400, 413, 415, 422}
    if operation.query is not None or operation.header is not None:
        errors.add(422)
    return errors


def _tag(path: str) -> str:
    """Return what a path is about: its first telling part."""
    parts = [part for part in path.split("/") if part]
    if not parts or parts[0] in {"static", "inspector", "admin"} or ("." in parts[-1] and len(parts) == 1):
        return "pages"
    if parts[0] == "api":
        return parts[1].partition(".")[0]
    return parts[0] if parts[0] in {"auth", "files"} else "machines"


def _operation_id(operation: Operation) -> str:
    parts = re.findall(r"\w+", operation.path)
    return "_".join([operation.method.lower(), *(parts[1:] if parts[:1] == ["api"] else parts)]) or "get_index"
