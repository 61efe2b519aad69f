"""The registry's commands."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import rich_click
from rich.console import Console
from rich.text import Text

from registry.options import AS_JSON, FOLDER, open_tracking, top
from slipway.errors import BadInput
from slipway.names import checked
from slipway.reference import SYNTAX, of_words
from slipway.table import WIDE, Heading, Listing, show
from slipway.tracking_uri import STORE

if TYPE_CHECKING:
    from registry.register import Registration
    from registry.tracking import Version
    from registry.verdict import Verdict

AREA = "ROC AUC"
RULES = (Heading("rule"), Heading("outcome"), Heading("measured"), Heading("limit"), Heading("reason", wraps=True))
MARKS = {True: "[green]passed[/]", False: "[red]failed[/]", None: "[dim]n/a[/]"}


@click.command(cls=rich_click.RichCommand)
@FOLDER
@click.option("--allow-dirty", is_flag=True, help="Register uncommitted changes, and mark the version git_dirty.")
@AS_JSON
def register(root: Path, allow_dirty: bool, as_json: bool) -> None:
    """Log, judge and register the model that `dvc repro` made.

    Registering the same model from the same commit again does nothing. A model
    that the gate refuses is registered too, so that it can be looked at, and
    the command ends with exit code 4. The verdict is kept with the version's
    files, signed by SLIPWAY_SIGNING_KEY where that is set.

    Example:

        dvc repro && git commit -am "Train on October" && slipway register
    """
    from registry.register import register as run

    console = Console(stderr=True)
    with console.status("") as status:
        key = os.environ.get("SLIPWAY_SIGNING_KEY") or None
        done = run(root, lambda: open_tracking(root), _artifact_root(root), allow_dirty, status.update, key)
    if as_json:
        print(json.dumps(_registration(done), indent=2))
    else:
        _print_registration(done)
    sys.exit(0 if done.version.tags.get("verdict") == "passed" else 4)


@click.command(cls=rich_click.RichCommand)
@click.argument("name", required=False)
@FOLDER
@WIDE
@AS_JSON
def versions(name: str | None, root: Path, wide: bool, as_json: bool) -> None:
    """List a model's registered versions, newest first, or every model's.

    Example:

        slipway versions flight-delay
    """
    tracking = open_tracking(root)
    names = [checked(name)] if name else tracking.names()
    found = [one for each in names for one in reversed(tracking.versions(each))]
    if name and not found:
        raise BadInput(
            f"there is no model {name} in {tracking.where}", expected="a registered model", hint="slipway register"
        )
    listed = [_listed(one) for one in found]
    if as_json:
        print(json.dumps(listed, indent=2))
        return
    show(_table_of(listed, wide))


@click.command(cls=rich_click.RichCommand)
@click.argument("words", nargs=-1, required=True, metavar=f"{SYNTAX} FOLDER")
@FOLDER
@AS_JSON
def export(words: tuple[str, ...], root: Path, as_json: bool) -> None:
    """Write a registered version to FOLDER: the served bytes and manifest.json; NAME alone is NAME@champion.

    Every digest is compared with what was registered; a difference is refused with exit code 4.

    Example:

        slipway export flight-delay@7 build/model
    """
    from registry.export import export as run

    if len(words) not in (2, 3):  # three: NAME VERSION FOLDER, the former spelling
        raise click.UsageError(f"expected {SYNTAX} and FOLDER, found {' '.join(words)}")
    reference, folder = of_words(*words[:-1]), Path(words[-1])
    manifest = run(open_tracking(root), reference.model, reference.version, folder)
    if as_json:
        print(json.dumps(manifest, indent=2))
    else:
        print(f"{reference.model} version {manifest['model']['version']} ({manifest['verdict']}) -> {folder}")


def _table_of(listed: list[dict[str, Any]], wide: bool) -> Listing:
    # Models of several tasks have several metrics: each cell names its own then.
    measured = AREA if all(one["metric"] is None or one["roc_auc"] is not None for one in listed) else "metric"
    columns = (
        Heading("model"), Heading("version"), Heading("verdict"), Heading("aliases"), Heading(measured, 1),
        Heading("created"), Heading("commit", 2), Heading("run", 3),
    )  # fmt: skip
    return Listing(columns, (_cells(one, named=measured != AREA) for one in listed), wide)


def _cells(listed: dict[str, Any], *, named: bool) -> list[str | Text]:
    metric = listed["metric"]
    area = "" if metric is None else f"{metric} {listed[metric]:.4f}" if named else f"{listed[metric]:.4f}"
    commit = (listed["git_commit"] or "")[:12] + (" + changes" if listed["git_dirty"] else "")
    verdict = Text.from_markup(MARKS[listed["verdict"] == "passed"])
    aliases, created = ", ".join(listed["aliases"]), listed["created"][:16]
    return [listed["model"], listed["version"], verdict, aliases, area, created, commit, listed["run_id"] or ""]


def _artifact_root(root: Path) -> str | None:
    if os.environ.get("SLIPWAY_ARTIFACT_ROOT"):
        return os.environ["SLIPWAY_ARTIFACT_ROOT"]
    # A store that was named explicitly decides for itself where its artifacts go.
    return None if os.environ.get("MLFLOW_TRACKING_URI") else (top(root) / STORE / "artifacts").as_uri()


def _listed(version: Version) -> dict[str, Any]:
    from registry.tasks import headlines

    tags = version.tags
    metric = next((name for name in headlines() if tags.get(name)), None)
    return {
        "model": version.name,
        "version": str(version.number),
        "verdict": tags.get("verdict", "failed"),
        "aliases": list(version.aliases),
        "git_commit": tags.get("git_commit"),
        "git_dirty": tags.get("git_dirty") == "true",
        "roc_auc": float(tags["roc_auc"]) if tags.get("roc_auc") else None,
        "metric": metric,
        **({metric: float(tags[metric])} if metric else {}),
        "run_id": version.run_id,
        "created": datetime.fromtimestamp(version.created / 1000, UTC).isoformat(timespec="seconds"),
    }


def _registration(done: Registration) -> dict[str, Any]:
    tags = done.version.tags
    return {
        "model": done.version.name,
        "version": str(done.version.number),
        "created": done.created,
        "run_id": done.version.run_id,
        "aliases": list(done.version.aliases),
        "tags": tags,
        **(done.verdict.as_json() if done.verdict else {"verdict": tags.get("verdict"), "rules": None}),
    }


def _print_registration(done: Registration) -> None:
    console = Console(soft_wrap=True)
    if done.verdict:
        show(_table(done.verdict))
    what = "registered" if done.created else "already registered, nothing to do"
    verdict = MARKS[done.version.tags.get("verdict") == "passed"]
    aliases = ", ".join(f"@{alias}" for alias in done.version.aliases)
    console.print(f"{done.version.name} version {done.version.number} {aliases}: {what}; verdict {verdict}")
    if done.version.tags.get("verdict") != "passed":
        console.print(f"  reasons: {done.version.tags.get('verdict_reasons', 'unknown')}", markup=False)


def _table(verdict: Verdict) -> Listing:
    rows: list[list[str | Text]] = []
    for rule in verdict.rules:
        numbers = ["" if value is None else f"{value:.6g}" for value in (rule.measured, rule.limit)]
        rows.append([rule.name, Text.from_markup(MARKS[rule.passed]), *numbers, rule.reason])
    return Listing(RULES, rows)
