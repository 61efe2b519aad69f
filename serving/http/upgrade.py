"""A request to upgrade, as the plain request that it also is."""

from __future__ import annotations


def plain_head(method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Write a request's head without its wish to upgrade."""
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in headers:
        kept = value
        if name == b"connection":
            wishes = [wish.strip() for wish in value.split(b",")]
            kept = b", ".join(wish for wish in wishes if wish.lower() != b"upgrade")
        if name != b"upgrade":
            lines.append(b"%b: %b" % (name, kept))
    return b"\r\n".join([*lines, b"", b""])
