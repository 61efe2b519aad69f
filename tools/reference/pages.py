"""Which page is written by what."""

from __future__ import annotations

from collections.abc import Callable

from slipway.atomic import write_bytes
from tools.reference import alerts, commands, http, metrics, parameters, promises, release, variables
from tools.rooms import ROOT

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": commands.write,
    "docs/reference/http.md": http.write,
    "docs/reference/params.md": parameters.write,
    "docs/reference/environment.md": variables.write,
    "docs/reference/metrics.md": metrics.write,
    "docs/reference/alerts.md": alerts.write,
    "docs/reference/release-file.md": release.write,
    promises.REFUSED.doc: promises.REFUSED.write_doc,
    promises.REFUSED.index: promises.REFUSED.write_index,
    promises.SURVIVED.doc: promises.SURVIVED.write_doc,
    promises.SURVIVED.index: promises.SURVIVED.write_index,
}


def write_all() -> list[str]:
    """Write every page; return their names."""
    for name, write in PAGES.items():
        write_bytes(ROOT / name, write().encode())
    return list(PAGES)


def stale() -> list[str]:
    """Name the pages that are not what the code gives."""
    return [name for name, write in PAGES.items() if not _same(name, write())]


def _same(name: str, text: str) -> bool:
    path = ROOT / name
    return path.is_file() and path.read_text(encoding="utf-8") == text
