"""Argument schemas told to others: as JSON Schema (2020-12), made of the very fields that check what comes in."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from idling_ws.domain.errors import JsonObject
from idling_ws.domain.names import MAX_LENGTH, MIN_LENGTH, NAME_PATTERN
from idling_ws.wire.schemas import Line, Moment, PersonName, PushKey


def describe(schema: Schema) -> JsonObject:
    """Return the arguments of a mutation as a JSON Schema object."""
    described: JsonObject = {
        "type": "object",
        "properties": {name: _field(field) for name, field in schema.fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, field in schema.fields.items() if field.required]
    if required:
        described["required"] = required
    return described


# What ``Line`` takes: no control characters (line breaks where it may have them), and something to see.
_VISIBLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0\s][^\x00-\x1f\x7f-\x9f]*$"
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"
_BROKEN = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"


def constraints(field: fields.Field[Any]) -> JsonObject:
    """Return what a field of our own says beyond its type, for a document that is checked by machines."""
    match field:
        case Line():
            pattern = _BROKEN if field.breaks else _VISIBLE if field.low else _PLAIN
            return {"minLength": field.low, "maxLength": field.high, "pattern": pattern}
        case PersonName():
            return {"minLength": MIN_LENGTH, "maxLength": MAX_LENGTH, "pattern": NAME_PATTERN}
        case Moment():
            return {"format": "date-time"}
        case PushKey():
            return {"contentEncoding": "base64url"}
        case _:
            return {}


def _field(field: fields.Field[object]) -> JsonObject:
    described = _kind(field)
    for validator in [*field.validators]:
        if isinstance(validator, validate.OneOf):
            described["enum"] = list(validator.choices)
        elif isinstance(validator, validate.Range):
            described |= {"minimum": validator.min, "maximum": validator.max}
        elif isinstance(validator, validate.Length):
            described |= {"minItems": validator.min, "maxItems": validator.max}
    if field.allow_none:
        described["type"] = [described["type"], "null"]
    return described


def _kind(field: fields.Field[object]) -> JsonObject:
    """Return the type of a field. Raises ``TypeError`` for one that nobody has described yet."""
    match field:
        case Line():
            return {"type": "string", **constraints(field)} | ({"format": "multiline"} if field.breaks else {})
        case PersonName() | Moment() | PushKey():
            return {"type": "string", **constraints(field)}
        case fields.Nested():
            return describe(field.schema)
        case fields.List():
            return {"type": "array", "items": _field(field.inner)}
        case fields.Boolean():
            return {"type": "boolean"}
        case fields.Integer():
            return {"type": "integer"}
        case fields.Float():
            return {"type": "number"}
        case fields.String():
            return {"type": "string"}
        case _:
            raise TypeError(f"{type(field).__name__} is not described")
