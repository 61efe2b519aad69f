"""A scoring job: what it reads, the parts it falls into, and the result put together.

The parts live in OUT.parts/ beside the result until it is complete; a killed job goes on there. Refuses
to go on with parts of another job, and to run beside itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scoring import columns
from scoring.part import Part, output_schema, read_counts
from serving.inference import model as served
from slipway import artifact, atomic
from slipway.errors import BadInput, Refused
from slipway.task import Task

PART_ROWS = 1 << 18
FORMAT = 1  # of parts and result: a change here keeps old parts from being mixed with new


@dataclass(frozen=True)
class Job:
    """One input, one model, one result. `identity` names all three that decide the result's bytes."""

    source: Path
    target: Path
    folder: Path
    rows: int
    parts: tuple[Part, ...]
    identity: dict[str, Any]
    version: str
    task: Task

    @property
    def parts_folder(self) -> Path:
        """Where parts wait for each other."""
        return self.target.with_name(self.target.name + ".parts")


def plan(source: Path, target: Path, folder: Path, part_rows: int = PART_ROWS) -> Job:
    """Open the model and the file's metadata, and cut the work into parts.

    Raises:
        BadInput: no Parquet file, or its columns are not the model's.
        Refused: the model's bytes are not the exported ones.
    """
    loaded = served.load(folder)
    if target.resolve() == source.resolve():
        raise BadInput(
            "the result would overwrite its input",
            expected="another name",
            found=str(target),
            hint="choose another name for the result",
        )
    metadata, schema = _described(source)
    columns.check(schema, loaded.schema, str(source))
    groups = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    identity = {
        "format": FORMAT,
        "input_bytes": source.stat().st_size,
        "input_footer_sha256": _footer(source),
        "model": loaded.name,
        "version": loaded.version,
        "model_sha256": loaded.digest,
        "part_rows": part_rows,
    }
    kept = str(target.with_name(target.name + ".parts"))
    parts = tuple(
        Part(
            number, str(source), span, first, rows, f"{kept}/model", loaded.digest, f"{kept}/part-{number:06d}.parquet"
        )
        for number, (span, first, rows) in enumerate(_spans(groups, part_rows))
    )
    return Job(source, target, folder, metadata.num_rows, parts, identity, loaded.version, loaded.task)


def _described(source: Path) -> tuple[pq.FileMetaData, pa.Schema]:
    """Return the metadata and the schema of a Parquet file."""
    try:
        with pq.ParquetFile(source) as file:
            return file.metadata, file.schema_arrow
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise BadInput(
            f"{source} cannot be read",
            expected="a Parquet file",
            found=str(error)[:200],
            hint="correct the file's name, or write it as Parquet",
        ) from None


def is_done(job: Job) -> bool:
    """Return whether the result is already there, newer than the input and from this very job."""
    if not job.target.is_file() or job.target.stat().st_mtime_ns < job.source.stat().st_mtime_ns:
        return False
    try:
        found = (pq.read_metadata(job.target).metadata or {}).get(b"slipway", b"{}")
        return bool(json.loads(found) == job.identity)
    except (OSError, ValueError):
        return False


def bad_rows(target: Path) -> int:
    """Count the rows of a result that have a reason instead of an answer."""
    metadata = pq.read_metadata(target)
    last = metadata.num_columns - 1  # the reason
    groups = [metadata.row_group(index).column(last) for index in range(metadata.num_row_groups)]
    return sum(group.num_values - group.statistics.null_count for group in groups)


@contextlib.contextmanager
def opened(job: Job, *, restart: bool) -> Iterator[list[Part]]:
    """Hold OUT.parts/ for this process alone; give the parts that are still to be scored.

    Raises:
        Refused: another process works there.
        BadInput: another job's parts are there, and `restart` is not set.
    """
    folder = job.parts_folder
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"{folder} is in use",
                expected="one process for one result",
                hint="wait until the other command ends, then run this one again",
            ) from None
        _claim(job, restart=restart)
        yield [part for part in job.parts if not Path(part.target).is_file()]
    finally:
        os.close(handle)


def assemble(job: Job) -> tuple[int, str | None]:
    """Put the parts together to the result, remove them; return bad rows and the first one.

    Raises:
        Unavailable: the disk refused.
    """
    with pq.ParquetFile(job.source) as file:
        key = file.schema_arrow.field("row_id").type if "row_id" in file.schema_arrow.names else None
    schema = output_schema(key, job.task).with_metadata({b"slipway": json.dumps(job.identity, sort_keys=True).encode()})
    counted = [read_counts(part) for part in job.parts]
    with atomic.replacing(job.target) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for part in job.parts:
            with pq.ParquetFile(part.target) as file:
                for index in range(file.metadata.num_row_groups):
                    writer.write_table(file.read_row_group(index).cast(schema))
    shutil.rmtree(job.parts_folder)
    return sum(one.bad for one in counted), next((one.example for one in counted if one.example), None)


def _claim(job: Job, *, restart: bool) -> None:
    folder, note = job.parts_folder, job.parts_folder / "job.json"
    # Seen from the result, so that a folder that holds both can be moved.
    source = os.path.relpath(job.source.resolve(), job.target.resolve().parent)
    ours = {**job.identity, "input": source, "input_mtime_ns": job.source.stat().st_mtime_ns}
    found = json.loads(note.read_text()) if note.is_file() else None
    if found not in (None, ours) and not restart:
        other = sorted(name for name in ours if found.get(name) != ours[name])
        raise BadInput(
            f"{folder} holds the parts of another job",
            expected="the same input and model as when it began",
            found="another " + ", ".join(other),
            hint=f"finish that job, or start anew with --restart (removes {folder})",
        )
    if found != ours:
        for path in folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in artifact.FOLDER:
            atomic.write_bytes(folder / "model" / name, (job.folder / name).read_bytes())
        atomic.write_json(note, ours)
    for left in folder.glob(".part-*"):  # of a process that was killed while it wrote
        left.unlink()


def _spans(groups: list[int], part_rows: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
    span: list[int] = []
    first = rows = 0
    for index, count in enumerate(groups):
        span.append(index)
        rows += count
        if rows >= part_rows or index == len(groups) - 1:
            yield tuple(span), first, rows
            span, first, rows = [], first + rows, 0


def _footer(source: Path) -> str:
    with source.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        return hashlib.sha256(file.read(length)).hexdigest()


def as_json(job: Job, *, bad: int, example: str | None, done_before: bool) -> dict[str, Any]:
    """Return the job's outcome for a script."""
    outcome = {"output": str(job.target), "rows": job.rows, "bad": bad, "first_bad": example}
    return outcome | {"parts": len(job.parts), "nothing_to_do": done_before} | _named(job)


def _named(job: Job) -> dict[str, Any]:
    return {name: job.identity[name] for name in ("model", "version", "model_sha256")}
