"""The ASGI application: one table of routes, one place where problems become answers.

Lean on purpose: no framework, no middleware; what each request passes is
written down in `predict`. Works under any ASGI server, and mounted in a Bento.
"""

from __future__ import annotations

import gzip
import logging
import re
import time
from typing import Any

from serving.http import requestlog, trace
from serving.http.message import Handler, Request, Response
from serving.http.problem import MEDIA_TYPE, Problem
from serving.parts import Parts
from serving.routes import pages
from serving.routes.openinference import OpenInference
from serving.routes.operations import Operations
from serving.routes.predict import Predictor

logger = logging.getLogger(__name__)

COMPRESS_BYTES = 1024


class Application:
    """Route requests to handlers; count, log and answer what they give or raise."""

    def __init__(self, parts: Parts, *, cut_slow_bodies: bool = True) -> None:
        self.parts = parts
        self._started = False
        predictor = Predictor(parts, cut_slow_bodies=cut_slow_bodies)
        operations, inference = Operations(parts), OpenInference(predictor)
        self._routes: dict[str, dict[str, Handler]] = {
            "/predict": {"POST": predictor.predict},
            **operations.table(),
            **inference.table(),
            **pages.table(parts),
        }
        self._operations = operations

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})

    def start(self) -> None:
        """Start what runs beside the requests, once."""
        if not self._started:
            self._started = True
            self.parts.start()

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        parts = self.parts
        self.start()
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        finally:
            if request.place is not None:
                parts.shedder.working.give(request.place)
        await self._send(request, answer, send)
        seconds = time.perf_counter() - request.started
        parts.metrics.answered(request.route, answer.status, seconds)
        if request.route not in requestlog.SILENT or answer.status >= 400:
            parts.log.add(requestlog.line(request, scope["method"], answer.status, seconds, parts.model.version))
        if parts.record is not None:
            end = time.time_ns()
            attributes = {"slipway.request_id": request.id, "slipway.model_version": parts.model.version}
            parts.record(request.route, answer.status, end - int(seconds * 1e9), end, request.trace, attributes)

    async def _answer(self, request: Request) -> Response:
        try:
            request.trace = trace.parent(request.headers.get(b"traceparent"))
            request.id, request.client_id = trace.request_id(request.headers.get(b"x-request-id"))
            request.refuse_repeated()
            return await self._handler(request)(request)
        except Problem as problem:
            return self._refused(request, problem)
        except Exception:
            logger.exception("request %s failed", request.id)
            return self._refused(request, Problem(500, "see the server's log for this request id", kind="failed"))

    def _handler(self, request: Request) -> Handler:
        methods = self._routes.get(request.path)
        if methods is None and request.path.startswith("/predictions/"):
            request.route = "/predictions/{id}"
            methods = {"GET": self._operations.prediction}
        elif methods is not None:
            request.route = request.path
        if methods is None:
            raise Problem(404, f"no route {request.path[:80]}", kind="no-route")
        handler = methods.get(request.scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            raise Problem(405, f"use {allowed}", kind="method", headers=[(b"allow", allowed.encode())])
        return handler

    def _refused(self, request: Request, problem: Problem) -> Response:
        request.id = request.id or trace.new_request_id()
        protocol = request.path == "/v2" or request.path.startswith("/v2/")
        return Response(problem.status, problem.body(request.id, protocol=protocol), MEDIA_TYPE, problem.headers)

    async def _send(self, request: Request, answer: Response, send: Any) -> None:
        body = answer.body
        headers = [(b"content-type", answer.media_type), (b"x-request-id", request.id.encode()), *answer.headers]
        if request.client_id:
            headers.append((b"x-client-request-id", request.client_id.encode()))
        if len(body) >= COMPRESS_BYTES and _takes_gzip(request.headers.get(b"accept-encoding", b"")):
            body = gzip.compress(body, 1, mtime=0)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
        headers.append((b"content-length", b"%d" % len(body)))
        if self.parts.draining or not self.parts.role.keeps():
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.parts.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def refused(parts: Parts, problem: Problem, request_id: str) -> None:
    """Count and log what a connection refused before it was a request."""
    parts.metrics.answered("unknown", problem.status, 0.0)
    parts.log.add(requestlog.refused(problem.status, request_id, parts.model.version))


def _takes_gzip(accepted: bytes) -> bool:
    """Say whether Accept-Encoding lists gzip, with a weight that is not zero."""
    if b"gzip" not in accepted.lower():
        return False
    for listed in accepted.lower().split(b","):
        name, _, weight = listed.replace(b" ", b"").replace(b"\t", b"").partition(b";")
        if name == b"gzip":
            return re.fullmatch(rb"q=0(\.0*)?", weight) is None
    return False
