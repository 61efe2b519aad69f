"""Whether the Service sends its traffic to this server: the role that Argo Rollouts labels its pod with.

A connection that is kept alive outlives a switch: it goes on to the pod that it was made to, for as long as
that pod runs. So only an active server keeps connections. Kubernetes' downward API writes the label into a file;
without a file there is no Service to follow, and every connection is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ACTIVE = "active"
LOOK_SECONDS = 0.5
IDLE_SECONDS = 1.0  # a client that asks more often than this learns it from an answer, not from a closed connection


class Role:
    """Reads the role again when it is older than half a second; `file` is empty where none is written."""

    def __init__(self, file: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock = Path(file) if file else None, clock
        self._looked, self._active = float("-inf"), True

    def keeps(self) -> bool:
        """Say whether connections are kept alive."""
        now = self._clock()
        if self._file is not None and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._active = self._read(self._file)
        return self._active

    def _read(self, file: Path) -> bool:
        try:
            return file.read_text(encoding="utf-8").strip() == ACTIVE
        except (OSError, ValueError):  # unreadable: a connection too few is cheaper than an answer of another version
            return False


def close_idle(connections: Iterable[Any], seconds: float = IDLE_SECONDS) -> None:
    """End those of `serving.http.connection` on which no request came for `seconds` since the last answer."""
    for one in list(connections):
        one.end_idle(seconds)
