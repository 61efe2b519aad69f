"""One part of the work: some row groups in, one file of scores out, complete or none.

Runs in this process, in a process of its own, or on a Dask worker: it takes names of files and
gives back counts, nothing else travels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring import answers, columns
from serving.inference import model as served
from serving.inference.model import Model
from slipway import atomic
from slipway.errors import Refused
from slipway.task import Task

BATCH_ROWS = 8192
READ_BYTES = 1 << 20  # of a column chunk at a time: a row group need not fit in memory


@dataclass(frozen=True)
class Part:
    """What one task reads and writes; `first_row` counts from the file's start."""

    number: int
    source: str
    row_groups: tuple[int, ...]
    first_row: int
    rows: int
    model: str
    model_sha256: str
    target: str


@dataclass(frozen=True)
class ScoredPart:
    """What a part came to. `example` is the first bad row and its reason."""

    number: int
    rows: int
    bad: int
    example: str | None


def output_schema(key: pa.DataType | None, task: Task) -> pa.Schema:
    """Return the columns of the result; without `row_id` in the input, rows are numbered from 0."""
    first = pa.field("row_id", key) if key is not None else pa.field("row", pa.int64())
    answer = [pa.field(name, kind) for name, kind in answers.columns(task).items()]
    return pa.schema([first, *answer, pa.field("model_version", pa.string()), pa.field("reason", pa.string())])


def score(part: Part) -> ScoredPart:
    """Score one part and write its file.

    Raises:
        BadInput: the file's columns are not the contract's.
        Unavailable: the disk refused.
    """
    loaded = _loaded(part.model, part.model_sha256)
    bad, example, row = 0, None, part.first_row
    with atomic.replacing(Path(part.target)) as temporary, _open(part.source, loaded) as file:
        schema = output_schema(_key(file.schema_arrow), loaded.task)
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for batch in _batches(file, part, loaded):
                result = _score_batch(batch, loaded, schema, row)
                writer.write_batch(result)
                count, first = _faults(result)
                bad, example, row = bad + count, example or first, row + batch.num_rows
    return ScoredPart(part.number, row - part.first_row, bad, example)


def read_counts(part: Part) -> ScoredPart:
    """Return what a part that is already written came to."""
    with pq.ParquetFile(part.target) as file:
        bad, example = 0, None
        for batch in file.iter_batches():
            count, first = _faults(batch)
            bad, example = bad + count, example or first
        return ScoredPart(part.number, file.metadata.num_rows, bad, example)


def _score_batch(batch: pa.RecordBatch, loaded: Model, schema: pa.Schema, first_row: int) -> pa.RecordBatch:
    laid = columns.lay_out(batch, loaded.schema)
    scores = np.zeros((batch.num_rows, *loaded.task.shape), np.float32)
    if laid.good.all():
        scores[:] = loaded.scores(laid.numeric, laid.categorical)
    elif laid.good.any():
        scores[laid.good] = loaded.scores(laid.numeric[laid.good], laid.categorical[laid.good])
    reasons: list[str | None] = [None] * batch.num_rows
    lost = ~np.isfinite(scores).reshape(batch.num_rows, -1).all(axis=1)
    for index in np.flatnonzero(lost):
        reasons[index] = "the model gives no finite number for this row"
    features = batch.select([name for name in batch.schema.names if name in _names(loaded)])
    for index in np.flatnonzero(~laid.good):
        reasons[index] = columns.reason(features.slice(index, 1).to_pylist()[0], loaded.schema)
    numbers = np.arange(first_row, first_row + batch.num_rows)
    key = batch.column("row_id") if schema.names[0] == "row_id" else pa.array(numbers)
    answered = answers.laid(loaded.task, scores, ~laid.good | lost)
    version = pa.repeat(loaded.version, batch.num_rows)
    return pa.record_batch([key, *answered, version, pa.array(reasons, pa.string())], schema=schema)


def _faults(result: pa.RecordBatch) -> tuple[int, str | None]:
    wrong = np.flatnonzero(result.column("reason").is_valid().to_numpy(zero_copy_only=False))
    if not len(wrong):
        return 0, None
    key, why = result.column(0)[int(wrong[0])], result.column("reason")[int(wrong[0])]
    return len(wrong), f"row {key}: {why}"


def _batches(file: pq.ParquetFile, part: Part, loaded: Model) -> Iterator[pa.RecordBatch]:
    present = columns.check(file.schema_arrow, loaded.schema, part.source)
    wanted = [*present, *(["row_id"] if _key(file.schema_arrow) is not None and "row_id" not in present else [])]
    yield from file.iter_batches(BATCH_ROWS, row_groups=list(part.row_groups), columns=wanted, use_threads=False)


def _open(source: str, loaded: Model) -> pq.ParquetFile:
    # Strings are kept as numbers into a dictionary: each distinct one is checked once.
    words = list(loaded.schema.inputs.categorical)
    return pq.ParquetFile(source, read_dictionary=words, buffer_size=READ_BYTES, pre_buffer=False)


def _key(schema: pa.Schema) -> pa.DataType | None:
    return schema.field("row_id").type if "row_id" in schema.names else None


def _names(loaded: Model) -> set[str]:
    return {feature.name for feature in loaded.schema.features}


@functools.lru_cache(maxsize=2)
def _loaded(folder: str, digest: str) -> Model:
    loaded = served.load(Path(folder))
    if loaded.digest != digest:
        raise Refused(
            f"{folder} holds another model than this job's",
            expected=digest,
            found=loaded.digest,
            hint="run the same command again with --restart",
        )
    return loaded
