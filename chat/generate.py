"""What is generated from the wire: docs/protocol.md, docs/protocol.schema.json and the clients' protocol.js.

Pure functions from protocol.py's models to text. `manage.py protocol` writes the files, a test holds them equal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from chat import protocol
from chat.protocol import CLIENT_FRAMES, SERVER_FRAMES, Frame
from chat.protocol_prose import CLIENT_INTRO, EXAMPLES, INTRO, RULES, SEQUENCE, SEQUENCE_INTRO, SERVER_INTRO

BY = "Generated from chat/protocol.py by `python manage.py protocol`. Change that, not this."
Schema = dict[str, Any]


def files() -> dict[Path, str]:
    """Every generated file with its text, by its path in the project."""
    return {
        Path("docs/protocol.md"): markdown(),
        Path("docs/protocol.schema.json"): json_schema(),
        Path("frontend-uniapp/src/chat/protocol.js"): javascript(),
    }


# --- JSON Schema ---------------------------------------------------------------------------------------------------------------


def definitions() -> dict[str, Schema]:
    """Each model's schema by its name. What the server sends never holds null and always says its constants."""
    _, document = models_json_schema([(frame, "validation") for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)], ref_template="#/$defs/{model}")
    schemas: dict[str, Schema] = document["$defs"]
    from_client = {frame.__name__ for frame in CLIENT_FRAMES} | {"Options"}
    return {name: schema if name in from_client else _as_sent(schema) for name, schema in sorted(schemas.items())}


def _as_sent(schema: Schema) -> Schema:
    """`Frame.wire` leaves out what is None, and nothing else. There may be more fields one day, so a client must not refuse them."""
    properties = {name: _without_null(field) for name, field in schema["properties"].items()}
    required = [name for name, field in schema["properties"].items() if "default" not in field or field["default"] is not None]
    rest = {key: value for key, value in schema.items() if key != "additionalProperties"}
    return {**rest, "properties": properties, "required": required}


def _without_null(field: Schema) -> Schema:
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    rest = {key: value for key, value in field.items() if key != "anyOf" and not (key == "default" and value is None)}
    if not kinds:
        return rest
    return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}


def json_schema() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"llmsite, frames of ws/chat/, version {protocol.VERSION}",
        "description": BY,
        "oneOf": [{"$ref": "#/$defs/ClientFrame"}, {"$ref": "#/$defs/ServerFrame"}],
        "$defs": {**definitions(), "ClientFrame": _one_of(CLIENT_FRAMES), "ServerFrame": _one_of(SERVER_FRAMES)},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _one_of(frames: tuple[type[Frame], ...]) -> Schema:
    return {"oneOf": [{"$ref": f"#/$defs/{frame.__name__}"} for frame in frames]}


def type_of(frame: type[Frame]) -> str:
    return str(get_args(frame.model_fields["type"].annotation)[0])


# --- JavaScript ----------------------------------------------------------------------------------------------------------------


def javascript() -> str:
    schemas = definitions()
    parts = [
        f"/**\n * The wire of llmsite, version {protocol.VERSION}: constants and types.\n * {BY}\n *\n * @module\n */",
        f"export const VERSION = {protocol.VERSION};",
        f"export const MAX_MESSAGE_CHARS = {protocol.MAX_MESSAGE_CHARS};",
        f"export const MAX_KEY_CHARS = {protocol.MAX_KEY_CHARS};",
        _enum("CLIENT", "What a client may send.", [type_of(frame) for frame in CLIENT_FRAMES]),
        _enum("SERVER", "What the server sends.", [type_of(frame) for frame in SERVER_FRAMES]),
        _enum("CHANNEL", "Where a piece of text belongs.", list(get_args(protocol.Channel))),
        _enum("FINISH", "Why a run ended.", list(get_args(protocol.FinishReason))),
        _options(schemas["Options"]),
    ]
    return "\n\n".join([*parts, *(_typedef(name, schema) for name, schema in schemas.items()), _unions()]) + "\n"


def _enum(name: str, what: str, values: list[str]) -> str:
    lines = "".join(f'  {value.upper()}: "{value}",\n' for value in values)
    return f"/** {what} */\nexport const {name} = Object.freeze({{\n{lines}}});"


def _options(schema: Schema) -> str:
    """The sampling parameters with their ranges: what a settings panel needs."""
    keys = {"minimum": "min", "exclusiveMinimum": "above", "maximum": "max", "type": "type", "enum": "values"}
    lines = []
    for name, field in schema["properties"].items():
        kind = _without_null(field)
        facts = {keys[key]: kind[key] for key in keys if key in kind}
        lines.append(f"  {name}: Object.freeze({json.dumps({**facts, 'about': field['description']}, ensure_ascii=False)}),\n")
    return f"/** The sampling parameters, with the ranges the server accepts. */\nexport const OPTIONS = Object.freeze({{\n{''.join(lines)}}});"


def _typedef(name: str, schema: Schema) -> str:
    lines = [f" * {line}" for line in schema.get("description", "").splitlines()]
    lines.append(f" * @typedef {{object}} {_js_name(name)}")
    for field, kind in schema["properties"].items():
        label = field if field in schema.get("required", []) else f"[{field}]"
        about = f" {kind['description']}" if "description" in kind else ""
        lines.append(f" * @property {{{_js_type(kind)}}} {label}{about}")
    return "/**\n" + "\n".join(lines) + "\n */"


def _js_name(name: str) -> str:
    """JavaScript has an Error of its own; every frame is a …Frame there."""
    return f"{name}Frame" if any(frame.__name__ == name for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)) else name


def _js_type(kind: Schema) -> str:
    if "anyOf" in kind:
        return "|".join(_js_type(option) for option in kind["anyOf"])
    if "$ref" in kind:
        return _js_name(kind["$ref"].rpartition("/")[2])
    if "const" in kind or "enum" in kind:
        return "|".join(json.dumps(value) for value in kind.get("enum", [kind.get("const")]))
    if kind["type"] == "array":
        return f"{_js_type(kind['items'])}[]"
    return "number" if kind["type"] == "integer" else str(kind["type"])


def _unions() -> str:
    client = "|".join(_js_name(frame.__name__) for frame in CLIENT_FRAMES)
    server = "|".join(_js_name(frame.__name__) for frame in SERVER_FRAMES)
    return f"/** @typedef {{{client}}} ClientFrame */\n/** @typedef {{{server}}} ServerFrame */"


# --- Markdown ------------------------------------------------------------------------------------------------------------------


def markdown() -> str:
    schemas = definitions()
    parts = [
        f"<!-- {BY} -->",
        f"# The wire, version {protocol.VERSION}",
        INTRO.format(version=protocol.VERSION).strip(),
        "## Rules",
        RULES.strip(),
        "## From the client",
        CLIENT_INTRO.strip(),
        *(_section(frame, schemas) for frame in CLIENT_FRAMES),
        _table_section("Options", schemas["Options"]),
        "## From the server",
        SERVER_INTRO.strip(),
        *(_section(frame, schemas) for frame in SERVER_FRAMES),
        *(_table_section(name, schemas[name]) for name in ("Context", "UsageCount", "TimingSeconds")),
        "## A conversation, frame by frame",
        SEQUENCE_INTRO.strip(),
        _sequence(),
    ]
    return "\n\n".join(parts) + "\n"


def _section(frame: type[Frame], schemas: dict[str, Schema]) -> str:
    schema = schemas[frame.__name__]
    table = _table(schema)
    return "\n\n".join(part for part in (f"### `{type_of(frame)}`", schema["description"], table, _fenced(EXAMPLES[frame])) if part)


def _table_section(name: str, schema: Schema) -> str:
    return "\n\n".join(part for part in (f"### {name}", schema.get("description", ""), _table(schema)) if part)


def _table(schema: Schema) -> str:
    rows = [
        f"| `{name}` | {_kind(field)} | {'yes' if name in schema.get('required', []) else 'no'} | {_cell(field.get('description', ''))} |"
        for name, field in schema["properties"].items()
        if name != "type"
    ]
    return "\n".join(["| field | value | always there | |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def _kind(field: Schema) -> str:
    """A field's type in words: `integer, 0 to 1000`."""
    kind = _without_null(field)
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in kind:
        return f"always `{json.dumps(kind['const'])}`"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("format") == "uuid":
        return "id"
    if kind["type"] == "array":
        return f"list of {_kind(kind['items'])}"
    return str(kind["type"]) + _range(kind)


def _range(kind: Schema) -> str:
    low, high = kind.get("minimum"), kind.get("maximum")
    if "exclusiveMinimum" in kind:
        return f", above {kind['exclusiveMinimum']:g}" + (f", at most {high:g}" if high is not None else "")
    if low is not None:
        return f", {low} to {high}" if high is not None else f", {low} or more"
    return f" of at most {kind['maxLength']} characters" if "maxLength" in kind else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _json(frame: Frame) -> str:
    """As it goes over the socket, with a space behind each comma and colon to be read by people."""
    return json.dumps(json.loads(frame.wire()), ensure_ascii=False)


def _fenced(*frames: Frame) -> str:
    return "```json\n" + "\n".join(_json(frame) for frame in frames) + "\n```"


def _sequence() -> str:
    return "```text\n" + "\n".join(line if isinstance(line, str) else _arrow(line) for line in SEQUENCE) + "\n```"


def _arrow(frame: Frame) -> str:
    return ("→ " if isinstance(frame, CLIENT_FRAMES) else "← ") + _json(frame)
