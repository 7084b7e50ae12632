"""The reference of the HTTP interface: the application's own OpenAPI description as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vivavoce.factory import build_app
from vivavoce.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INTRO = """# Routes and fields

Made by `python -m manual` from what the server answers to `GET /openapi.json`, which is there for
programs. [The HTTP interface](../api.md) explains it; [speaking while it is being
written](../live.md) is about the WebSocket, which OpenAPI cannot describe.
"""
_SECTIONS = {
    "audio": "Speech",
    "voices": "Voices and consents",
    "operation": "Operation",
    "catalog": "Models",
    "": "The server itself",
}
_METHODS = ("get", "post", "put", "patch", "delete")

Fields = dict[str, tuple[str, str, str]]
"""Of each field: its values, its default, what it is."""


def page() -> str:
    """Return the page."""
    app, _ = build_app(load_settings(engine="fake"))
    lines = [_INTRO]
    shared: dict[str, Fields] = {}
    for tag, heading in _SECTIONS.items():
        lines.append(f"## {heading}\n")
        for method, path, operation in _operations(app.openapi()):
            if (operation.get("tags") or [""])[0] == tag:
                lines += _operation(f"{method.upper()} {path}", operation, shared)
    return "\n".join(lines).rstrip() + "\n"


def _operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method, path, methods[method]


def _operation(name: str, operation: Mapping[str, Any], shared: dict[str, Fields]) -> list[str]:
    lines = [f"### `{name}`\n", f"{operation['summary']}.\n"]
    parameters = operation.get("parameters", ())
    if parameters:
        lines += ["| in the address | values | default |", "| --- | --- | --- |"]
        lines += [_parameter(parameter) for parameter in parameters]
        lines.append("")
    bodies = operation.get("requestBody", {}).get("content", {})
    for kind, body in bodies.items():
        lines += _body(name, kind, body["schema"], shared)
    lines.append(_answers(operation["responses"]))
    return lines


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = "(needed)" if parameter["required"] else _default(schema)
    return f"| `{parameter['name']}` | {_values(schema)} | {default} |"


def _body(name: str, kind: str, schema: Mapping[str, Any], shared: dict[str, Fields]) -> list[str]:
    """Return a body's fields; of one that is much like another's, only what is different."""
    fields = _fields(schema)
    line = f"Body: `{kind}`"
    other = max(shared, key=lambda known: _alike(fields, shared[known]), default="")
    if other and _alike(fields, shared[other]) > len(shared[other]) / 2:
        lacking = [f"`{field}`" for field in shared[other].keys() - fields.keys()]
        fields = {field: told for field, told in fields.items() if shared[other].get(field) != told}
        line += f", the fields of [`{other}`](#{_anchor(other)})"
        line += f" without {', '.join(sorted(lacking))}" if lacking else ""
        line += ", and:" if fields else "."
    else:
        shared[name] = fields
    if not fields:
        return [line, ""]
    rows = [f"| `{field}` | {' | '.join(told)} |" for field, told in fields.items()]
    return [line, "", "| field | values | default | |", "| --- | --- | --- | --- |", *rows, ""]


def _alike(fields: Fields, known: Fields) -> int:
    return len(fields.items() & known.items())


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-"))


def _fields(schema: Mapping[str, Any]) -> Fields:
    needed = schema.get("required", ())
    return {
        name: (
            _values(field),
            "(needed)" if name in needed else _default(field),
            field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    }


def _default(schema: Mapping[str, Any]) -> str:
    if schema.get("default") is None:
        return ""
    default = schema["default"]
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _values(schema: Mapping[str, Any]) -> str:
    """Return what a field may be, in words."""
    if "anyOf" in schema:
        told = (_values(one) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(told)
    if "const" in schema or "enum" in schema:
        return " ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = {
        "string": "a file" if schema.get("format") == "binary" else "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "`true` `false`",
        "object": "object",
        "array": "list",
    }[schema["type"]]
    if "properties" in schema:
        kind += " of " + " ".join(f"`{name}`" for name in schema["properties"])
    bounds = [
        f"{sign} {schema[key]:.10g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in schema
    ]
    if "maxLength" in schema:
        bounds.append(f"up to {schema['maxLength']} characters")
    return ", ".join([kind, *bounds])


def _answers(responses: Mapping[str, Any]) -> str:
    good, refusals = [], []
    for status, response in responses.items():
        kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
        if status.startswith(("4", "5")):
            refusals.append(status)
        else:
            good.append(f"{status} ({kinds})" if kinds else status)
    line = f"Answers: {', '.join(good)}"
    if refusals:
        refused = f"[an error](../api.md#when-something-fails): {', '.join(sorted(set(refusals)))}"
        line += f"; {refused}"
    return f"{line}.\n"
