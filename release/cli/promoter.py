"""Runs webhook and loop in one process, and makes MLflow call it. An entry point: reads the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.options import open_tracking
from release.cli.process import settings
from slipway.errors import BadInput
from slipway.logs import JsonFormatter

NAME = "slipway-promoter"
SHORTEST_SECRET = 16


def run(root: Path, host: str, port: int, every: float) -> None:
    """Serve until SIGTERM.

    Raises:
        BadInput: no secret, or a setting is not what it must be.
    """
    from release import wiring as opening
    from release.promoter.reconcile import reconcile
    from release.promoter.webhook import Loop, application, serve

    key = secret(os.environ)
    found = settings(root)

    def once(models: list[str] | None) -> list[Any]:
        # A clone a pass: what the remote has rewritten or lost meanwhile is seen, and nothing grows.
        with opening.acting(found, os.environ, lambda: open_tracking(root)) as context:
            return reconcile(context, lambda: opening.cluster(os.environ), models)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(serve(application(key, Loop(once, every)), host, port))


def register(root: Path, url: str) -> str:
    """Make MLflow call `url` when an alias is set; a webhook of this name is brought up to date.

    Raises:
        Unavailable: MLflow does not take it: its server needs a SQL store, and for plain http
            MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https and MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true.
    """
    key, tracking = secret(os.environ), open_tracking(root)
    with tracking.asking("register the webhook"):
        client = tracking.client
        there = next((one for one in client.list_webhooks() if one.name == NAME), None)
        events, said = ["model_version_alias.created"], "wakes slipway's reconciler"
        if there is None:
            made = client.create_webhook(name=NAME, url=url, events=events, description=said, secret=key)
        else:
            made = client.update_webhook(there.webhook_id, url=url, events=events, secret=key, status="ACTIVE")
    return f"webhook {made.webhook_id} calls {url}; MLflow may need a minute before the first call"


def secret(environment: Mapping[str, str]) -> str:
    """Return the secret shared with MLflow.

    Raises:
        BadInput: none is set, or it is too short to be one.
    """
    file = environment.get("SLIPWAY_WEBHOOK_SECRET_FILE")
    try:
        given = environment.get("SLIPWAY_WEBHOOK_SECRET") or (Path(file).read_text().strip() if file else "")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "the secret shared with MLflow cannot be read",
            expected="text in the file that SLIPWAY_WEBHOOK_SECRET_FILE names",
            found=f"{file}: {type(error).__name__}",
            hint=f"openssl rand -hex 32 > {file}",
        ) from error
    if len(given) < SHORTEST_SECRET:
        raise BadInput(
            "there is no secret shared with MLflow",
            expected=f"at least {SHORTEST_SECRET} characters in SLIPWAY_WEBHOOK_SECRET, or a file of them",
            found=f"{len(given)} characters",
            hint="export SLIPWAY_WEBHOOK_SECRET=$(openssl rand -hex 32)",
        )
    return given
