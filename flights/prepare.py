"""Stage 2: raw flights become labelled rows, split by time.

Owns data/prepared and reports/prepare.json. Reads flights one row group at a
time, so memory does not grow with the file. A flight without a label is
counted with its reason; nothing is dropped in silence. Refuses a table that
lacks a column and a window that holds no row.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from slipway.atomic import replacing, write_json
from slipway.errors import BadInput
from training import features
from training.layout import LABEL, PREPARED, RAW, REPORTS
from training.params import load
from training.problem import Prepare
from training.sections import Window
from training.stage import run

REPORT = REPORTS / "prepare.json"
SCHEMA = pa.schema(
    [("row_id", pa.string()), ("block", pa.string()), (LABEL, pa.int8())]
    + [(f.name, pa.float32()) for f in features.NUMERIC]
    + [(f.name, pa.string()) for f in features.CATEGORICAL]
)
# Known only afterwards: read to make the label and to count, never a feature.
OUTCOME_COLUMNS = ["dep_time", "arr_delay"]


@dataclass
class Report:
    """What became of every raw row."""

    rows_read: int = 0
    cancelled: int = 0
    diverted: int = 0
    outside_the_windows: int = 0
    without_weather: int = 0
    impossible_weather: dict[str, int] = field(default_factory=dict)
    train: Counter[str] = field(default_factory=Counter)
    test: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Return counts with the reason for each."""
        return {
            "rows_read": self.rows_read,
            "not_labelled": {
                "cancelled": {"rows": self.cancelled, "why": "never departed, so there is no arrival to be late"},
                "diverted": {"rows": self.diverted, "why": "landed elsewhere, no arrival delay was recorded"},
                "outside_the_windows": {"rows": self.outside_the_windows, "why": "months kept for later"},
            },
            "impossible_weather_blanked": self.impossible_weather,
            "without_weather": self.without_weather,
            "train": dict(self.train),
            "test": dict(self.test),
        }


def prepare(params: Prepare, raw: Path = RAW, target: Path = PREPARED) -> Report:
    """Write train.parquet and test.parquet; return what became of every raw row.

    Raises:
        BadInput: a raw table is missing, damaged or lacks a column, or a window holds no row.
    """
    weather, impossible = features.clean_weather(_weather(raw / "weather.parquet"))
    report = Report(impossible_weather=impossible)
    with contextlib.ExitStack() as open_files:
        writers = {}
        for split in ("train", "test"):
            path = open_files.enter_context(replacing(target / f"{split}.parquet"))
            writers[split] = open_files.enter_context(pq.ParquetWriter(path, SCHEMA))
        for flights in _batches(raw / "flights.parquet"):
            for split, rows in _label_and_split(flights, weather, params, report):
                writers[split].write_table(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False))
        _refuse_empty(params, report)
    return report


def _label_and_split(
    flights: pd.DataFrame, weather: pd.DataFrame, params: Prepare, report: Report
) -> Iterator[tuple[str, pd.DataFrame]]:
    report.rows_read += len(flights)
    cancelled = flights["dep_time"].isna()
    diverted = ~cancelled & flights["arr_delay"].isna()
    report.cancelled += int(cancelled.sum())
    report.diverted += int(diverted.sum())
    flights = flights[~cancelled & ~diverted].reset_index(drop=True)
    days = pd.to_datetime(flights[["year", "month", "day"]]).dt.date.to_numpy()
    splits = {"train": _within(days, params.train), "test": _within(days, params.test)}
    report.outside_the_windows += int((~splits["train"] & ~splits["test"]).sum())
    for split, chosen in splits.items():
        if chosen.any():
            rows = _rows(flights[chosen].reset_index(drop=True), weather, params)
            report.without_weather += int(rows[list(features.WEATHER)].isna().all(axis=1).sum())
            getattr(report, split).update(rows=len(rows), positives=int(rows[LABEL].sum()))
            yield split, rows


def _rows(flights: pd.DataFrame, weather: pd.DataFrame, params: Prepare) -> pd.DataFrame:
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    clock = flights["sched_dep_time"].astype(str).str.zfill(4)
    row_id = day + "T" + clock + "-" + flights["carrier"] + flights["flight"].astype(str) + "-" + flights["origin"]
    keys = pd.DataFrame({"row_id": row_id, "block": day})
    # On time is "less than 15 minutes late": https://www.bts.gov/explore-topics-and-geography/topics/airline-time-performance-and-causes-flight-delays
    label = (flights["arr_delay"] >= params.late_from_minutes).astype(np.int8).rename(LABEL)
    built = features.build(flights, weather, params.weather_lag_hours)
    return pd.concat([keys, label, built], axis=1)


def _within(days: np.ndarray, window: Window) -> np.ndarray:
    return np.asarray((days >= window.start) & (days <= window.end), dtype=bool)


def _weather(path: Path) -> pd.DataFrame:
    with _opened(path, ["origin", "time_hour", *features.WEATHER]) as file:
        frame: pd.DataFrame = file.read(columns=["origin", "time_hour", *features.WEATHER]).to_pandas()
    return frame


def _batches(path: Path) -> Iterator[pd.DataFrame]:
    columns = [*features.FLIGHT_COLUMNS, *OUTCOME_COLUMNS]
    with _opened(path, columns) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns).to_pandas()


@contextlib.contextmanager
def _opened(path: Path, columns: list[str]) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            absent = [name for name in columns if name not in file.schema_arrow.names]
            if absent:
                raise BadInput(
                    f"{path} lacks the column {', '.join(absent)}",
                    expected="columns " + ", ".join(columns),
                    found="columns " + ", ".join(file.schema_arrow.names),
                    hint="dvc repro --force fetch",
                )
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise
        raise BadInput(
            f"{path} cannot be read as Parquet",
            expected="the table that `dvc repro fetch` writes",
            found=str(error).splitlines()[0],
            hint="dvc repro --force fetch",
        ) from error


def _refuse_empty(params: Prepare, report: Report) -> None:
    for split, counts in (("train", report.train), ("test", report.test)):
        window: Window = getattr(params, split)
        if not counts["rows"]:
            raise BadInput(
                f"the {split} window holds no flight",
                expected=f"labelled flights from {window.start} to {window.end}",
                found=f"none among {report.rows_read:,} rows",
                hint=f"correct prepare.{split} in params.yaml",
            )


def main() -> None:
    """Prepare the rows and report what became of each."""
    report = prepare(load().prepare)
    write_json(REPORT, report.as_json())
    print(f"prepare: {report.rows_read:,} flights read, {report.cancelled:,} cancelled, {report.diverted:,} diverted")
    for split, counts in (("train", report.train), ("test", report.test)):
        share = counts["positives"] / counts["rows"]
        print(f"prepare: {split:<5} {counts['rows']:>9,} rows, {share:.1%} late -> {PREPARED / split}.parquet")


if __name__ == "__main__":
    run(main)
