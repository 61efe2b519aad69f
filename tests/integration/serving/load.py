"""Open-loop load on a server, and what the journal must then hold."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import httpx
import psycopg

from tests.fixtures.servers import wait_until

GENEROUS = {"burst_limit": "100000/second", "sustained_limit": "1000000/minute"}


class Load:
    """Sends requests with ids of its own on a fixed beat, and keeps what came back."""

    def __init__(self, http: httpx.Client, row: dict[str, Any], per_second: float = 100) -> None:
        self.answers: dict[str, int] = {}
        self.seconds: list[float] = []
        self.broken: list[str] = []
        self._http, self._row, self._beat = http, row, 1 / per_second
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def wait_for(self, more: int) -> None:
        target = len(self.answers) + more
        wait_until(lambda: len(self.answers) >= target, what=f"{more} more answers")

    @property
    def accepted(self) -> set[str]:
        return {name for name, status in self.answers.items() if status == 200}

    def p99(self, since: int = 0) -> float:
        taken = sorted(self.seconds[since:])
        return taken[int(len(taken) * 0.99)]

    def _send(self) -> None:
        due = time.perf_counter()
        while not self._stopping.wait(max(0, due - time.perf_counter())):
            name, began = str(uuid.uuid4()), time.perf_counter()
            try:
                answer = self._http.post("/predict", json={"rows": [self._row]}, headers={"x-request-id": name})
            except httpx.ConnectError:
                return  # the listener is closed: nobody answers any more, and nobody was cut off
            except httpx.TransportError as error:
                self.broken.append(repr(error))
            else:
                self.answers[name] = answer.status_code
            self.seconds.append(time.perf_counter() - began)
            due += self._beat


def journal_ids(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT request_id FROM predictions").fetchall()]


def holds_exactly(url: str, accepted: set[str]) -> None:
    wait_until(lambda: len(journal_ids(url)) >= len(accepted), 30, "the journal catching up")
    found = journal_ids(url)
    assert len(found) == len(set(found))
    assert set(found) == accepted
