from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.baselines import Baseline, BaselineAdvantage
from registry.gate import Champion, ComparedRows, Evidence, judge
from registry.tasks.binary import Gate, fitting
from registry.verdict import Rule, Verdict

GATE: dict[str, Any] = {
    "confidence": 0.95,
    "resamples": 200,
    "seed": 13,
    "minimum": {"rows": 500, "positives": 50, "blocks": 20},
    "non_inferiority": {"log_loss": 0.01, "roc_auc": 0.02},
    "floors": {"roc_auc": 0.6, "log_loss": 0.6},
    "slices": {"minimum_rows": 100, "minimum_positives": 10, "roc_auc": 0.55},
    "calibration_error": 0.1,
    "size_bytes": 1000,
    "latency_p99_ms": 5.0,
}


def reported(value: float, low: float, beaten: bool | None = None) -> Baseline:
    return Baseline(beaten, {metric: BaselineAdvantage(value, low) for metric in ("log_loss", "roc_auc")})


BEATEN = reported(0.1, 0.05, beaten=True)


def gate(**changes: Any) -> Gate:
    return Gate.model_validate(GATE | changes)


def rows(count: int = 2000, blocks: int = 40, seed: int = 1) -> ComparedRows:
    random = np.random.default_rng(seed)
    signal = random.normal(size=count)
    truth = 1 / (1 + np.exp(-(signal * 1.5 - 1.0)))
    return ComparedRows(
        row_id=np.array([f"r{i}" for i in range(count)], dtype=object),
        block=np.array([f"d{i * blocks // count}" for i in range(count)], dtype=object),
        target=(random.random(count) < truth).astype(np.int8),
        answers=truth,
        reported=truth,
        slices={"carrier": np.array([["AA", "UA"][i % 2] for i in range(count)], dtype=object)},
    )


def evidence(**changes: Any) -> Evidence:
    facts: dict[str, Any] = {
        "rows": rows(),
        "validation": True,
        "parity": True,
        "baselines": {"climatology": BEATEN},
        "size_bytes": 900,
        "latency_p99_ms": 0.1,
    }
    return Evidence(**(facts | changes))


def same_as(found: ComparedRows, version: str = "1") -> Champion:
    return Champion(version, found.row_id, found.answers)


def failed(verdict: Verdict) -> set[str]:
    return {rule.name for rule in verdict.failures}


def rule(verdict: Verdict, name: str) -> Rule:
    return next(found for found in verdict.rules if found.name == name)


def test_a_good_first_model_passes_and_says_that_there_is_no_champion() -> None:
    verdict = judge(evidence(), None, gate())
    assert verdict.passed, verdict.failures
    for metric in ("log_loss", "roc_auc"):
        compared = rule(verdict, f"non_inferiority.{metric}")
        assert compared.passed is None
        assert compared.reason == "not applicable: no champion"


def test_the_same_model_again_is_not_inferior() -> None:
    verdict = judge(evidence(), same_as(rows()), gate())
    assert verdict.passed, verdict.failures
    assert rule(verdict, "non_inferiority.roc_auc").measured == 0.0


def test_a_much_better_champion_is_not_followed() -> None:
    found = rows()
    oracle = np.where(found.target == 1, 0.9, 0.1)
    verdict = judge(evidence(), Champion("3", found.row_id, oracle), gate())
    assert failed(verdict) == {"non_inferiority.log_loss", "non_inferiority.roc_auc"}
    assert "version 3" in rule(verdict, "non_inferiority.log_loss").reason


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"validation": False}, "validation"),
        ({"validation": None}, "validation"),
        ({"parity": False}, "parity"),
        ({"parity": None}, "parity"),
        ({"baselines": {}}, "baselines"),
        ({"baselines": {"climatology": reported(0.0, -0.01)}}, "baselines.climatology.better"),
        ({"baselines": {"climatology": reported(0.1, -0.03)}}, "baselines.climatology.roc_auc"),
        ({"size_bytes": 1001}, "size_bytes"),
        ({"size_bytes": None}, "size_bytes"),
        ({"latency_p99_ms": 5.1}, "latency_p99_ms"),
        ({"latency_p99_ms": math.nan}, "latency_p99_ms"),
        ({"latency_p99_ms": None}, "latency_p99_ms"),
        ({"rows": dataclasses.replace(rows(), reported=None)}, "predictions"),
        ({"rows": dataclasses.replace(rows(), reported=rows().answers[::-1])}, "predictions"),
        (
            {"rows": dataclasses.replace(rows(), reported=rows().answers * np.nan)},
            "predictions",
        ),
        ({"rows": rows(count=400)}, "minimum.rows"),
        ({"rows": rows(blocks=19)}, "minimum.blocks"),
    ],
)
def test_each_rule_fails_alone_and_gives_a_reason(changes: dict[str, Any], name: str) -> None:
    verdict = judge(evidence(**changes), None, gate())
    assert failed(verdict) == {name}
    assert rule(verdict, name).reason


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"floors": {"roc_auc": 0.99, "log_loss": 0.6}}, "floors.roc_auc"),
        ({"floors": {"roc_auc": 0.6, "log_loss": 0.01}}, "floors.log_loss"),
        ({"calibration_error": 0.0001}, "calibration_error"),
        ({"minimum": {"rows": 1, "positives": 1999, "blocks": 20}}, "minimum.positives"),
        (
            {"slices": {"minimum_rows": 10, "minimum_positives": 5, "roc_auc": 0.99}},
            "slices.carrier",
        ),
    ],
)
def test_each_limit_holds(changes: dict[str, Any], name: str) -> None:
    assert failed(judge(evidence(), None, gate(**changes))) == {name}


def test_a_small_slice_is_listed_and_not_judged() -> None:
    found = rows()
    carrier = found.slices["carrier"].copy()
    carrier[:20] = "HA"
    changed = dataclasses.replace(found, slices={"carrier": carrier})
    judged = rule(judge(evidence(rows=changed), None, gate()), "slices.carrier")
    assert judged.passed
    assert "too few samples to judge: HA" in judged.reason


def test_no_slice_large_enough_fails() -> None:
    large = {"minimum_rows": 5000, "minimum_positives": 10, "roc_auc": 0.5}
    assert failed(judge(evidence(), None, gate(slices=large))) == {"slices.carrier"}


FOUND = rows()


@pytest.mark.parametrize(
    "champion",
    [
        Champion("7", problem="sha256 of model.onnx differs"),
        Champion("7", FOUND.row_id, None),
        Champion("7", FOUND.row_id[::-1], FOUND.answers),
        Champion("7", FOUND.row_id[1:], FOUND.answers[1:]),
        Champion("7", FOUND.row_id, FOUND.answers[1:]),
        Champion("7", FOUND.row_id, np.where(FOUND.target == 1, np.nan, 0.5)),
        Champion("7", FOUND.row_id, FOUND.answers + 1),
    ],
)
def test_a_champion_that_cannot_be_compared_fails_both_rules(champion: Champion) -> None:
    verdict = judge(evidence(), champion, gate())
    assert failed(verdict) == {"non_inferiority.log_loss", "non_inferiority.roc_auc"}
    assert "version 7" in rule(verdict, "non_inferiority.roc_auc").reason


@pytest.mark.parametrize(
    "broken",
    [
        dataclasses.replace(FOUND, block=FOUND.block[1:]),
        dataclasses.replace(FOUND, row_id=np.full(len(FOUND.row_id), "same", dtype=object)),
        dataclasses.replace(FOUND, target=FOUND.target * 2),
        dataclasses.replace(FOUND, target=FOUND.target * 0),
        dataclasses.replace(FOUND, answers=FOUND.answers * np.nan),
    ],
)
def test_rows_that_make_no_sense_fail(broken: ComparedRows) -> None:
    verdict = judge(evidence(rows=broken), same_as(FOUND), gate())
    assert not verdict.passed
    assert failed(verdict) == {"rows"}


def test_a_verdict_without_rules_is_no_pass() -> None:
    assert not Verdict(()).passed


def test_json_holds_no_nan() -> None:
    verdict = judge(evidence(latency_p99_ms=math.inf), None, gate())
    text = str(verdict.as_json())
    assert "nan" not in text
    assert "inf" not in text.replace("non_inferiority", "")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(FOUND.row_id))
    other = np.clip(FOUND.answers + 0.02, 0, 1)
    shuffled = ComparedRows(
        FOUND.row_id[order],
        FOUND.block[order],
        FOUND.target[order],
        FOUND.answers[order],
        FOUND.answers[order],
        {"carrier": FOUND.slices["carrier"][order]},
    )
    here = judge(evidence(), Champion("1", FOUND.row_id, other), gate())
    there = judge(evidence(rows=shuffled), Champion("1", FOUND.row_id[order], other[order]), gate())
    for ours, theirs in zip(here.rules, there.rules, strict=True):
        assert (ours.name, ours.passed) == (theirs.name, theirs.passed)
        if ours.measured is not None:
            assert ours.measured == pytest.approx(theirs.measured, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    margin=st.floats(1e-4, 0.2),
    looser=st.floats(0, 0.2),
    shift=st.floats(-0.1, 0.1),
    seed=st.integers(0, 1000),
)
def test_a_looser_margin_never_turns_a_pass_into_a_failure(
    margin: float, looser: float, shift: float, seed: int
) -> None:
    found = rows(count=500, seed=seed)
    champion = Champion("1", found.row_id, np.clip(found.answers + shift, 0, 1))
    strict = gate(non_inferiority={"log_loss": margin, "roc_auc": margin})
    loose = gate(non_inferiority={"log_loss": margin + looser, "roc_auc": margin + looser})
    assert failed(judge(evidence(rows=found), champion, loose)) <= failed(judge(evidence(rows=found), champion, strict))


@settings(max_examples=50, deadline=None)
@given(
    position=st.integers(0, 1999),
    poison=st.sampled_from([math.nan, math.inf, -math.inf, -0.1, 1.1]),
    whose=st.sampled_from(["challenger", "champion"]),
)
def test_one_poisoned_probability_is_enough_to_fail(position: int, poison: float, whose: str) -> None:
    poisoned = FOUND.answers.copy()
    poisoned[position] = poison
    if whose == "challenger":
        verdict = judge(evidence(rows=dataclasses.replace(FOUND, answers=poisoned)), None, gate())
    else:
        verdict = judge(evidence(), Champion("1", FOUND.row_id, poisoned), gate())
    assert not verdict.passed


def test_the_flights_parameters_are_valid() -> None:
    from registry.params import load

    assert load(Path(__file__).parents[3] / "params.yaml").name == "flight-delay"


@pytest.mark.parametrize("beaten", [False, None])
def test_a_baseline_that_must_be_beaten_is_lost_to_beyond_doubt_or_the_model_fails(beaten: bool | None) -> None:
    found = evidence(baselines={"climatology": reported(0.1, -0.01, beaten)})
    assert judge(found, None, gate()).passed
    assert failed(judge(found, None, gate(baselines={"climatology": "beaten"}))) == {"baselines.climatology"}


@pytest.mark.parametrize("silent", [Baseline(True, {}), reported(math.nan, math.nan, True)])
def test_an_advantage_that_was_not_reported_fails(silent: Baseline) -> None:
    found = failed(judge(evidence(baselines={"climatology": silent}), None, gate()))
    assert found == {f"baselines.climatology.{rule}" for rule in ("better", "log_loss", "roc_auc")}


def test_a_model_that_is_its_own_baseline_passes_unless_it_must_beat_it() -> None:
    found = evidence(baselines={"climatology": BEATEN, "logistic_regression": reported(0.0, 0.0, False)})
    assert judge(found, None, gate()).passed
    strict = gate(baselines={"logistic_regression": "beaten"})
    assert failed(judge(found, None, strict)) == {"baselines.logistic_regression"}


def test_how_much_worse_is_a_parameter() -> None:
    found = evidence(baselines={"climatology": BEATEN, "logistic_regression": reported(-0.005, -0.02)})
    assert judge(found, None, gate()).passed
    strict = gate(baselines={"logistic_regression": {"log_loss": 0.01, "roc_auc": 0.05}})
    assert failed(judge(found, None, strict)) == {"baselines.logistic_regression.log_loss"}


def test_a_baseline_that_is_asked_for_and_not_reported_fails() -> None:
    verdict = judge(evidence(), None, gate(baselines={"logistik": "not_worse"}))
    assert failed(verdict) == {"baselines.logistik.log_loss", "baselines.logistik.roc_auc"}


@given(st.integers(30, 200_000), st.floats(0.01, 0.99))
def test_margins_narrow_with_the_rows_and_never_excuse_a_bad_model(count: int, share: float) -> None:
    positives = max(1, min(count - 1, round(count * share)))
    few, many = (fitting(np.arange(rows * count) < rows * positives) for rows in (1, 4))
    assert 0 < many.log_loss <= few.log_loss <= 0.15
    assert 0 < many.roc_auc <= few.roc_auc <= 0.1


def test_on_many_rows_climatology_must_be_beaten_beyond_doubt() -> None:
    many = rows(12_000)
    found = evidence(rows=many, baselines={"climatology": reported(0.1, -0.001, False)})
    assert failed(judge(found, None, gate())) == {"baselines.climatology"}
