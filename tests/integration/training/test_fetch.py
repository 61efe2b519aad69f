import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flights import fetch
from slipway.errors import BadInput

ROOT = Path(__file__).parents[3]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    shutil.copytree(fetch.package_folder(), folder)
    return folder


def pin(source: Path, checksums: Path) -> None:
    names = ["airlines.csv", "airports.csv", "flights.csv.zip", "weather.csv"]
    checksums.write_text("".join(f"{hashlib.sha256((source / n).read_bytes()).hexdigest()}  {n}\n" for n in names))


def test_the_real_tables_arrive_whole(source: Path, tmp_path: Path) -> None:
    rows = fetch.fetch(source, ROOT / "data/SHA256SUMS", tmp_path / "raw")
    assert rows == {"airlines": 16, "airports": 1458, "flights": 336_776, "weather": 26_115}
    flights = pq.read_table(tmp_path / "raw/flights.parquet")
    assert flights["arr_delay"].null_count == 9430
    assert flights.num_rows == 336_776


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"UA", b"UB", 1)),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "one byte changed", "missing"],
)
def test_a_source_file_that_is_not_the_pinned_one_is_refused(
    source: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(source / "airlines.csv")
    with pytest.raises(BadInput) as caught:
        fetch.fetch(source, ROOT / "data/SHA256SUMS", tmp_path / "raw")
    assert "airlines.csv" in str(caught.value)
    assert "uv sync" in str(caught.value)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("flights.csv.zip", b"PK but no archive", "flights.csv.zip"),
        ("airlines.csv", b"carrier\nUA\n", "name"),
        ("weather.csv", b"origin,year\nJFK,soon\n", "weather.csv"),
    ],
    ids=["no archive", "a column less", "a word where a number stands"],
)
def test_a_pinned_file_that_is_no_such_table_is_refused(
    source: Path, tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    (source / name).write_bytes(content)
    pin(source, tmp_path / "sums")
    with pytest.raises(BadInput) as caught:
        fetch.fetch(source, tmp_path / "sums", tmp_path / "raw")
    assert name in str(caught.value)
    assert word in str(caught.value)
    assert "columns" in str(caught.value)
