"""The Bento: the same application, for those who type `bentoml serve`.

BentoML owns the process here: its supervisor, its workers, its port. Every request goes to the application that the
image serves, health checks too; docs/reference/bento.md lists what is different.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from bentoml.images import Image

from serving import bento_worker, settings
from serving.app import Application
from serving.http import descriptors, logs
from serving.inference import pickles
from serving.parts import build


class Answers:
    """Hands every request to the application, and the start and the end of the worker to BentoML.

    As a mounted application it would not be asked for /livez and /readyz.
    """

    application: Application | None = None

    def __init__(self, app: Any) -> None:
        self._bentoml = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one ASGI scope."""
        answering: Any = self._bentoml if scope["type"] == "lifespan" else Answers.application
        await answering(scope, receive, send)


@bentoml.service(
    name="slipway",
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 30},
    # For `bentoml containerize`: every package is a wheel with its hash, so there is nothing to compile with.
    image=Image(base_image="python:3.11-slim-bookworm", distro="none", python_version="3.11"),
)
class Slipway:
    """The served model behind the API that docs/serving.md describes."""

    def __init__(self) -> None:
        bento = SERVICE.bento
        chosen = settings.read(bento_worker.environment(os.environ, bento))
        bento_worker.refuse_relative(chosen, bento)
        logs.configure(chosen.log_level)
        pickles.refuse()
        descriptors.reserve(chosen.max_connections)
        self.application = Answers.application = Application(build(chosen), cut_slow_bodies=not bento_worker.bounded())

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start what runs beside the requests, and what BentoML's server lacks."""
        self.application.start()
        bento_worker.begin(self.application.parts)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Ship what can be shipped, flush."""
        self.application.parts.stop()


SERVICE: Any = Slipway  # the decorator made a Service of the class, which its type does not tell
SERVICE.add_asgi_middleware(Answers)
bento_worker.bound_connections()
