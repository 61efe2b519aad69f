"""Logs as JSON, one object a line: a line a request, and whatever the libraries say.

Owns what a log line may hold. Refuses by construction to hold a header, a
token, a body or a feature's value: a request's line is built from its id,
route, status, subject and timing alone.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

# user:password@ in an address, bearer tokens, JSON Web Tokens
SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)|(?i:bearer )\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]*")
FLUSH_BYTES = 16 << 10


def redact(text: str) -> str:
    """Blank what looks like a credential."""
    return SECRET.sub("[redacted]", text)


class JsonFormatter(logging.Formatter):
    """Write a log record as one JSON line, credentials blanked."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            content["error"] = redact(self.formatException(record.exc_info))
        return msgspec.json.encode(content).decode()


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every logger of the process through the JSON formatter."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"


class RequestLog:
    """Lines of requests, gathered and written together: a system call is dearer than a line."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream.buffer
        self._lines: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()

    def add(self, line: bytes) -> None:
        """Take a line; write when many have gathered."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
            if lines:
                self._stream.write(b"".join(lines))
                self._stream.flush()
