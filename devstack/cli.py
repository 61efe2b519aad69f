"""`slipway stack`: every server of the stack on this machine, without containers."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from devstack import plan as plans
from slipway import params_file
from slipway.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from devstack.lifecycle import ServerHealth

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=plans.FOLDER,
    show_default=True,
    help="Credentials, data, logs.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def stack() -> None:
    """Run PostgreSQL, Redis, S3, MLflow, the API and Prometheus here, as processes.

    Example:

        slipway stack up && slipway stack status
    """


@stack.command()
@folder_option
@click.option("--port", "ports", multiple=True, metavar="NAME=PORT", help=f"Another port: {', '.join(plans.PORTS)}.")
@click.option("--model", help="Registered model to serve.  [default: model.name of params.yaml]")
@json_option
def up(folder: Path, ports: tuple[str, ...], model: str | None, as_json: bool) -> None:
    """Start what does not run, wait until it is healthy, show the addresses.

    Example:

        slipway stack up --port mlflow=5050
    """
    from devstack import lifecycle, services

    given = dict(_port(text) for text in ports)
    plan = plans.make(folder, Path.cwd(), model or _model(), given)
    found = lifecycle.up(plan, given, lambda text: click.echo(text, err=True))
    if as_json:
        _print_json(plan.folder, found)
        return
    _print_page(plan, [health.name for health in found])
    for health in found:
        if health.detail:
            click.echo(f"{health.name} is {health.state}: {health.detail}")
    for name, hint in services.missing().items():
        click.echo(f"{name} is not installed; next: {hint}")


@stack.command()
@folder_option
@json_option
def down(folder: Path, as_json: bool) -> None:
    """Stop everything that `up` started; data and passwords stay.

    Example:

        slipway stack down
    """
    from devstack import lifecycle

    left = lifecycle.down(folder, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps({"folder": str(folder.absolute()), "left_behind_and_ended": left}))
    else:
        click.echo("down" + (f"; {left} process(es) had lost their supervisor and were ended" if left else ""))


@stack.command()
@folder_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Ask every server how it is; exit code 5 unless all are healthy or wait for a model.

    Example:

        slipway stack status --json
    """
    from devstack import lifecycle

    plan = plans.read(folder)
    found = lifecycle.status(plan)
    if as_json:
        _print_json(plan.folder, found)
    for health in () if as_json else found:
        click.echo(f"{health.name:<13}{health.state:<10}{health.pid or '-':<8}{health.url}  {health.detail}".rstrip())
    bad = [health.name for health in found if health.state not in ("healthy", "waiting")]
    if as_json and (bad or not found):
        sys.exit(Unavailable.exit_code)  # the document is printed, a second one is not JSON
    if bad or not found:
        wrong = f"{', '.join(bad)} is not healthy" if bad else "the stack is down"
        raise Unavailable(wrong, expected="every server healthy", hint="slipway stack up")


@stack.command()
@folder_option
def env(folder: Path) -> None:
    """Print what points the project's commands at this stack; it holds passwords.

    Example:

        eval "$(slipway stack env)" && slipway versions flight-delay
    """
    from devstack import page

    click.echo(page.exports(plans.read(folder)))


@stack.command()
@json_option
def secrets(as_json: bool) -> None:
    """Make the passwords of compose.yaml, files under var/compose, and the keys of tokens.

    Example:

        slipway stack secrets && docker compose --profile dev up --build
    """
    from devstack import lifecycle, secret_files

    lifecycle.make_keys(Path.cwd())
    paths = [str(path) for path in secret_files.ensure(secret_files.FOLDER)]
    click.echo(json.dumps({"secrets": paths}) if as_json else "\n".join(paths))


def _print_page(plan: plans.Plan, names: list[str]) -> None:
    from devstack import page

    click.echo()
    for name, address, purpose in page.rows(plan, names):
        click.echo(f"{name:<13}{address:<36}{purpose}")
    click.echo(f"\nthe same as a page: {plan.folder / page.FILE}")


def _print_json(folder: Path, found: list[ServerHealth]) -> None:
    click.echo(
        json.dumps({"folder": str(folder), "services": [dataclasses.asdict(health) for health in found]}, indent=2)
    )


def _port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in plans.PORTS or not number.isdecimal() or not 0 < int(number) < 65536:
        raise BadInput(
            f"--port {text} is not a port of the stack",
            expected=f"NAME=PORT, NAME one of {', '.join(plans.PORTS)}",
            found=text,
            hint="slipway stack up --port mlflow=5050",
        )
    return name, int(number)


def _model() -> str:
    path = Path("params.yaml")
    found = params_file.read(path).get("model")
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise BadInput(
            f"{path} names no model", expected="model.name", found=str(found), hint="slipway stack up --model NAME"
        )
    return str(found["name"])
