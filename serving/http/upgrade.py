"""A request to upgrade, as the plain request that it also is."""

from __future__ import annotations


def plain_head(method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Write a request's head without the upgrade it asks for."""
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in headers:
        kept = value
        if name == b"connection":
            protocols = [protocol.strip() for protocol in value.split(b",")]
            kept = b", ".join(protocol for protocol in protocols if protocol.lower() != b"upgrade")
        if name != b"upgrade":
            lines.append(b"%b: %b" % (name, kept))
    return b"\r\n".join([*lines, b"", b""])
