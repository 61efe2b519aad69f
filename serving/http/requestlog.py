"""The log line of a request: id, trace, route, status, timing, subject. Never a header, a body or a query."""

from __future__ import annotations

import time

import msgspec

from serving.http.message import Request

# Asked every few seconds by machines; logged only when they fail.
SILENT = frozenset({"/livez", "/readyz", "/startupz", "/metrics", "/v2/health/live", "/v2/health/ready"})


def line(request: Request, method: str, status: int, seconds: float, version: str) -> bytes:
    """Write the line, with its end."""
    now = time.time()
    trace = b',"trace_id":"%b","parent_id":"%b"' % tuple(t.encode() for t in request.trace) if request.trace else b""
    given = b',"client_request_id":"%b"' % request.client_id.encode() if request.client_id else b""
    # The method is any token a client sends; everything else in the line is ours or checked.
    shown = method.encode() if method in ("GET", "POST") else msgspec.json.encode(method[:20])[1:-1]
    return (
        b'{"time":"%b.%03dZ","level":"info","logger":"request","request_id":"%b"%b%b,"method":"%b","route":"%b",'
        b'"status":%d,"ms":%.3f,"subject":%b,"rows":%d,"model_version":"%b"}\n'
    ) % (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode(),
        now % 1 * 1000,
        request.id.encode(),
        given,
        trace,
        shown,
        request.route.encode(),
        status,
        seconds * 1000,
        request.principal.encoded,
        request.rows,
        version.encode(),
    )


def refused(status: int, request_id: str, version: str) -> bytes:
    """Write the line of what a connection refused before it was a request."""
    nothing = Request({"path": "", "headers": ()}, None)
    nothing.id = request_id
    return line(nothing, "", status, 0.0, version)
