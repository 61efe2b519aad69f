"""The commands of the training room."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich_click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from slipway.embedded_store import settle_aloud
from slipway.table import Heading, Listing
from slipway.tracking_uri import tracking_uri

if TYPE_CHECKING:  # the search imports scikit-learn
    from training.search import Result

TITLES = {"log_loss": "log loss", "roc_auc": "ROC AUC", "rmse": "RMSE", "mae": "MAE"}


@click.command(cls=rich_click.RichCommand)
def validate() -> None:
    """Hold the raw table against data/contract.yaml; a broken expectation ends with exit code 3.

    Example:

        slipway validate
    """
    _run("validate")


@click.command(cls=rich_click.RichCommand)
def train() -> None:
    """Train the model that params.yaml describes, and write model/.

    Example:

        slipway train
    """
    _run("train")


@click.command(cls=rich_click.RichCommand)
def evaluate() -> None:
    """Measure the model on rows that it has not seen, and write reports/.

    Example:

        slipway evaluate
    """
    _run("evaluate")


@click.command(cls=rich_click.RichCommand)
@click.option(
    "--scheduler", metavar="URL", help="Dask scheduler, for example tcp://host:8786. Without it: this machine."
)
@click.option("--jobs", type=int, default=-1, show_default="all cores", help="Candidates at once on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print results and patch as JSON.")
def tune(scheduler: str | None, jobs: int, as_json: bool) -> None:
    """Search hyperparameters, here or on a Dask cluster.

    Draws candidates from tune.space in params.yaml, scores each on folds that follow in time, keeps them in MLflow
    as child runs and prints the change to params.yaml that the best one asks for. Nothing is changed.

    Example:

        slipway tune | git apply && dvc repro
    """
    from training import params, patch
    from training.tune import Where, tune

    chosen = params.load()
    named = os.environ.get("MLFLOW_TRACKING_URI")
    uri = tracking_uri(named, Path())
    if not named:
        settle_aloud(Path())
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"tune {chosen.train.estimator}", total=chosen.tune.candidates)
        results = tune(chosen, Where(uri, scheduler, jobs), lambda _: progress.advance(task))
    best = results[0]
    change = patch.hyperparameters(params.PARAMS_FILE, chosen.train.estimator, best.candidate)
    if as_json:
        print(
            json.dumps({"best": best.as_json(), "results": [r.as_json() for r in results], "patch": change}, indent=2)
        )
        return
    console.print("best five")
    console.print(_table_of(results[:5]), soft_wrap=True)
    print(change, end="")
    if not change:
        console.print("params.yaml has the best of them already")


def _table_of(results: list[Result], wide: bool = False) -> Listing:
    rows = []
    for result in results:
        settings = ", ".join(f"{key}={value}" for key, value in result.candidate.items())
        name = "now" if result.number == 0 else str(result.number)
        first, *others = result.scores.values()
        rows.append([name, f"{first:.5f}", *(f"{value:.4f}" for value in others), settings])
    scores = [Heading(TITLES[name]) for name in results[0].scores]
    return Listing((Heading("candidate"), *scores, Heading("hyperparameters", wraps=True)), rows, wide)


def _run(name: str) -> None:
    from training import stage

    stage.guarded(name, lambda: stage.load(name))
