"""Logs as JSON, one object a line: a line a request, and whatever the libraries log.

Owns what a log line may hold. Refuses by construction to hold a header, a
token, a body or a feature's value: a request's line is built from its id,
route, status, subject and timing alone.

No request waits for the reader of the log: a thread writes it. A pod's standard
output is a pipe of 64 KiB that the node's container runtime empties; while
the runtime is away a write to it blocks, and with it would every request.
"""

from __future__ import annotations

import logging
import os
import threading

from slipway.logs import JsonFormatter

FLUSH_BYTES = 128 << 10  # or five times a second: each hand-over wakes a thread
WAITING_BYTES = 4 << 20
DRAIN_SECONDS = 1.0


class Outlet:
    """Standard output and standard error, written to by a thread of its own: one, so that lines do not mix.

    At most `WAITING_BYTES` wait for it. Lines that come while it is that far behind are
    dropped and counted, and a line reports how many.
    """

    def __init__(self, output: int = 1, errors: int = 2) -> None:
        self.dropped = 0
        self.output, self.errors = output, errors
        self._waiting: list[tuple[int, bytes]] = []
        self._size = 0
        self._told = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, descriptor: int, lines: bytes) -> None:
        """Take complete lines for a descriptor, and return at once."""
        with self._changed:
            if self._size + len(lines) > WAITING_BYTES:
                self.dropped += lines.count(b"\n")
                return
            self._waiting.append((descriptor, lines))
            self._size += len(lines)
            if self._thread is None:
                self._thread = self._started()
            self._changed.notify_all()

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until all is written, `seconds` at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, seconds)

    def _started(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: the lines wait for the next that comes
            return None
        return thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self.dropped > self._told)
                waiting, self._waiting = self._waiting, []
                lost, self._told = self.dropped - self._told, self.dropped
            failed = [lines for descriptor, lines in waiting if not _put(descriptor, lines)]
            if lost:
                _put(self.errors, _gap(lost))
            with self._changed:
                self.dropped += sum(lines.count(b"\n") for lines in failed)
                self._size -= sum(len(lines) for _, lines in waiting)
                self._changed.notify_all()


def _put(descriptor: int, lines: bytes) -> bool:
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:  # whoever read it is gone, or its disk is full
        return False
    return True


def _gap(lines: int) -> bytes:
    record = logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, "%d lines of the log were dropped: no reader kept up", (lines,), None
    )
    return JsonFormatter().format(record).encode() + b"\n"


OUTLET = Outlet()


class JsonHandler(logging.Handler):
    """Hands a record's line to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; one that cannot be written fails no request."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - whatever its arguments are
            name = f"{record.name}:{record.lineno}: a record that cannot be written: {type(error).__name__}"
            line = self.format(logging.LogRecord(__name__, logging.ERROR, __file__, 0, name, (), None))
        OUTLET.write(OUTLET.errors, line.encode() + b"\n")

    def flush(self) -> None:
        """Wait for what is on its way; called when the process ends."""
        OUTLET.drain()


def configure(level: str) -> None:
    """Send every logger of the process through the JSON formatter."""
    handler = JsonHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"


class RequestLog:
    """Lines of requests, gathered and handed on together: a hand-over is dearer than a line."""

    def __init__(self, outlet: Outlet = OUTLET) -> None:
        self.outlet = outlet
        self._lines: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()

    def add(self, line: bytes) -> None:
        """Take a line; hand on when many have gathered."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what has gathered."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
        if lines:
            self.outlet.write(self.outlet.output, b"".join(lines))
