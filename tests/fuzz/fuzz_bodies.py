"""The bodies of predictions, through the whole application: JSON rows and columns, tensors in JSON and in binary.

What is answered with 200 has the probabilities that the model gives for what a
second reader finds in the body. Whatever comes, no answer is a 500, and every
answer is JSON with finite numbers.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from journal.record import Documents
from serving import parts, settings
from serving.app import Application
from serving.http.problem import Problem
from serving.inference.model import rows_to_arrays

MODEL = Path(__file__).parents[1] / "fixtures" / "flight-delay"
REFUSALS = (400, 413, 415, 422)
UNLIMITED = "100000000/second"


class Running(NamedTuple):
    """An application and the loop that it runs in."""

    application: Application
    loop: asyncio.AbstractEventLoop


class Answered(NamedTuple):
    """What the application answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def check(data: bytes) -> None:
    """Post `data[2:]`: rows or columns, a JSON inference, or a binary one where the first byte says so."""
    if len(data) < 3:
        return
    kind, body = data[0] % 3, bytes(data[2:])
    if kind == 0:
        _rows(body)
    elif kind == 1:
        _tensors(body, None)
    else:
        _tensors(body, min(len(body), data[1] * 4))


def split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut an input into what stands before its JSON, the JSON, and binary tensors."""
    end = 2 + data[1] * 4 if data[:1] == b"\2" and len(data) > 1 else len(data)
    return data[:2], data[2:end], data[end:]


def _rows(body: bytes) -> None:
    running = _running()
    answer = _ask("/predict", body, {b"content-type": b"application/json"})
    content = strict(answer.body)
    reader = running.application.parts.reader
    assert answer.status == _status(reader._thorough, body), "the two readers differ"
    if answer.status != 200:
        assert content["detail"]
        return
    given = strict(body)
    rows = given.get("rows") or [
        dict(zip(given["columns"], v, strict=True)) for v in zip(*given["columns"].values(), strict=True)
    ]
    model = running.application.parts.model
    numeric, categorical = rows_to_arrays(rows, model.schema)
    expected = model.scores(numeric, categorical)
    name = model.schema.output.name
    found = [p[name] for p in content["predictions"]] if "rows" in given else content["columns"][name]
    assert np.array_equal(np.array(found, np.float32), expected), (found, expected)
    written = json.loads(Documents(model.schema.inputs).write(numeric, categorical))
    assert len(written.get("rows", ())) == len(rows) or "columns" in written


def _tensors(body: bytes, length: int | None) -> None:
    headers = {b"content-type": b"application/octet-stream"}
    if length is not None:
        headers[b"inference-header-content-length"] = b"%d" % length
    model = _running().application.parts.model
    answer = _ask(f"/v2/models/{model.name}/infer", body, headers)
    cut = answer.headers.get(b"inference-header-content-length")
    content = strict(answer.body if cut is None else answer.body[: int(cut)])
    if answer.status != 200:
        assert content["error"]
        return
    [output] = content["outputs"]
    asked = strict(body if length is None else body[:length])
    assert output["shape"] == [asked["inputs"][0]["shape"][0], 2]
    values = output["data"] if cut is None else np.frombuffer(answer.body[int(cut) :], "<f4")
    pairs = np.array(values, np.float32).reshape(output["shape"])
    assert np.isfinite(pairs).all()
    assert np.allclose(pairs.sum(axis=1), 1, atol=1e-6)


def strict(text: bytes) -> Any:
    """Read JSON that has each key once and finite numbers."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key twice"
        return dict(pairs)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not a JSON number")

    return json.loads(text.decode(), object_pairs_hook=once, parse_constant=refuse)


def _status(read: Any, body: bytes) -> int:
    try:
        read(body)
    except Problem as problem:
        return problem.status
    return 200


def _ask(path: str, body: bytes, headers: dict[bytes, bytes]) -> Answered:
    running = _running()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers.items()), "client": None}
    running.loop.run_until_complete(running.application(scope, receive, send))
    status = sent[0]["status"]
    assert status == 200 or status in REFUSALS, (status, sent[1]["body"])
    return Answered(status, dict(sent[0]["headers"]), sent[1]["body"])


@functools.cache
def _running() -> Running:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    chosen = settings.Settings(
        model=MODEL, auth="off", journal="off", burst_limit=UNLIMITED, sustained_limit=UNLIMITED, max_rows=50
    )
    return Running(_built(chosen, loop), loop)


def _built(chosen: settings.Settings, loop: asyncio.AbstractEventLoop) -> Application:
    async def build() -> Application:
        made = Application(parts.build(chosen))
        made.start = lambda: None  # type: ignore[method-assign]
        return made

    return loop.run_until_complete(build())
