"""What goes wrong in a request, as RFC 9457 problem details.

Source: https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

from typing import Any

import msgspec

from serving.http.encoding import encode

MEDIA_TYPE = b"application/problem+json"

TITLES = {
    400: "The request cannot be read",
    401: "No valid token",
    403: "The token's roles do not allow this",
    404: "Nothing here",
    405: "The method does not fit the path",
    406: "No such media type can be answered",
    408: "The request arrived too slowly",
    413: "The request is too large",
    415: "The media type or encoding is not accepted",
    422: "The input breaks the contract",
    429: "Too many requests",
    431: "The request's head is too large",
    500: "The server failed",
    501: "The server has no such method",
    503: "The server cannot take this now",
}


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with the input: the field, what was expected, what was found."""

    field: str
    expected: str
    found: str


class Problem(Exception):
    """Carry a refused request's status and reasons to the one place that answers."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        faults: list[Fault] | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.faults = faults or []
        self.headers = headers or []

    def body(self, request_id: str, *, protocol: bool = False) -> bytes:
        """Write the problem as JSON; `protocol` adds the `error` that the Open Inference Protocol asks for."""
        content: dict[str, Any] = {
            "type": f"urn:slipway:problem:{self.kind}" if self.kind else "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if protocol:
            content["error"] = self._error()
        if self.faults:
            content["errors"] = self.faults
        return encode(content)

    def _error(self) -> str:
        if not self.faults:
            return self.detail
        first = self.faults[0]
        return f"{self.detail}: {first.field}: expected {first.expected}, found {first.found}"
