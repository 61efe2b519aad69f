"""Routes beside prediction: health, version, metrics, the contract, one past prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from serving.access import auth
from serving.access.limits import Limiter
from serving.http.message import Handler, Request, Response
from serving.http.principal import Principal
from serving.http.problem import Problem
from serving.http.trace import REQUEST_ID
from serving.metrics import CONTENT_TYPE
from serving.parts import Parts
from serving.routes.lookups import Lookups
from slipway.breaker import Breaker

if TYPE_CHECKING:
    from serving.stores import Stores


class Operations:
    """Answers about the server itself."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._lookups = Lookups()
        settings = parts.settings
        # Reads are counted a pod, apart from predictions: neither uses up the other's limit.
        self._limiter = Limiter(
            settings.read_burst_limit, settings.read_sustained_limit, settings.redis_timeout_seconds, Breaker("reads")
        )
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

    async def alive(self, request: Request) -> Response:  # noqa: ARG002 - a handler
        """The event loop answers; nothing else is asked, so no store can restart this process."""
        return Response(200, b'{"status":"alive"}')

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - a handler
        """Ready when the model gave a right answer, the stores are joined and rows are safe, until draining."""
        if (reason := self.parts.not_ready()) is not None:
            if self.parts.draining:
                raise Problem(503, reason, kind="draining")
            raise Problem(503, reason, kind="not-ready")
        self._stores()
        if (trouble := self.parts.spool_trouble) is not None:
            raise Problem(503, f"the journal's spool: {trouble}"[:300], kind="spool-failing")
        return Response(200, b'{"status":"ready"}')

    async def version(self, request: Request) -> Response:
        """Where the answers come from."""
        await self.asks(request, "predict", "operate")
        return Response(200, self._version)

    async def openapi(self, request: Request) -> Response:
        """The contract."""
        await self.asks(request, "predict", "operate")
        return Response(200, self.parts.document)

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        if self.parts.settings.metrics_access != "open":
            await self.asks(request, "operate")
        self.parts.metrics.in_flight.set(self.parts.shedder.working.taken)
        return Response(200, self.parts.metrics.text(), CONTENT_TYPE)

    async def prediction(self, request: Request) -> Response:
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
            found = await self._lookups.run(principal.subject, lambda: stores.find(breaker, name, subject), stores.away)
        if found is None:
            raise Problem(
                404, "no such prediction of yours; the newest reach the journal within seconds", kind="no-prediction"
            )
        return Response(200, found)

    def _stores(self) -> Stores:
        if self.parts.stores is None:
            raise Problem(503, "the server is starting", kind="starting", headers=[(b"retry-after", b"1")])
        return self.parts.stores

    async def asks(self, request: Request, *roles: str) -> Principal:
        """Check who asks, that they may, and that they do not ask too often.

        Raises:
            Problem: 401, 403, 429.
        """
        if self.parts.authenticator is not None:
            request.principal = await self.parts.authenticator.principal(request.headers.get(b"authorization"))
            auth.require(request.principal, *roles)
        if not self._limiter.take(request.principal.subject):
            await self._limiter.admit(request.principal.subject)
        return request.principal
