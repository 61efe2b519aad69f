"""What the commands of the release path share: the context of an act, and the settings of this process.

With the command modules, the only place that reads the environment.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import rich_click
from rich.console import Console

from registry.options import open_tracking, top
from release.environments import ENVIRONMENTS

if TYPE_CHECKING:
    from release.cluster.api import Cluster
    from release.context import Context
    from release.settings import ReleaseSettings

COMMAND = functools.partial(click.command, cls=rich_click.RichCommand)


def environment_argument(default: str) -> Callable[[Any], Any]:
    """Return the argument ENVIRONMENT of a command."""
    return click.argument("environment", default=default, type=click.Choice(ENVIRONMENTS))


@contextlib.contextmanager
def acting(root: Path, who: str | None = None) -> Iterator[Context]:
    """Give the context of an act, from the environment of this process."""
    from release import wiring as opening

    with Console(stderr=True).status("") as status:

        def say(text: str) -> None:
            status.update(text)

        with opening.acting(settings(root, who), os.environ, lambda: open_tracking(root), say=say) as context:
            status.stop()
            yield context


def settings(root: Path, who: str | None = None) -> ReleaseSettings:
    """Read the settings of this process."""
    from release.settings import read

    environment = {**os.environ, "SLIPWAY_ACTOR": who} if who else os.environ
    return read(environment, top(root), root)


def cluster() -> Cluster:
    """Open the cluster that the environment of this process names."""
    from release import wiring as opening

    return opening.cluster(os.environ)


def show(as_json: bool, said: object, text: str) -> None:
    """Print the text for people, or what was said as JSON."""
    click.echo(json.dumps(said, indent=2, default=str) if as_json else text)
