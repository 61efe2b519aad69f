"""The one page of addresses, as a table and as HTML; holds no secret."""

from __future__ import annotations

import html
import shlex
from pathlib import Path

from devstack import services
from devstack.plan import Plan
from slipway.atomic import write_bytes

FILE = "index.html"
PURPOSES = {
    "api": "predictions; /docs asks for a token: slipway token",
    "mlflow": "runs, model versions, aliases",
    "postgres": "databases mlflow and journal",
    "redis": "limits and cache",
    "s3": "bucket mlflow",
    "prometheus": "metrics and alert rules",
    "alertmanager": "alerts",
}


def rows(plan: Plan, names: list[str]) -> list[tuple[str, str, str]]:
    """Return name, address and purpose of each server, the ones for people first."""
    return [(name, _address(plan, name), PURPOSES[name]) for name in PURPOSES if name in names]


def write(plan: Plan, names: list[str]) -> Path:
    """Write the page and return its path.

    Raises:
        Unavailable: the disk refused.
    """
    path = plan.folder / FILE
    write_bytes(path, _html(plan, names).encode())
    return path


def exports(plan: Plan) -> str:
    """Return shell lines that point the project's commands at this stack; they hold its passwords."""
    variables = plan.s3_environment() | {
        "MLFLOW_TRACKING_URI": plan.url("mlflow"),
        "SLIPWAY_DATABASE_URL": plan.database("journal"),
        "SLIPWAY_REDIS_URL": plan.redis(),
        "SLIPWAY_CACHE_SECRET": plan.credentials.cache_secret,
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items()))


def _address(plan: Plan, name: str) -> str:
    return plan.url(name) + ("/docs" if name == "api" else "")


def _html(plan: Plan, names: list[str]) -> str:
    lines = [_row(*row) for row in rows(plan, names)]
    lacking = [f"<p>{name} is not installed: {html.escape(hint)}</p>" for name, hint in services.missing().items()]
    commands = 'slipway stack status\nslipway token\neval "$(slipway stack env)"\nslipway stack down'
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Slipway on this machine</title>
<style>body {{font: 16px system-ui; margin: 3em}} td {{padding: .3em 1.5em .3em 0}} pre {{background: #eee}}</style>
<h1>Slipway on this machine</h1>
<table>
{chr(10).join(lines)}
</table>
{chr(10).join(lacking)}
<p>Passwords and logs: {html.escape(str(plan.folder))}, credentials.json and logs.</p>
<pre>{html.escape(commands)}</pre>
</html>
"""


def _row(name: str, address: str, purpose: str) -> str:
    shown = f'<a href="{address}">{address}</a>' if address.startswith("http") else f"<code>{address}</code>"
    return f"<tr><td>{name}</td><td>{shown}</td><td>{html.escape(purpose)}</td></tr>"
