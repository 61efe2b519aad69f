"""Requests at a steady rate from a few threads, each with an id of its own, and what became of each."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

THREADS = 4
SECONDS = 10.0
PAUSE_SECONDS = 0.05
RENEWED_SECONDS = 600.0


class Load:
    """Sends `rate` requests a second (0: all it can); `answered` has the status of each id, `unknown` the rest."""

    def __init__(self, port: int, rows: list[dict[str, Any]], token: Callable[[int], str], rate: float = 0.0) -> None:
        self.answered: dict[str, int] = {}
        self.unknown: set[str] = set()
        self.failures: Counter[str] = Counter()
        self._port, self._token, self._rate = port, token, rate
        self._bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(THREADS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)) as connection:
            due, signed = time.monotonic(), float("-inf")
            bearer = ""
            for body in itertools.cycle(self._bodies):
                if self._stopping.wait(max(0.0, due - time.monotonic()) if self._rate else 0.0):
                    return
                if time.monotonic() - signed > RENEWED_SECONDS:
                    bearer, signed = self._token(number), time.monotonic()
                if not self._ask(connection, body, bearer):
                    self._stopping.wait(PAUSE_SECONDS)
                # Who was held up asks no faster afterwards.
                due = max(due + THREADS / self._rate, time.monotonic() - 1) if self._rate else 0.0

    def _ask(self, connection: http.client.HTTPConnection, body: bytes, bearer: str) -> bool:
        name = str(uuid.uuid4())
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}", "x-request-id": name}
        self.unknown.add(name)
        try:
            connection.request("POST", "/predict", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures[type(error).__name__] += 1
            connection.close()
            return False
        self.answered[name] = answer.status
        self.unknown.discard(name)
        return True
