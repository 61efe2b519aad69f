"""Batch scoring against raw ONNX Runtime: rows per CPU-second on the same rows and model.

    python benchmarks/score.py --rows 1000000 --trees 200

Raw is `InferenceSession.run` on matrices that lie ready in memory, 8,192 rows at a time on one
thread; `slipway score` reads Parquet, checks every value, scores and writes Parquet. Interpreter
start and model load are in its figure.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scoring import columns  # noqa: E402
from scoring.part import BATCH_ROWS  # noqa: E402
from serving.inference import model as served  # noqa: E402 - a checkout runs this as a script


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        maker = [sys.executable, str(ROOT / "tests/fixtures/make_model.py"), str(folder / "model")]
        subprocess.run([*maker, "--trees", str(given.trees)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        drawn(given.rows, json.loads((folder / "model/schema.json").read_text()), folder / "in.parquet")
        raw, ours = raw_seconds(folder), score_seconds(folder)
    print("| | CPU s | rows per CPU-second | of raw |")
    print("|---|---|---|---|")
    for label, seconds in (("raw ONNX Runtime", raw), ("slipway score, one process", ours)):
        print(f"| {label} | {seconds:.2f} | {given.rows / seconds:,.0f} | {raw / seconds:.2f} |")


def drawn(rows: int, schema: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Write rows that fit the contract, drawn evenly from its ranges."""
    rng = np.random.default_rng(1)
    arrays: dict[str, pa.Array] = {"row_id": pa.array([f"r{index}" for index in range(rows)])}
    for feature in schema["features"]:
        if feature["type"] == "string":
            arrays[str(feature["name"])] = pa.array(rng.choice(feature["categories"], rows))
            continue
        values = rng.uniform(feature["minimum"], feature["maximum"], rows)
        whole = feature["type"] == "integer"
        arrays[str(feature["name"])] = pa.array(np.floor(values).astype(np.int64) if whole else values)
    pq.write_table(pa.table(arrays), path, row_group_size=1 << 18)


def raw_seconds(folder: Path) -> float:
    """Return the CPU-seconds of the bare model over every row."""
    loaded = served.load(folder / "model")
    with pq.ParquetFile(folder / "in.parquet") as file:
        laid = [columns.lay_out(batch, loaded.schema) for batch in file.iter_batches(BATCH_ROWS)]
    began = time.process_time()
    for one in laid:
        loaded.session.run(["probabilities"], {"numeric": one.numeric, "categorical": one.categorical})
    return time.process_time() - began


def score_seconds(folder: Path) -> float:
    """Return the CPU-seconds of the whole command, in one process."""
    words = ["score", str(folder / "in.parquet"), str(folder / "out.parquet"), "--model", str(folder / "model")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "slipway", *words, "--workers", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
