from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from slipway.errors import BadInput
from training import features, params, patch, search
from training.contract import Target

DAYS = pd.Series([f"2013-01-{day:02d}" for day in range(1, 21) for _ in range(5)])


def test_a_fold_learns_from_the_past_and_is_scored_on_what_follows() -> None:
    cut = search.folds(DAYS, params.load().tune)
    assert len(cut) == params.load().tune.folds
    for learn, check in cut:
        assert DAYS[learn].max() < DAYS[check].min()
        assert check.sum() == len(DAYS) / (len(cut) + 1)


def test_too_few_days_for_the_folds_are_refused() -> None:
    with pytest.raises(BadInput, match="cannot be cut into 3 folds"):
        search.folds(DAYS[:10], params.load().tune)


def test_candidates_start_with_what_is_there_and_stay_in_their_ranges() -> None:
    chosen = params.load()
    drawn = search.candidates(chosen)
    assert drawn == search.candidates(chosen)
    assert len(drawn) == chosen.tune.candidates
    assert drawn[0] == chosen.train.hyperparameters[chosen.train.estimator]
    for candidate in drawn[1:]:
        assert 100 <= candidate["max_iter"] <= 400
        assert isinstance(candidate["max_iter"], int)
        assert 0.02 <= candidate["learning_rate"] <= 0.2
        assert candidate["max_leaf_nodes"] in {15, 31, 63}


def test_an_estimator_without_a_space_is_refused() -> None:
    chosen = params.load()
    changed = chosen.model_copy(update={"train": chosen.train.model_copy(update={"estimator": "GaussianNB"})})
    with pytest.raises(BadInput, match="nothing for GaussianNB"):
        search.candidates(changed)


def apply(patched: str, original: str) -> str:
    """Apply a unified diff of one hunk, as `git apply` would; the integration tier uses git itself."""
    lines, result, at = patched.splitlines(keepends=True)[2:], [], 0
    for line in lines:
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0].lstrip("-")) - 1
            result += original.splitlines(keepends=True)[at:start]
            at = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            at += 1
            result += [line[1:]] if line.startswith(" ") else []
    return "".join(result + original.splitlines(keepends=True)[at:])


@pytest.mark.parametrize(
    ("estimator", "found"),
    [
        ("HistGradientBoostingClassifier", {"max_iter": 300, "learning_rate": 0.03}),
        ("LogisticRegression", {"C": 0.5}),
        ("GaussianNB", {"var_smoothing": 1e-8}),
    ],
)
def test_the_patch_changes_one_entry_and_nothing_else(tmp_path: Path, estimator: str, found: dict[str, Any]) -> None:
    original = Path("params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(original)
    changed = apply(patch.hyperparameters(path, estimator, found), original)
    before, after = (YAML(typ="safe").load(text) for text in (original, changed))
    assert after["train"]["hyperparameters"].pop(estimator) == found
    before["train"]["hyperparameters"].pop(estimator, None)
    assert after == before
    assert original.count("#") == changed.count("#")


def test_no_patch_where_nothing_changes() -> None:
    now = params.load().train.hyperparameters["LogisticRegression"]
    assert patch.hyperparameters(Path("params.yaml"), "LogisticRegression", now) == ""


def test_the_result_does_not_depend_on_how_many_work() -> None:
    random = np.random.default_rng(0)
    numeric = {f.name: random.uniform(0, 9, len(DAYS)).astype(np.float32) for f in features.NUMERIC}
    strings = {f.name: random.choice(["A", "B"], len(DAYS)) for f in features.CATEGORICAL}
    rows = pd.DataFrame({**numeric, **strings, "block": DAYS, "label": random.integers(0, 2, len(DAYS))})
    chosen = params.load()
    small = chosen.model_copy(
        update={
            "train": chosen.train.model_copy(update={"estimator": "LogisticRegression"}),
            "tune": chosen.tune.model_copy(update={"candidates": 3}),
        }
    )
    alone = sorted(search.search(small, rows, jobs=1), key=lambda result: result.number)
    with joblib.parallel_config("threading"):
        together = sorted(search.search(small, rows, jobs=2), key=lambda result: result.number)
    assert alone == together


@pytest.mark.parametrize(
    ("task", "estimator", "space", "label", "scores"),
    [
        ("regression", "Ridge", {"alpha": [0.1, 10.0]}, lambda drawn: drawn * 10, ["rmse", "mae"]),
        ("multiclass", "LogisticRegression", {"C": [0.1, 1.0]}, lambda drawn: (drawn * 3).astype(int),
         ["log_loss", "roc_auc"]),
    ],
)  # fmt: skip
def test_a_search_scores_by_the_task(
    task: str,
    estimator: str,
    space: dict[str, list[float]],
    label: Callable[[np.ndarray], np.ndarray],
    scores: list[str],
) -> None:
    random = np.random.default_rng(0)
    numeric = {f.name: random.uniform(0, 9, len(DAYS)).astype(np.float32) for f in features.NUMERIC}
    strings = {f.name: random.choice(["A", "B"], len(DAYS)) for f in features.CATEGORICAL}
    rows = pd.DataFrame({**numeric, **strings, "block": DAYS, "label": label(random.random(len(DAYS)))})
    chosen = params.load()
    small = chosen.model_copy(
        update={
            "train": chosen.train.model_copy(update={"estimator": estimator}),
            "tune": chosen.tune.model_copy(update={"candidates": 2, "space": {estimator: space}}),
        }
    )
    found = list(search.search(small, rows, jobs=1, target=Target(task=task)))
    assert len(found) == 2
    assert all(list(result.scores) == scores and np.isfinite(list(result.scores.values())).all() for result in found)
