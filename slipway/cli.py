"""The `slipway` command: finds each room's commands, loads one when it is typed.

The only module that knows every room. A room's own libraries are imported
when one of its commands runs, so `slipway --help` costs a fraction of a second.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import click
import rich_click
from rich.console import Console

from slipway import room
from slipway.errors import SlipwayError

# group -> command name -> "module:function", one line of help for the overview page; in the order of a model's way
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Train": {
        "validate": ("training.cli:validate", "Hold the raw table against data/contract.yaml."),
        "train": ("training.cli:train", "Train the model that params.yaml describes."),
        "evaluate": ("training.cli:evaluate", "Measure the model on rows that it has not seen."),
        "tune": ("training.cli:tune", "Search hyperparameters, here or on a Dask cluster."),
    },
    "Register": {
        "register": ("registry.cli:register", "Log, judge and register the model that `dvc repro` made."),
        "versions": ("registry.cli:versions", "List a model's registered versions with verdict and aliases."),
        "export": ("registry.cli:export", "Write a registered version to a folder, with its digests."),
        "package": ("image.cli:package", "Build, push and tag the OCI image of a registered version."),
    },
    "Serve": {
        "serve": ("serving.cli:serve", "Answer predictions of a model over HTTP."),
        "score": ("scoring.cli:score", "Score a Parquet file of any size, here or on a Dask cluster."),
    },
    "Release": {
        "stage": ("release.cli.release:stage", "Make a version what staging runs, by one commit."),
        "promote": ("release.cli.release:promote", "Judge a version and ask for it in production."),
        "diff": ("release.cli.history:diff", "Show what a release would change in production."),
        "approve": ("release.cli.release:approve", "Merge a production request, where no forge does it."),
        "resume": ("release.cli.operate:resume", "Let the version in preview take over."),
        "abort": ("release.cli.operate:abort", "Stop the version in preview."),
        "reject": ("release.cli.release:reject", "See that nothing promotes a version any more."),
        "rollback": ("release.cli.release:rollback", "Bring back the release before, now."),
        "history": ("release.cli.history:history", "List what an environment has run, and verify it."),
    },
    "Operate": {
        "status": ("release.cli.operate:status", "Show Git, MLflow and the cluster side by side."),
        "trace": ("release.cli.operate:trace", "Walk from a pod or a prediction to its data, and back."),
        "smoke": ("release.cli.smoke:smoke", "Judge what runs by its own analysis, now."),
        "drift": ("monitoring.cli:drift", "Compare what a model is asked and answers with what it was judged on."),
        "reconcile": ("release.cli.loop:reconcile", "Make Git, MLflow and the cluster agree."),
        "webhook": ("release.cli.loop:webhook", "Take MLflow's webhook and reconcile."),
        "audit": ("release.cli.record:audit", "List who did what and why, and verify the record."),
        "journal": ("journal.cli:journal", "Migrate and prune the journal of predictions in PostgreSQL."),
        "protect": ("release.cli.protect:protect", "Make GitHub's protection match .github/."),
    },
    "Develop": {
        "stack": ("devstack.cli:stack", "Run every server of the stack on this machine, without containers."),
        "token": ("serving.cli:token", "Make a short-lived token for development, and its keys."),
        "changes": ("release.cli.changes:changes", "Write what a branch changes, for whoever reviews it."),
        "proposal": ("release.cli.proposal:proposal", "Say whether a pull request changes no release."),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


class LazyGroup(rich_click.RichGroup):
    """List every command without importing the room that owns it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return click.Command(cmd_name, short_help=COMMANDS[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in COMMANDS:
            return args[0], _load(COMMANDS[args[0]][0]), args[1:]
        return super().resolve_command(ctx, args)


# Whose libraries a room uses that has no extra of its own.
EXTRAS = {"flights": "training", "image": "registry", "release": "registry", "journal": "serving", "scoring": "serving"}


def _load(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    try:
        command: click.Command = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise click.ClickException(_missing(module, error)) from error
    return command


def _missing(module: str, error: ModuleNotFoundError) -> str:
    room = module.partition(".")[0]
    extra = EXTRAS.get(room, room)
    return f"this command needs the {extra} extra ({error.name} is not installed). Type: pip install 'slipway[{extra}]'"


PANELS = [{"name": group, "commands": list(entries)} for group, entries in GROUPS.items()]


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "rich_help_config": {"command_groups": {"slipway": PANELS}},
    },
)
@click.version_option(package_name="slipway", message="%(prog)s %(version)s")
def slipway() -> None:
    """Take a scikit-learn model from data to production through Git.

    Example:

        dvc repro && slipway register

    Exit codes: 0 done or nothing to do · 1 unexpected · 2 wrong usage ·
    3 bad input · 4 refused by a gate or rule · 5 a service or disk failed.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; turn a SlipwayError into its text and exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    room.find()
    try:
        return slipway.main(args=words, prog_name="slipway")
    except ModuleNotFoundError as error:  # a room imports its libraries when they are needed
        target = next((COMMANDS[word][0] for word in words if word in COMMANDS), None)
        if target is None:
            raise
        sys.exit(f"Error: {_missing(target, error)}")
    except SlipwayError as error:
        if "--json" in words:
            print(json.dumps(error.as_json()))
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {_escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
