"""The Bento: the same application, for those who type `bentoml serve serving.service:Slipway`.

BentoML owns the process here: its workers, its port, its signals. What the
image's own entry point adds (bounded connections, draining) is not there;
docs/adr/0020-the-hot-path.md says what each way costs.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml

from serving import settings
from serving.app import Application
from serving.parts import build


class _Late:
    """An ASGI application that is built when the worker starts, not when this module is imported."""

    def __init__(self) -> None:
        self.application: Application | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.application is not None, "the service has not started"  # noqa: S101 - BentoML starts it first
        await self.application(scope, receive, send)


_late = _Late()


@bentoml.service(
    name="slipway",
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 30},
)
@bentoml.asgi_app(_late, path="/")
class Slipway:
    """The served model behind the API that docs/serving.md describes."""

    def __init__(self) -> None:
        parts = build(settings.read(os.environ))
        _late.application = Application(parts)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Ship what can be shipped, flush."""
        if _late.application is not None:
            _late.application.parts.stop()
