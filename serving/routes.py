"""Routes beside prediction: health, version, metrics, the contract, one past prediction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from serving import auth
from serving.message import Answer, Request
from serving.metrics import CONTENT_TYPE
from serving.parts import Parts
from serving.problem import Problem
from serving.trace import REQUEST_ID

if TYPE_CHECKING:
    from serving.app import Handler
    from serving.stores import Stores


class Operations:
    """Answers about the server itself."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        served, manifest = parts.model, parts.model.manifest
        self._version = msgspec.json.encode(
            {
                "model": {"name": served.name, "version": served.version, "digest": f"sha256:{served.digest}"},
                "run_id": manifest.run_id,
                "git_commit": manifest.git_commit,
                "data_md5": manifest.data_md5,
                "image_digest": parts.settings.image_digest or None,
            }
        )

    def table(self) -> dict[str, dict[str, Handler]]:
        """Return the routes by path and method."""
        return {
            "/livez": {"GET": self.alive},
            "/startupz": {"GET": self.alive},
            "/readyz": {"GET": self.ready},
            "/v2/health/live": {"GET": self.alive},
            "/v2/health/ready": {"GET": self.ready},
            "/version": {"GET": self.version},
            "/metrics": {"GET": self.metrics},
            "/openapi.json": {"GET": self.openapi},
        }

    async def alive(self, request: Request) -> Answer:  # noqa: ARG002 - a handler
        """The event loop answers; nothing else is asked, so no store can restart this process."""
        return Answer(200, b'{"status":"alive"}')

    async def ready(self, request: Request) -> Answer:  # noqa: ARG002 - a handler
        """Ready when the model gave a right answer and the stores are joined, until draining begins."""
        if (reason := self.parts.not_ready()) is not None:
            if self.parts.draining:
                raise Problem(503, reason, kind="draining")
            raise Problem(503, reason, kind="not-ready")
        self._stores()
        return Answer(200, b'{"status":"ready"}')

    async def version(self, request: Request) -> Answer:
        """Where the answers come from."""
        await self.asks(request, "predict", "operate")
        return Answer(200, self._version)

    async def openapi(self, request: Request) -> Answer:
        """The contract."""
        await self.asks(request, "predict", "operate")
        return Answer(200, self.parts.document)

    async def metrics(self, request: Request) -> Answer:
        """Prometheus' text."""
        if self.parts.settings.metrics_access != "open":
            await self.asks(request, "operate")
        self.parts.metrics.in_flight.set(self.parts.shedder.in_flight)
        return Answer(200, self.parts.metrics.text(), CONTENT_TYPE)

    async def prediction(self, request: Request) -> Answer:
        """One past prediction, for its owner or an operator."""
        principal = await self.asks(request, "predict", "operate")
        if self.parts.spool is None:
            raise Problem(404, "this server keeps no journal", kind="no-journal")
        stores = self._stores()
        name = request.path.removeprefix("/predictions/")
        subject = None if "operate" in principal.roles else principal.subject
        found = None
        if REQUEST_ID.fullmatch(name.encode()):
            breaker = self.parts.database_breaker
            found = await asyncio.to_thread(stores.find, breaker, name, subject)
        if found is None:
            raise Problem(
                404, "no such prediction of yours; the newest reach the journal within seconds", kind="no-prediction"
            )
        return Answer(200, _shown(found))

    def _stores(self) -> Stores:
        if self.parts.stores is None:
            raise Problem(503, "the server is starting", kind="starting", headers=[(b"retry-after", b"1")])
        return self.parts.stores

    async def asks(self, request: Request, *roles: str) -> auth.Principal:
        """Check who asks, and that they may.

        Raises:
            Problem: 401, 403.
        """
        if self.parts.authenticator is not None:
            request.principal = await self.parts.authenticator.principal(request.headers.get(b"authorization"))
            auth.require(request.principal, *roles)
        return request.principal


def _shown(found: dict[str, Any]) -> bytes:
    return msgspec.json.encode(
        {
            "request_id": found["request_id"],
            "requested_at": found["requested_at"],
            "subject": found["subject"],
            "model": {"name": found["model"], "version": found["model_version"]},
            "features": found["features"],
            "scores": found["scores"],
            "latency_ms": found["latency_us"] / 1000,
        }
    )
