import re
from pathlib import Path
from typing import Any

import pytest

from serving.input import faults, rowtypes
from slipway.errors import BadInput
from training import contract, declared, features

REAL = Path("data/contract.yaml")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = REAL.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "contract.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nulls: 0.06", "nuls: 0.06", ["dep_time.nuls is not a rule of the contract", "nulls (did you mean this?)"]),
        ("min: 2013, max", "minn: 2013, max", ["year.minn", "min (did you mean this?)"]),
        ("    rows: {min: 300000, max: 400000}\n", "", ["tables.flights.rows", "Field required"]),
        ("rows: {min: 300000, max: 400000}", "rows: {min: 400000, max: 300000}", ["flights.rows", "not above"]),
        ("min: 2013, max: 2013", "min: 2014, max: 2013", ["columns.year", "min 2014 is not above max 2013"]),
        ("min: 2013, max: 2013", "min: 1e3, max: 2013", ["columns.year.min", "1e3"]),
        ("min: 2013, max: 2013", "min: .nan", ["columns.year.min"]),
        ("nulls: 0.06", "nulls: 6", ["dep_time.nulls", "less than or equal to 1"]),
        ("type: int64, min: 2013", "type: integer, min: 2013", ["columns.year.type", "int64"]),
        ("  flights:\n", "  flightz:\n  flights:\n", ["tables.flightz is wrong"]),
        ("      year:", "      no:", ["`no` is read as False", "quotes"]),
        ("      month:", "      year:", ["the key `year` is given twice"]),
        ("in: airlines.carrier", "in: airlines.carier", ["carrier.in", "airlines.carier"]),
        ("shares_no_rows_with: train", "shares_no_rows_with: trian", ["trian"]),
        ("unique: [[row_id]]", "unique: [[row]]", ["unique is about `row`"]),
        ("  airlines:\n", "  airlines:\n    min: 3\n", ["airlines.min", "is not a rule of the contract"]),
        ("      temp: {nulls: 0.02}", "      distance: {nulls: 0.02}", ["distance.nulls allows what the server"]),
        ("tables:", "tabels:", ["tables"]),
        ("tables:", "task: ranking\ntables:", ["task is wrong", "binary, multiclass, regression", "ranking"]),
        ("tables:", "positiv: 1\ntables:", ["positiv is not a rule of the contract", "positive (did you mean this?)"]),
        ("tables:", "task: regression\npositive: 1\ntables:", ["`positive` with a task that has one (binary)"]),
        ("tables:", "unit: mile\ntables:", ["`unit` with a task that has one (regression)", "no `task`"]),
        ("tables:", "task: regression\ntables:", ["label_share is of a positive class"]),
        ("tables:", "task: multiclass\nclasses: [1.5, a]\ntables:", ["classes"]),
    ],
)
def test_a_wrong_contract_is_named(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        contract.load(changed(tmp_path, old, new))
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint


def test_the_contract_of_the_flights_is_in_order() -> None:
    tables = contract.load(REAL)["tables"]
    assert tables["flights"]["columns"]["carrier"] == {"type": "str", "in": "airlines.carrier"}


def test_the_target_is_read_as_it_is_written(tmp_path: Path) -> None:
    assert contract.target(REAL) == contract.Target()
    path = changed(tmp_path, "tables:", "task: binary\npositive: 'yes'\nclasses: ['no', 'yes']\ntables:")
    assert contract.target(path) == contract.Target(task="binary", positive="yes", classes=["no", "yes"])
    assert contract.load(path)["positive"] == "yes"


def test_strings_are_read_as_the_server_reads_them() -> None:
    assert declared.LONGEST_STRING == rowtypes.LONGEST_STRING
    assert declared.PRINTABLE == faults.PRINTABLE


def feature(**changes: Any) -> features.Feature:
    known = {"name": "x", "type": "number", "unit": None, "description": "", "known": features.Known.WEATHER}
    return features.Feature(**(known | changes))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (feature(type="boolean"), "`x` has type boolean, which is not supported"),
        (feature(type="float"), "`x` in NUMERIC has type 'float'"),
        (feature(type="string"), "`x` in NUMERIC has type 'string'"),
        (feature(minimum=2, maximum=1), "limits that exclude every value"),
        (feature(minimum=float("nan")), "not numbers"),
        (feature(maximum=1e39), "beyond float32"),
        (feature(type="integer", minimum=0.5), "limits that are not whole"),
        (feature(name="label"), "`label` cannot be a feature"),
        (feature(name=""), "is not a valid feature name"),
        (feature(name="a\nb"), "is not a valid feature name"),
    ],
)
def test_a_feature_that_no_reader_could_follow_is_refused(
    monkeypatch: pytest.MonkeyPatch, wrong: features.Feature, words: str
) -> None:
    monkeypatch.setattr(features, "NUMERIC", (wrong,))
    with pytest.raises(BadInput, match=re.escape(words)):
        declared.refuse_wrong()


def test_two_features_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "NUMERIC", (feature(), feature()))
    with pytest.raises(BadInput, match="`x` is listed twice"):
        declared.refuse_wrong()


def test_any_name_that_a_table_can_have_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["mean radius", "Sepal.Length", "a-b", "1st", "größe", "no", "class"]
    monkeypatch.setattr(features, "NUMERIC", tuple(feature(name=name) for name in names))
    declared.refuse_wrong()
