"""The interactive page at /docs: Swagger UI from this server's own files, with no other host involved.

The page itself tells nothing about the model: it asks for a token, then reads
/openapi.json with it. Its files come from an installed package, found by name
and never imported.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from serving.http.message import Handler, Headers, Request, Response
from serving.parts import Parts

ASSETS = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
OWN = {"page.js": b"text/javascript; charset=utf-8", "page.css": b"text/css; charset=utf-8"}
HERE = Path(__file__).with_name("page")
POLICY: Headers = [
    # Swagger UI sets style attributes and draws its icons as data: images; nothing else, from nowhere else.
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def table(parts: Parts) -> dict[str, dict[str, Handler]]:
    """Return the page's routes; none when the page is off or its files are not installed."""
    folder = _assets()
    if parts.settings.docs != "on" or folder is None:
        return {}
    files = {f"/docs/{name}": (folder / name, kind) for name, kind in ASSETS.items()}
    files |= {f"/docs/{name}": (HERE / name, kind) for name, kind in OWN.items()}
    files["/docs"] = (HERE / "page.html", b"text/html; charset=utf-8")
    found = {path: {"GET": _file(file, kind)} for path, (file, kind) in files.items()}
    found["/docs/settings.json"] = {"GET": _settings(parts)}
    return found


def _assets() -> Path | None:
    spec = importlib.util.find_spec("swagger_ui_bundle")
    if spec is None or spec.origin is None:
        return None
    versions = sorted((Path(spec.origin).parent / "vendor").glob("swagger-ui-*"))
    return versions[-1] if versions else None


def _file(path: Path, media_type: bytes) -> Handler:
    async def answer(request: Request) -> Response:  # noqa: ARG001 - a handler
        return Response(200, path.read_bytes(), media_type, POLICY)

    return answer


def _settings(parts: Parts) -> Handler:
    content = json.dumps({"auth": parts.settings.auth == "on"}).encode()

    async def answer(request: Request) -> Response:  # noqa: ARG001 - a handler
        return Response(200, content, headers=POLICY)

    return answer
