"""The serving room's commands: serve a model, make tokens for development."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from slipway import processes
from slipway.arguments import Former
from slipway.reference import SYNTAX, of_target

KEYS = Path("var/auth")
EXPORTS = Path("var/models")


@click.command()
@click.argument("target", required=False, metavar=f"FOLDER|{SYNTAX}")
@click.argument("version", required=False, cls=Former)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for a free one.  [default: 3000]")
@click.option("--jwks", help="File or URL of the public keys of tokens.  [default: var/auth/jwks.json]")
@click.option("--no-auth", is_flag=True, help="Open every route; refused in production.")
def serve(
    target: str | None, version: str | None, host: str | None, port: int | None, jwks: str | None, no_auth: bool
) -> None:
    """Answer predictions of a model over HTTP.

    FOLDER holds an exported version; without it, the folder model. NAME alone is NAME@champion.
    Every other setting is an environment variable: see docs/reference/environment.md.

    Example:

        slipway token > var/token.txt && slipway serve flight-delay@champion
    """
    from serving.settings import PRODUCTION

    folder = _folder(target, version)
    environment = dict(os.environ)
    given: dict[str, Any] = {
        "SLIPWAY_MODEL": str(folder),
        "SLIPWAY_HOST": host,
        "SLIPWAY_PORT": port,
        "SLIPWAY_JWKS": jwks,
    }
    environment |= {name: str(value) for name, value in given.items() if value is not None}
    if no_auth:
        environment["SLIPWAY_AUTH"] = "off"
    production = environment.get("SLIPWAY_ENVIRONMENT") == PRODUCTION
    if "SLIPWAY_JWKS" not in environment and not production and (KEYS / "jwks.json").exists():
        environment["SLIPWAY_JWKS"] = str(KEYS / "jwks.json")
    # A process of its own: nothing that the command line imported comes along.
    sys.stdout.flush()
    os.execve(sys.executable, processes.command("serving"), environment)  # noqa: S606 - our own interpreter


@click.command()
@click.option("--subject", default="developer", show_default=True, help="Whom the token names.")
@click.option("--role", "roles", multiple=True, default=("predict",), show_default=True, help="predict or operate.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=60, show_default=True, help="How long it lives.")
@click.option("--json", "as_json", is_flag=True, help="Print token, keys and expiry as JSON.")
def token(subject: str, roles: tuple[str, ...], minutes: int, as_json: bool) -> None:
    """Make a token for development, and the keys for it under var/auth; the smoke test's own are in var/auth/smoke.

    Example:

        curl -H "Authorization: Bearer $(slipway token)" localhost:3000/version
    """
    from serving.access import token as tokens

    environment = os.environ
    jwks = tokens.ensure_keys(KEYS)
    tokens.ensure_keys(KEYS / tokens.SMOKE)
    issuer, audience = environment.get("SLIPWAY_ISSUER", "slipway"), environment.get("SLIPWAY_AUDIENCE", "slipway")
    made = tokens.make(KEYS, subject, roles, minutes * 60, issuer, audience)
    if as_json:
        click.echo(json.dumps({"token": made, "jwks": str(jwks), "seconds": minutes * 60, "roles": list(roles)}))
    else:
        click.echo(made)


def _folder(target: str | None, version: str | None) -> Path:
    wanted = of_target("./model" if target is None else target, version)
    if isinstance(wanted, Path):
        return wanted
    folder = EXPORTS / wanted.model / wanted.version.removeprefix("@")
    click.echo(f"exporting {wanted} to {folder}", err=True)
    processes.slipway(
        "export", str(wanted), folder, failed=f"{wanted} could not be exported", hint=f"slipway versions {wanted.model}"
    )
    return folder
