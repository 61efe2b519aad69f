"""The page of the HTTP API, from the OpenAPI document and the table of routes that the server gives."""

from __future__ import annotations

import ast
import json
from typing import Any

from serving import openapi
from serving.http.problem import TITLES
from serving.inference import model
from serving.settings import Settings
from tools.reference.markdown import code, page, table
from tools.reference.meanings import complete
from tools.reference.sources import calls, text, trees
from tools.rooms import ROOT

EXPORTED = ROOT / "tests/fixtures/flight-delay"


def document() -> dict[str, Any]:
    """Return the server's own document, for the flights."""
    found: dict[str, Any] = json.loads(openapi.document(model.load(EXPORTED), Settings()))
    return found


def beside(described: set[str]) -> set[str]:
    """Find the routes that the code has and the document leaves out: `METHOD /path`."""
    found = set()
    for path, tree in trees():
        for node in ast.walk(tree) if path.startswith("serving/") else ():
            for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
                route, methods = text(key), getattr(value, "keys", [])
                if route and route.startswith("/"):
                    found |= {f"{text(method)} {route}" for method in methods if text(method) in ("GET", "POST")}
    return found - described


def kinds() -> dict[str, set[str]]:
    """Find the kinds of problems, with the statuses that they come with."""
    found: dict[str, set[str]] = {}
    for _, node in calls("Problem"):
        kind = next((text(word.value) for word in node.keywords if word.arg == "kind"), None)
        if kind and node.args:
            found.setdefault(kind, set()).add(ast.unparse(node.args[0]))
    return found


def write() -> str:
    """Write the page."""
    api = document()
    return page(
        "HTTP API",
        "`GET /openapi.json` gives the contract of the model that is served, with every feature, its unit and range, as OpenAPI "
        f"{api['openapi']}; `GET /docs` shows it. What is the same for every model is here. How to call it: [serving](../serving.md).",
        "## Routes",
        _routes(api),
        "Every answer carries `x-request-id`: " + _request_id(api),
        "## Bodies",
        "For the flights, shortened:",
        "```json\n" + json.dumps(_examples(api), indent=1) + "\n```",
        "## Problems",
        "What is refused is answered as `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with `type`, `title`, "
        "`status`, `detail`, `request_id` and, for a body that breaks the contract, `errors`: each fault with `field`, `expected`, `found`.",
        table(("status", "title"), ((str(status), title) for status, title in TITLES.items())),
        _problems(),
    )


def _routes(api: dict[str, Any]) -> str:
    name, version = api["info"]["title"].rsplit(" ", 1)
    described = [
        (f"{method.upper()} {path}", operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    others = complete("routes", beside({route for route, _ in described}))
    rows = [
        (code(_generic(route, name, version)), _who(each), each["summary"], ", ".join(sorted(each["responses"])))
        for route, each in described
    ]
    rows += [(code(route), "", others[route], "") for route in sorted(others)]
    return table(("route", "token", "what", "statuses"), rows)


def _problems() -> str:
    found = kinds()
    explained = complete("problems", set(found))
    rows = (
        (code(f"urn:slipway:problem:{kind}"), ", ".join(sorted(found[kind])), explained[kind]) for kind in sorted(found)
    )
    return table(("type", "status", "when"), rows)


def _generic(route: str, name: str, version: str) -> str:
    return route.replace(f"/{name}", "/{name}").replace(f"/versions/{version}", "/versions/{version}")


def _who(operation: dict[str, Any]) -> str:
    return "no" if operation.get("security") == [] else "yes"


def _request_id(api: dict[str, Any]) -> str:
    header = api["paths"]["/predict"]["post"]["parameters"][0]
    return f"{header['description'][0].lower()}{header['description'][1:]}"


def _examples(api: dict[str, Any]) -> dict[str, Any]:
    examples = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    row = dict(list(examples["row"]["value"]["rows"][0].items())[:3])
    columns = dict(list(examples["columns"]["value"]["columns"].items())[:3])
    return {"rows": [row], "or": {"columns": columns}}
