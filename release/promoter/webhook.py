"""The server that takes MLflow's alias webhook, and wakes the reconciler of that model.

Answers at once and does nothing itself: what a delivery says is not believed, the
reconciler looks for itself. Refuses what is not signed by the shared secret, late,
seen before, or too long. Needs the `promoter` extra.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registry.tracking import CHAMPION
from release.promoter.delivery import Deliveries, refusal
from slipway.errors import Refused
from slipway.names import NAME
from slipway.redaction import redacted

BODY_BYTES = 64 * 1024
LOG = logging.getLogger("slipway.webhook")
EVENT = ("model_version_alias", "created")

Pass = Callable[[list[str] | None], list[Any]]


@dataclass
class Loop:
    """Runs a pass over every model each `every` seconds, and over one as soon as it is woken. One pass at a time."""

    run: Pass
    every: float
    woken: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False
    passed: float | None = None
    refused: bool = False
    # (model, kind of outcome) -> when a pass last had it, Unix time in seconds
    outcomes: dict[tuple[str, str], float] = field(default_factory=dict)

    def stir(self, model: str) -> None:
        """Ask for a pass over one model."""
        self.woken.add(model)
        self.wake.set()

    async def go(self) -> None:
        """Run until stopped; a pass that fails is logged and tried again."""
        due = 0.0
        while not self.stopping:
            left = due - time.monotonic()
            if left > 0 and not self.woken:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), left)
                self.wake.clear()
                continue
            whole = left <= 0
            models, self.woken = (None if whole else sorted(self.woken)), set()
            self.wake.clear()
            if whole:
                due = time.monotonic() + self.every
            await self._pass(models)

    async def stop(self) -> None:
        """Let the pass that runs come to its end, and begin no other."""
        self.stopping = True
        self.wake.set()

    async def _pass(self, models: list[str] | None) -> None:
        began = time.monotonic()
        try:
            done = await asyncio.to_thread(self.run, models)
        except Exception as error:  # the loop is the truth: it outlives every pass
            # Not for a pass to fix: a history that was rewritten, or manifests that are none.
            self.refused = isinstance(error, Refused)
            LOG.exception(
                "pass failed",
                extra={"facts": {"models": models, "said": redacted(f"{type(error).__name__}: {error}")[:500]}},
            )
            return
        self.passed, self.refused = time.monotonic(), False
        for one in done:
            kinds = [each.kind for each in one.outcomes] + (["failed"] if one.failed else [])
            self.outcomes.update({(one.model, kind): time.time() for kind in kinds})
            if kinds:
                said = [f"{each.kind} {each.version or ''}: {each.said}" for each in one.outcomes]
                LOG.info("pass", extra={"facts": {"model": one.model, "outcomes": said, "failed": one.failed}})
        LOG.debug("pass over", extra={"facts": {"models": models, "seconds": round(self.passed - began, 3)}})


def application(secret: str, loop: Loop, now: Callable[[], float] = time.time) -> Starlette:
    """Return the server: POST /mlflow, GET /livez, GET /readyz, GET /metrics."""
    gauges = _gauges(loop)

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        # A pass that has not come to its end for long is a loop that hangs or cannot reach Git.
        late = loop.passed is None or time.monotonic() - loop.passed > max(10 * loop.every, 300)
        return JSONResponse({"status": "waiting" if late else "ready"}, 503 if late or loop.stopping else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(gauges), media_type=CONTENT_TYPE_LATEST)

    take = _taking(secret, loop, now)
    routes = [Route("/mlflow", take, methods=["POST"]), Route("/livez", alive), Route("/readyz", ready)]
    return Starlette(routes=[*routes, Route("/metrics", metrics)], lifespan=_living(loop))


def _taking(secret: str, loop: Loop, now: Callable[[], float]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return the route that takes MLflow's deliveries, each once."""
    deliveries = Deliveries()

    async def take(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _answer(413, "the body is too long", request)
        why = refusal(secret, request.headers, body, now())
        if why is not None:
            return _answer(401, why, request)
        if not deliveries.take(request.headers["x-mlflow-delivery-id"], now()):
            return _answer(409, "this delivery was taken before", request)
        model = _model(body)
        if model is None:
            return _answer(202, "nothing to do", request)
        loop.stir(model)
        return _answer(202, f"looking at {model}", request)

    return take


def _gauges(loop: Loop) -> CollectorRegistry:
    registry, began = CollectorRegistry(), time.monotonic()
    age = Gauge(
        "slipway_promoter_pass_age_seconds", "Seconds since the last pass that came to its end.", registry=registry
    )
    age.set_function(lambda: time.monotonic() - (began if loop.passed is None else loop.passed))
    refused = Gauge("slipway_promoter_refused", "1 while the manifests' history or form is refused.", registry=registry)
    refused.set_function(lambda: float(loop.refused))
    registry.register(Outcomes(loop))
    return registry


class Outcomes(Collector):
    """Show when a pass last had each kind of outcome: a hold happens once, so a count would miss the first."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the times by model and kind."""
        times = GaugeMetricFamily(
            "slipway_promoter_outcome_timestamp_seconds",
            "When a pass last had an outcome of this kind for this model; `failed`: it could not go on.",
            labels=["model", "kind"],
        )
        for (model, kind), when in sorted(self.loop.outcomes.items()):
            times.add_metric([model, kind], when)
        yield times


def _living(loop: Loop) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def living(_: Starlette) -> Any:
        task = asyncio.create_task(loop.go())
        yield
        await loop.stop()
        await task

    return living


async def _body(request: Request) -> bytes | None:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES:
            return None
    return content


def _model(body: bytes) -> str | None:
    try:
        said = json.loads(body)
        entity, action, data = said["entity"], said["action"], said["data"]
        name, alias = data["name"], data["alias"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if (entity, action) != EVENT or alias != CHAMPION or not isinstance(name, str) or not re.fullmatch(NAME, name):
        return None
    return name


def _answer(code: int, said: str, request: Request) -> Response:
    delivery = re.sub(r"[^\w.-]", "?", request.headers.get("x-mlflow-delivery-id", "")[:64])
    peer = request.client.host if request.client else ""
    facts = {"status": code, "said": said, "delivery": delivery, "peer": peer}
    LOG.log(logging.INFO if code < 400 else logging.WARNING, "delivery", extra={"facts": facts})
    return JSONResponse({"status": said}, code)


async def serve(app: Starlette, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests and the running pass come to their end first."""
    import uvicorn

    config = uvicorn.Config(
        app,
        host,
        port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=16384,
    )
    await uvicorn.Server(config).serve()
