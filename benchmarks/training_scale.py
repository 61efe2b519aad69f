"""How training grows: the flights 1, 5 and 20 times over, with jitter, through prepare and train.

    python benchmarks/training_scale.py [--times 1 5 20]

Prints seconds and peak memory (of the stage's own process) per million rows.
For prepare also the peak above an empty run, against what the table would take
in memory whole: it streams, so that share falls as the table grows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
PEAK = "import resource, training.{0} as stage; {1}; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 5, 20])
    times = parser.parse_args().times
    header = f"{'rows':>10}  {'stage':<8}{'seconds':>9}{'peak MB':>9}{'s per M':>9}{'MB per M':>10}{'of the table':>14}"
    print(header)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        source = pq.read_table(ROOT / "data/raw/flights.parquet")
        (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        for many in times:
            size = grow(source, many, project)
            for stage in ("prepare", "train"):
                idle = run(stage, "pass", project)[1]
                taken, peak = run(stage, "stage.main()", project)
                rows = source.num_rows * many
                million = rows / 1e6
                share = f"{(peak - idle) * 1e6 / size:>13.2f}x" if stage == "prepare" else ""
                measured = f"{taken:>9.1f}{peak:>9.0f}{taken / million:>9.1f}{peak / million:>10.0f}"
                print(f"{rows:>10,}  {stage:<8}{measured}{share}")


def grow(source: pa.Table, many: int, project: Path) -> int:
    """Write the flights `many` times, each copy's delays and distances shifted a little; return the bytes in memory."""
    random = np.random.default_rng(many)
    folder = project / "data/raw"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weather.parquet").write_bytes((ROOT / "data/raw/weather.parquet").read_bytes())
    with pq.ParquetWriter(folder / "flights.parquet", source.schema) as writer:
        for _ in range(many):
            copy = source
            for name, spread in (("arr_delay", 5), ("distance", 9)):
                jitter = pa.array(random.integers(0, spread, source.num_rows))
                copy = copy.set_column(copy.schema.get_field_index(name), name, pc.add(copy[name], jitter))
            writer.write_table(copy, row_group_size=65_536)
    return int(source.nbytes) * many


def run(stage: str, what: str, project: Path) -> tuple[float, float]:
    """Run a stage in a process of its own; return seconds and peak megabytes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    code = PEAK.format(stage, what)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return time.monotonic() - started, int(ran.stdout.split()[-1]) / 1024


if __name__ == "__main__":
    main()
