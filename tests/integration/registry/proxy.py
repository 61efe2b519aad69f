"""A real HTTP proxy in front of a server, that can be told to fail."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fixtures.listening import listening


def _forward_it(_method: str, _path: str) -> int | None:
    return None


class Proxy:
    """Forwards to `target` (host, port); `before` and `after` see every request's method and path.

    Either may answer a status code, which is sent instead of the server's own.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.before: Callable[[str, str], int | None] = _forward_it
        self.after: Callable[[str, str], int | None] = _forward_it
        self.delay = 0.0
        self.url = ""


@contextmanager
def proxying(target: tuple[str, int]) -> Iterator[Proxy]:
    """Run a proxy on a free port."""
    proxy = Proxy(target)
    with listening(_handler(proxy)) as proxy.url:
        yield proxy


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(proxy.delay)
            if status := proxy.before(self.command, self.path):
                self._answer(status, b'{"error_code": "INTERNAL_ERROR", "message": "injected"}')
                return
            connection = http.client.HTTPConnection(*proxy.target, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection"}}
            headers["Connection"] = "close"
            headers["Host"] = f"{proxy.target[0]}:{proxy.target[1]}"
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if status := proxy.after(self.command, self.path):
                self._answer(status, b'{"error_code": "INTERNAL_ERROR", "message": "injected"}')
                return
            self._answer(answer.status, content, answer.getheader("Content-Type") or "application/json")

        def _answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _forward  # noqa: N815

        def log_message(self, *_: Any) -> None:
            return

    return Handler
