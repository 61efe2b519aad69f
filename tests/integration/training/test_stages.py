import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from flights import prepare
from slipway.errors import BadInput, Refused
from training import evaluate, train

Stage = Callable[..., "subprocess.CompletedProcess[str]"]


def edit(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.long
def test_the_stages_lead_from_raw_tables_to_a_report(project: Path, stage: Stage) -> None:
    for name in ("flights.prepare", "train", "evaluate"):
        ran = stage(name)
        assert ran.returncode == 0, ran.stderr
    read_by_the_contract(project)
    reported(project)


def read_by_the_contract(project: Path) -> None:
    """Use the artifact as another room would: by docs/reference/artifact.md alone."""
    schema = json.loads((project / "model/schema.json").read_text())
    golden = json.loads((project / "model/golden.json").read_text())
    rows = golden["rows"]
    numeric = [[np.nan if row[n] is None else row[n] for n in schema["inputs"]["numeric"]] for row in rows]
    strings = [[row[n] or "" for n in schema["inputs"]["categorical"]] for row in rows]
    session = onnxruntime.InferenceSession(project / "model/model.onnx", providers=["CPUExecutionProvider"])
    inputs = {"numeric": np.array(numeric, np.float32), "categorical": np.array(strings, object)}
    answer = session.run(["probabilities"], inputs)[0][:, 1]
    assert answer.tolist() == golden["probabilities"]
    assert {feature["name"] for feature in schema["features"]} == set(rows[0])


def reported(project: Path) -> None:
    metrics = json.loads((project / "reports/metrics.json").read_text())
    predictions = pd.read_parquet(project / "reports/predictions.parquet")
    test = pd.read_parquet(project / "data/prepared/test.parquet")
    assert predictions["row_id"].tolist() == test["row_id"].tolist()
    assert metrics["rows"] == len(test)
    assert metrics["metrics"]["roc_auc"]["low"] < metrics["metrics"]["roc_auc"]["value"]
    assert metrics["metrics"]["roc_auc"]["value"] > 0.6
    assert set(metrics["baselines"]) == {"climatology", "logistic_regression"}
    slices = json.loads((project / "reports/slices.json").read_text())
    assert {row["dimension"] for row in slices} == {"carrier", "origin", "hours", "month"}
    page = (project / "reports/report.html").read_text()
    assert page.count("<svg") == 4
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")


def test_every_raw_row_is_accounted_for(project: Path, stage: Stage) -> None:
    assert stage("flights.prepare").returncode == 0
    report = json.loads((project / "reports/prepare.json").read_text())
    flights = pd.read_parquet(project / "data/raw/flights.parquet")
    without = sum(reason["rows"] for reason in report["not_labelled"].values())
    assert without + report["train"]["rows"] + report["test"]["rows"] == report["rows_read"] == len(flights)
    assert report["not_labelled"]["cancelled"]["rows"] == flights["dep_time"].isna().sum()
    window = flights[flights["month"].between(9, 10) & flights["arr_delay"].notna()]
    assert report["test"] == {"rows": len(window), "positives": int((window["arr_delay"] >= 15).sum())}


@pytest.mark.long
def test_a_bad_parameter_ends_the_process_with_its_reason(project: Path, stage: Stage) -> None:
    edit(project, "threads: 2", "treads: 2")
    ran = stage("flights.prepare")
    assert ran.returncode == 3
    assert ran.stderr.startswith("error: params.yaml: train.treads is not a parameter")
    assert "threads (did you mean this?)" in ran.stderr
    assert "next:" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (project / "data/prepared").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "stages", "words"),
    [
        ('from: "2013-09-01", to: "2013-10-31"', 'from: "2014-09-01", to: "2014-10-31"', [prepare], "the test window"),
        ("late_from_minutes: 15", "late_from_minutes: 600", [prepare, train], "has one class"),
        ("HistGradientBoostingClassifier", "LabelSpreading", [prepare, train], "LabelSpreading has no ONNX form"),
    ],
    ids=["impossible window", "one class", "no ONNX form"],
)
def test_what_cannot_be_is_refused_by_the_stage_that_finds_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, stages: list[ModuleType], words: str
) -> None:
    monkeypatch.chdir(project)
    edit(project, old, new)
    if stages == [prepare, train]:
        shrink(project)
    for earlier in stages[:-1]:
        earlier.main()
    with pytest.raises((BadInput, Refused), match=words) as caught:
        stages[-1].main()
    assert caught.value.hint
    assert not list(project.rglob("metrics.json"))


@pytest.mark.long
def test_naive_bayes_answers_as_scikit_learn_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 it was 1.5e-5 apart: squares over the variance of a rare category."""
    monkeypatch.chdir(project)
    edit(project, "HistGradientBoostingClassifier", "GaussianNB")
    for stage in (prepare, train, evaluate):
        stage.main()
    assert json.loads((project / "reports/parity.json").read_text())["max_difference"] < 1e-6


def shrink(project: Path) -> None:
    """Keep few flights, none of them very late, without missing weather: what LabelSpreading can digest."""
    flights = pd.read_parquet(project / "data/raw/flights.parquet")
    kept = flights[(flights["arr_delay"] < 500) & flights["month"].isin([1, 9])].groupby("month").head(300)
    kept.to_parquet(project / "data/raw/flights.parquet")


@pytest.mark.long
def test_a_stage_that_fails_leaves_the_old_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    shrink(project)
    prepare.main()
    train.main()
    before = {path.name: path.read_bytes() for path in (project / "model").iterdir()}
    edit(project, "estimator: HistGradientBoostingClassifier", "estimator: LabelSpreading")
    with pytest.raises(BadInput):
        train.main()
    assert {path.name: path.read_bytes() for path in (project / "model").iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cannot be read as Parquet"),
        (lambda path: path.write_bytes(b"no table"), "cannot be read as Parquet"),
        (lambda path: path.unlink(), "cannot be read as Parquet"),
        (lambda path: pd.read_parquet(path).drop(columns="carrier").to_parquet(path), "lacks the column carrier"),
    ],
    ids=["truncated", "corrupt", "missing", "a column less"],
)
def test_a_damaged_raw_table_is_named_and_nothing_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object], word: str
) -> None:
    monkeypatch.chdir(project)
    damage(project / "data/raw/flights.parquet")
    with pytest.raises(BadInput, match=word) as caught:
        prepare.main()
    assert "data/raw/flights.parquet" in str(caught.value)
    assert "dvc repro --force fetch" in str(caught.value)
    assert not list((project / "data/prepared").iterdir())
