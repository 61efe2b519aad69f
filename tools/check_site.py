"""Follow every link of a built site: each file and each anchor must be there, each address well formed.

    python tools/check_site.py var/site

Asks no network: of an address elsewhere only the form is checked. Exit codes: 0 all lead somewhere, 4 some do not.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OF = {"a": "href", "link": "href", "img": "src", "script": "src"}


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value for name, value in attrs if value}
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        if OF.get(tag, "") in attributes:
            self.links.append(attributes[OF[tag]])


def faults(site: Path) -> list[str]:
    """Name every link that leads nowhere, by page."""
    root = site.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    return [
        f"{path.relative_to(root)}: {link}: {fault}"
        for path, page in pages.items()
        for link in dict.fromkeys(page.links)
        if (fault := _fault(path, link, pages))
    ]


def _fault(path: Path, link: str, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return None if parts.netloc and "." in parts.netloc and " " not in link else "no address"
    if parts.scheme:
        return None if parts.scheme in ("mailto", "data") else "an unexpected scheme"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "no such anchor"
    return None


def main(site: Path) -> int:
    """Say what leads nowhere."""
    found = faults(site)
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(list(site.rglob('*.html')))} pages, {len(found)} links that lead nowhere")
    return 4 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
