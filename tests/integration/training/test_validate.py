import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from flights import prepare
from slipway.errors import BadInput
from training import validate

Stage = Callable[..., "subprocess.CompletedProcess[str]"]
# Importing the library takes seconds; it warns of its own deprecations and leaves files to the collector.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("default")]


def contract(project: Path, *tables: str) -> dict[str, dict[str, object]]:
    whole = yaml.safe_load((project / "data/contract.yaml").read_text())
    return {"tables": {name: whole["tables"][name] for name in tables}}


def broken(project: Path, monkeypatch: pytest.MonkeyPatch, *tables: str) -> dict[str, validate.Outcome]:
    monkeypatch.chdir(project)
    outcomes = validate.validate(contract(project, *tables))
    return {f"{o.table}.{o.subject} {o.expectation}": o for o in outcomes if not o.success}


def change(project: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = project / table
    change(pd.read_parquet(path)).to_parquet(path)


FLIGHTS = ("airlines", "airports", "flights")


def test_sound_data_meets_every_expectation_and_has_pages(project: Path, stage: Stage) -> None:
    assert stage("flights.prepare").returncode == 0
    ran = stage("validate")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads((project / "reports/validation.json").read_text())
    assert result["success"]
    assert result["expectations"] > 200
    pages = project / "reports/data_docs/index.html"
    assert pages.exists()
    assert str(pages.relative_to(project)) in ran.stdout


def test_what_breaks_the_contract_stops_the_pipeline_with_share_and_rows(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    prepare.main()
    change(project, "data/raw/flights.parquet", lambda f: f.assign(distance=f["distance"].where(f.index % 10 > 0, -5)))
    with pytest.raises(BadInput) as caught:
        validate.main()
    assert "flights.distance breaks expect_column_values_to_be_between" in str(caught.value)
    assert "10.0" in str(caught.value)
    assert '"distance": -5' in str(caught.value)
    result = json.loads((project / "reports/validation.json").read_text())
    assert not result["success"]
    assert result["failed"] == 1


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(
            lambda f: f[f["month"] != 6],
            "flights per month.month expect_column_distinct_values_to_equal_set",
            id="a month missing",
            marks=LONG,
        ),
        pytest.param(
            lambda f: f[(f["month"] != 6) | (f.index % 3 == 0)],
            "flights per month.rows expect_column_values_to_be_b",
            id="a thin month",
            marks=LONG,
        ),
        pytest.param(
            lambda f: f.assign(arr_delay=float("nan")),
            "flights.arr_delay expect_column_values_to_not_be_null",
            id="all null",
        ),
        pytest.param(
            lambda f: f.drop(columns="carrier"),
            "flights.carrier expect_column_to_exist",
            id="a column less",
            marks=LONG,
        ),
        pytest.param(
            lambda f: f.assign(carrier="ZZ"),
            "flights.carrier expect_column_values_to_be_in_set",
            id="unknown carrier",
            marks=LONG,
        ),
        pytest.param(
            lambda f: f.assign(flight=f["flight"].astype(str)),
            "flights.flight expect_column_values_to_be_of_type",
            id="wrong type",
            marks=LONG,
        ),
        pytest.param(
            lambda f: pd.concat([f, f.head(3)]),
            "flights.time_hour, carrier, flight, origin, sched_dep_time expect_comp",
            id="twice",
            marks=LONG,
        ),
        pytest.param(
            lambda f: f.head(1000), "flights.table expect_table_row_count_to_be_between", id="few", marks=LONG
        ),
    ],
)
def test_each_break_is_named(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[pd.DataFrame], pd.DataFrame],
    expected: str,
) -> None:
    change(project, "data/raw/flights.parquet", damage)
    found = broken(project, monkeypatch, *FLIGHTS)
    assert any(name.startswith(expected) for name in found), list(found)


def test_rows_shared_by_train_and_test_are_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    prepare.main()
    train = pd.read_parquet(project / "data/prepared/train.parquet")
    change(project, "data/prepared/test.parquet", lambda f: pd.concat([f, train.head(2)], ignore_index=True))
    found = broken(project, monkeypatch, "train", "test")
    shared = found["test rows also in train.table expect_table_row_count_to_equal"]
    assert shared.observed == 2
    assert [row["row_id"] for row in shared.samples] == train["row_id"].head(2).tolist()


def test_a_label_share_out_of_bounds_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    prepare.main()
    change(project, "data/prepared/test.parquet", lambda f: f.assign(label=1).astype({"label": "int8"}))
    found = broken(project, monkeypatch, "train", "test")
    assert "test.label expect_column_mean_to_be_between" in found


def test_a_table_that_cannot_be_read_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    with pytest.raises(BadInput, match=r"data/prepared/.*cannot be read as Parquet") as caught:
        validate.main()
    assert caught.value.hint == "dvc repro prepare"
