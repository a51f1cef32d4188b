"""The page ``/docs``: what can be asked, written out of the OpenAPI description.

The page is plain HTML. It has no script and loads nothing, so it works where no other network can be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #8881; padding: .7rem; overflow-x: auto } code { font: 14px ui-monospace, monospace }
td { padding: .15rem 1.2rem .15rem 0; vertical-align: top } h2 { margin-top: 2.2rem }
:root { color-scheme: light dark }
"""


def page(schema: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description.

    Examples:
        >>> "<h1>Scores</h1>" in page({"info": {"title": "Scores", "version": "1"}, "paths": {}})
        True
    """
    info = schema["info"]
    body = "\n".join(_paths(schema))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>'
        f"<h1>{escape(info['title'])}</h1>\n<p>{escape(info.get('description', ''))} "
        f'The same as OpenAPI: <a href="openapi.json">openapi.json</a>.</p>\n{body}\n</body></html>\n'
    )


def _paths(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, what in methods.items():
            yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
            yield f"<p>{escape(what.get('description', ''))}</p>"
            content = what.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for kind in content.get("oneOf", content.get("anyOf", [])):
                found = _found(schema, kind)
                yield f"<h3>{escape(found.get('description', '').splitlines()[0])}</h3>{_table(found)}"
                yield f"<pre><code>{escape(_command(path, found))}</code></pre>"


def _found(schema: Mapping[str, Any], kind: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the description points to."""
    found: Any = schema
    for step in kind["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def _table(kind: Mapping[str, Any]) -> str:
    needed = kind.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{'needed' if name in needed else _default(field)}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in kind.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    return "" if default is None else f"default {escape(json.dumps(default))}"


def _command(path: str, kind: Mapping[str, Any]) -> str:
    """A command line that asks for this, with the example of each needed field."""
    body = {name: kind["properties"][name]["examples"][0] for name in kind.get("required", [])}
    return f"curl http://127.0.0.1:8000{path} -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
