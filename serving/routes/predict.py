"""The way of a prediction: refuse early and cheaply, then read, compute, write down, answer.

The order is size and media type, who asks, load, limit, input, cache, model,
journal. What is answered with 200 is in the journal's spool before.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from journal.record import Documents
from journal.spool import SpoolFull
from serving.access import auth
from serving.http.message import JSON, Request, Response, too_large
from serving.http.problem import Problem
from serving.input.validation import Batch
from serving.parts import Parts

# A larger batch computes in a thread: the loop answers others meanwhile.
INLINE_ROWS = 128


class Predictor:
    """Answers predictions with one set of parts."""

    def __init__(self, parts: Parts, *, cut_slow_bodies: bool) -> None:
        self.parts = parts
        settings, served = parts.settings, parts.model
        self._most_bytes = settings.max_body_bytes
        self._seconds = settings.body_seconds if cut_slow_bodies else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large-batch")
        self._documents = Documents(served.schema.inputs, settings.redacted)
        name, version = msgspec.json.encode(served.name), msgspec.json.encode(served.version)
        self._model = b'"model":{"name":%b,"version":%b}' % (name, version)
        self._journal_tail = b',"model":%b,"version":%b' % (name, version)
        self._task = served.task
        self._settings = b"".join(
            b",%b:%b" % (msgspec.json.encode(name), msgspec.json.encode(value))
            for name, value in served.task.settings.items()
        )

    async def predict(self, request: Request) -> Response:
        """Answer POST /predict."""
        body = await self.admitted_body(request, (JSON,))
        batch = self.parts.reader.read(body)
        scores = await self.scores(request, batch)
        self.journal(request, batch, scores)
        if batch.by_rows:
            content = b'"predictions":' + msgspec.json.encode(self._task.rows(scores))
        else:
            content = b'"columns":' + msgspec.json.encode(self._task.columns(scores))
        answer = b'{"request_id":"%b",%b%b,%b}' % (request.id.encode(), self._model, self._settings, content)
        return Response(200, answer, JSON, [self.parts.limiter.policy_header])

    async def admitted_body(self, request: Request, media_types: tuple[bytes, ...]) -> bytes:
        """Pass everything that needs no look into the body, then read it."""
        parts, headers = self.parts, request.headers
        self._check_head(headers, media_types)
        if parts.authenticator is not None:
            request.principal = await parts.authenticator.principal(headers.get(b"authorization"))
            auth.require(request.principal, "predict")
        parts.shedder.check(request.arrived)
        if not parts.limiter.take(request.principal.subject):
            await parts.limiter.admit(request.principal.subject)
        if parts.spool is not None and parts.spool.full:
            raise self._spool_full()
        shedder, caller = parts.shedder, request.caller
        holder = shedder.arriving.take(caller)
        try:
            body = await request.body(self._most_bytes, self._seconds, shedder.arriving_bytes)
        finally:
            shedder.arriving.give(holder)
        request.arrived = time.perf_counter()
        request.place = shedder.working.take(caller)
        return body

    async def scores(self, request: Request, batch: Batch) -> np.ndarray:
        """Return the task's scores, `(n, …) float32`, from the cache or the model."""
        parts = self.parts
        request.rows = len(batch)
        key = parts.cache.key(batch) if parts.cache is not None else None
        scores = await parts.cache.get(key) if parts.cache is not None and key is not None else None
        if scores is None:
            parts.shedder.check(request.arrived)
            scores = self._finite(await self._computed(batch))
            if parts.cache is not None and key is not None:
                parts.cache.put(key, scores)
        parts.distributions.add(batch.numeric, batch.categorical, scores)
        parts.metrics.rows.inc(len(batch))
        return scores

    def journal(self, request: Request, batch: Batch, scores: np.ndarray) -> None:
        """Write the prediction to the spool, the scores of all rows in one list.

        Raises:
            Problem: 503 when the spool takes no more.
        """
        spool = self.parts.spool
        if spool is None:
            return
        listed = msgspec.json.encode(scores.ravel().tolist())
        document = self._documents.write(batch.numeric, batch.categorical)
        trace = b',"trace":"%b"' % request.trace[0].encode() if request.trace else b""
        record = b'{"id":"%b","at":%d,"subject":%b%b,"us":%d%b,"digest":"%b","scores":%b,"input":%b}' % (
            request.id.encode(),
            time.time_ns() // 1000,
            request.principal.encoded,
            self._journal_tail,
            (time.perf_counter() - request.started) * 1e6,
            trace,
            self._documents.digest(document, listed),
            listed,
            document,
        )
        try:
            spool.append(record)
        except SpoolFull:
            raise self._spool_full() from None

    async def _computed(self, batch: Batch) -> np.ndarray:
        run = self.parts.model.scores
        if len(batch) <= INLINE_ROWS:
            return run(batch.numeric, batch.categorical)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, run, batch.numeric, batch.categorical)

    def _finite(self, scores: np.ndarray) -> np.ndarray:
        if np.isfinite(scores).all():
            return scores
        self.parts.metrics.not_finite.inc()
        row = int(np.argmin(np.isfinite(scores).reshape(len(scores), -1).all(axis=1)))
        raise Problem(500, f"the model gave no finite number for rows[{row}]", kind="not-finite")

    def _check_head(self, headers: dict[bytes, bytes], media_types: tuple[bytes, ...]) -> None:
        media_type = headers.get(b"content-type", b"")
        if media_type not in media_types and media_type.partition(b";")[0].strip().lower() not in media_types:
            raise Problem(415, f"send {b' or '.join(media_types).decode()}", kind="media-type")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem(415, "send the body uncompressed", kind="content-encoding")
        length = headers.get(b"content-length")
        if length is not None and (len(length) > 12 or int(length) > self._most_bytes):
            raise too_large(self._most_bytes)

    def _spool_full(self) -> Problem:
        self.parts.metrics.refused.labels("spool").inc()
        return Problem(
            503, "the journal's spool is full: this prediction could not be written down", kind="spool-full",
            headers=[(b"retry-after", b"5")],
        )  # fmt: skip
