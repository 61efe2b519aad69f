"""An identity provider that publishes keys, and at times hangs or answers garbage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.fixtures.listening import listening

LONGEST_SECONDS = 20.0
GARBAGE = b"[" * 200_000


class Provider:
    """`how` says what is answered: the keys, garbage, or nothing until it is told otherwise."""

    def __init__(self, keys: Path) -> None:
        self.url = ""
        self.asked = 0
        self.keys = keys
        self._how = "keys"
        self._changed = threading.Condition()

    def become(self, how: str) -> None:
        """Answer in another way: keys, garbage, cut or hanging; whoever hangs goes on."""
        with self._changed:
            self._how = how
            self._changed.notify_all()

    def answer(self) -> tuple[bytes, int]:
        """Return what is to be sent, and the length that is announced."""
        self.asked += 1
        with self._changed:
            if self._how == "hanging":
                self._changed.wait_for(lambda: self._how != "hanging", LONGEST_SECONDS)
            how = self._how
        content = GARBAGE if how == "garbage" else self.keys.read_bytes()
        return (content[: len(content) // 2] if how == "cut" else content), len(content)


@contextlib.contextmanager
def providing(keys: Path) -> Iterator[Provider]:
    """Publish a file of keys at an address for as long as the block lasts."""
    made = Provider(keys)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content, length = made.answer()
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("content-length", str(length))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    with listening(Handler) as url:
        made.url = f"{url}/jwks.json"
        yield made
        made.become("keys")
