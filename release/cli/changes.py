"""The command line of `slipway changes`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import rich_click

from registry.options import AS_JSON, FOLDER


@click.command(cls=rich_click.RichCommand)
@click.option("--base", default="origin/main", show_default=True, help="The commit or branch to compare with.")
@click.option("--head", default="HEAD", show_default=True, help="The commit that is reviewed.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file to write; default: print.")
@FOLDER
@AS_JSON
def changes(base: str, head: str, output: Path | None, root: Path, as_json: bool) -> None:
    """Write what a branch changes, in Markdown: parameters, metrics, rendered manifests.

    Compares committed states; what is not committed is not shown.

    Example:

        slipway changes --base origin/main --output var/changes.md
    """
    from registry.options import top
    from release.views.changes import changes as run
    from slipway.atomic import write_bytes

    text = run(top(root), base, head, (os.environ.get("SLIPWAY_GITOPS_FOLDER") or "gitops").strip("/"))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(output, text.encode())
    if as_json:
        click.echo(
            json.dumps({"base": base, "head": head, "output": str(output) if output else None, "markdown": text})
        )
    elif output:
        click.echo(f"{len(text):,} characters -> {output}")
    else:
        click.echo(text, nl=False)
