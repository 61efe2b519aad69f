"""`slipway score`: a Parquet file in, a Parquet file of scores out."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scoring import job as jobs
from scoring import run
from scoring.part import ScoredPart
from slipway import processes
from slipway.reference import SYNTAX, of_target


@click.command()
@click.argument("source", metavar="IN.parquet", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT.parquet", type=click.Path(path_type=Path))
@click.option(
    "--model", required=True, metavar=f"FOLDER|{SYNTAX}", help="Exported or registered version; NAME: NAME@champion."
)
@click.option(
    "--max-bad", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Most bad rows, a fraction."
)
@click.option(
    "--workers", type=click.IntRange(1), default=None, help="Processes on this machine.  [default: its processors]"
)
@click.option("--scheduler", metavar="URL", help="Dask scheduler, such as tcp://host:8786, instead of --workers.")
@click.option(
    "--part-rows", type=click.IntRange(1), default=jobs.PART_ROWS, show_default=True, help="Least rows of a part."
)
@click.option("--restart", is_flag=True, help="Drop what an earlier job left in OUT.parquet.parts/.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def score(
    source: Path,
    target: Path,
    model: str,
    max_bad: float,
    workers: int | None,
    scheduler: str | None,
    part_rows: int,
    restart: bool,
    as_json: bool,
) -> None:
    """Score the rows of IN.parquet, however many, and write OUT.parquet.

    OUT has row_id (or row, counted from 0), the answer of the model's task, model_version and
    reason. The answer is probability for two classes without names, else label with probability
    or probabilities, or value with low and high. A row that breaks the model's contract has no
    answer but a reason. Killed, the same command goes on.

    Example:

        slipway score flights.parquet scores.parquet --model flight-delay@champion
    """
    with _model_folder(model) as folder:
        job = jobs.plan(source, target, folder, part_rows)
        before = jobs.is_done(job)
        bad, example = (jobs.bad_rows(target), None) if before else (0, None)
        if not before:
            bad, example = _score(job, workers or os.cpu_count() or 1, scheduler, max_bad, restart)
    if as_json:
        print(json.dumps(jobs.as_json(job, bad=bad, example=example, done_before=before)))
    else:
        outcome = "nothing to do: the result is complete" if before else f"{job.rows} rows, {bad} bad"
        print(f"{target}  {outcome}  ({job.identity['model']} version {job.version})")
        if example:
            print(f"first bad {example}")


def _score(job: jobs.Job, workers: int, scheduler: str | None, max_bad: float, restart: bool) -> tuple[int, str | None]:
    shown = Progress(
        TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    with jobs.opened(job, restart=restart) as waiting, shown:
        task = shown.add_task("scoring", total=job.rows)

        def tell(part: ScoredPart) -> None:
            shown.advance(task, part.rows)

        run.run(job, waiting, workers=workers, scheduler=scheduler, max_bad=max_bad, tell=tell)
        return jobs.assemble(job)


@contextmanager
def _model_folder(model: str) -> Iterator[Path]:
    wanted = of_target(model)
    if isinstance(wanted, Path):
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="slipway-score-") as place:
        folder = Path(place, "model")
        # The registry is another room, and its libraries take a second to load: a process of its own.
        processes.slipway(
            "export", str(wanted), folder, failed=f"{wanted} could not be exported",
            hint=f"slipway versions {wanted.model}",
        )  # fmt: skip
        yield folder
