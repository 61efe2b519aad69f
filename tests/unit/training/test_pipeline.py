from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from slipway.errors import BadInput, Refused
from training import convert, exact, graph, libraries, params, parity, pipeline, probing, schema, train
from training.evaluation import binary
from training.features import CATEGORICAL, NUMERIC


def rows(count: int = 600, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    numeric = {f.name: random.uniform(0, 100, count).astype(np.float32) for f in NUMERIC}
    strings = {f.name: random.choice(["A", "B", "C"], count) for f in CATEGORICAL}
    frame = pd.DataFrame({**numeric, **strings})
    frame.loc[::7, "temp"] = np.nan
    late = frame["departure_minute"] + 30 * (frame["carrier"] == "A") + random.normal(0, 20, count) > 80
    return frame.assign(label=late.astype(np.int8), row_id=[f"r{i}" for i in range(count)])


def with_estimator(name: str, **hyperparameters: Any) -> params.Params:
    chosen = params.load()
    changed = chosen.train.model_copy(update={"estimator": name, "hyperparameters": {name: hyperparameters}})
    return chosen.model_copy(update={"train": changed})


def compared(label: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    return parity.compare(ours, theirs, graph.BINARY, binary.agreement(label, ours, theirs))


SMALL: dict[str, dict[str, Any]] = {
    "HistGradientBoostingClassifier": {"max_iter": 15},
    "LogisticRegression": {"max_iter": 500},
    "RandomForestClassifier": {"n_estimators": 10},
    "ExtraTreesClassifier": {"n_estimators": 10, "max_depth": 5},
    "GradientBoostingClassifier": {"n_estimators": 10},
    "LinearDiscriminantAnalysis": {},
    "GaussianNB": {},
}


@pytest.fixture(scope="module", params=SMALL)
def fitted(request: pytest.FixtureRequest) -> Pipeline:
    return train.fit(with_estimator(request.param, **SMALL[request.param]), rows()).model


def test_the_graph_answers_as_the_pipeline_does(fitted: Pipeline) -> None:
    asked = rows(seed=1)
    asked.loc[0, "carrier"] = "never seen"
    asked.loc[1, "carrier"] = ""
    asked.loc[2, "wind_gust"] = np.nan
    session = graph.session(convert.to_onnx(fitted))
    label = asked["label"].to_numpy()
    answer = graph.predict(session, asked).astype(np.float64)
    found = compared(label, answer, pipeline.positive(fitted, asked))
    assert found["passed"], found
    assert answer.std() > 0.01


def test_the_graph_has_the_contract_s_inputs_and_output(fitted: Pipeline) -> None:
    session = graph.session(convert.to_onnx(fitted))
    inputs = {tensor.name: (tensor.type, tensor.shape[1]) for tensor in session.get_inputs()}
    assert inputs == {"numeric": ("tensor(float)", len(NUMERIC)), "categorical": ("tensor(string)", len(CATEGORICAL))}
    assert [(tensor.name, tensor.shape[1]) for tensor in session.get_outputs()] == [("probabilities", 2)]


@pytest.mark.parametrize(("without", "left"), [("CATEGORICAL", "numeric"), ("NUMERIC", "categorical")])
@pytest.mark.parametrize("estimator", ["HistGradientBoostingClassifier", "LogisticRegression"])
def test_a_model_may_do_without_strings_or_without_numbers(
    estimator: str, without: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pipeline, convert, graph):
        monkeypatch.setattr(module, without, [])
    fitted = train.fit(with_estimator(estimator, **SMALL[estimator]), rows()).model
    session = graph.session(convert.to_onnx(fitted))
    assert [tensor.name for tensor in session.get_inputs()] == [left]
    answer = graph.predict(session, rows(seed=1)).astype(np.float64)
    assert np.allclose(answer, pipeline.positive(fitted, rows(seed=1)), atol=1e-5)


def test_the_same_rows_give_the_same_bytes(fitted: Pipeline) -> None:
    name = type(fitted.named_steps["estimator"]).__name__
    again = train.fit(with_estimator(name, **SMALL[name]), rows()).model
    assert convert.to_onnx(again) == convert.to_onnx(fitted)
    assert convert.to_skops(again) == convert.to_skops(fitted)


def test_other_rows_give_other_bytes() -> None:
    first, second = (train.fit(with_estimator("LogisticRegression", max_iter=500), rows(seed=s)).model for s in (1, 2))
    assert convert.to_onnx(first) != convert.to_onnx(second)
    assert convert.to_skops(first) != convert.to_skops(second)


@pytest.mark.parametrize(
    ("name", "hyperparameters", "words"),
    [
        ("RandomForestClasifier", {}, ["RandomForestClasifier", "RandomForestClassifier (did you mean this?)"]),
        ("LogisticRegression", {"maxiter": 3}, ["train.hyperparameters.LogisticRegression.maxiter", "max_iter (did"]),
        ("RidgeClassifier", {}, ["RidgeClassifier", "predict_proba"]),
        ("SVR", {}, ["SVR", "not a scikit-learn classifier"]),
        ("LGBMClassifier", {}, ["LGBMClassifier is of LightGBM", "HistGradientBoostingClassifier"]),
        ("XGBClassifier", {}, ["XGBClassifier is of XGBoost"]),
        ("VotingClassifier", {}, ["VotingClassifier only combines other estimators"]),
        ("StackingClassifier", {}, ["StackingClassifier only combines other estimators"]),
        ("LogisticRegression", {"C": -1}, ["train.hyperparameters.LogisticRegression.C is not valid", "-1"]),
        ("LogisticRegression", {"C": "1e3"}, ["LogisticRegression.C is not valid", "YAML reads '1e3' as text"]),
        ("LogisticRegression", {"max_iter": "many"}, ["LogisticRegression.max_iter is not valid"]),
        ("BaggingClassifier", {"estimator": "LogisticRegression"}, ["BaggingClassifier"]),
        ("ComplementNB", {}, ["ComplementNB cannot be fitted to these rows", "Negative values"]),
        (
            "HistGradientBoostingClassifier",
            {"categorical_features": [0]},
            ["categorical_features has no ONNX form"],
        ),
    ],
)
def test_an_impossible_estimator_is_named(name: str, hyperparameters: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        train.fit(with_estimator(name, **hyperparameters), rows())
    for word in words:
        assert word in str(caught.value)


def test_an_estimator_without_an_onnx_form_is_refused_by_name() -> None:
    model = train.fit(with_estimator("LabelSpreading", kernel="knn"), rows(60).fillna(1.0)).model
    with pytest.raises(BadInput, match="LabelSpreading has no ONNX form"):
        convert.to_onnx(model)


def test_a_graph_that_answers_differently_is_refused() -> None:
    asked = rows(seed=3)
    model = train.fit(with_estimator("LogisticRegression", max_iter=500), rows()).model
    other = train.fit(with_estimator("LogisticRegression", max_iter=500, C=0.01), rows()).model
    answer = graph.predict(graph.session(convert.to_onnx(other)), asked).astype(np.float64)
    found = compared(asked["label"].to_numpy(), answer, pipeline.positive(model, asked))
    assert not found["passed"]
    with pytest.raises(Refused, match=r"model\.onnx does not answer as the scikit-learn model does"):
        parity.refuse_broken(found)


def test_a_label_of_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match="has one class"):
        train.fit(params.load(), rows().assign(label=0))


def test_the_contract_lists_what_was_seen_and_golden_rows_keep_missing_values() -> None:
    frame = rows()
    contract = schema.contract(params.load(), frame)
    carrier = next(feature for feature in contract["features"] if feature["name"] == "carrier")
    assert carrier["categories"] == ["A", "B", "C"]
    assert contract["inputs"]["numeric"] == pipeline.NUMERIC
    golden = schema.golden(frame.head(3), np.array([0.1, 0.2, 0.3], dtype=np.float32))
    assert golden["rows"][0]["temp"] is None
    assert isinstance(golden["rows"][1]["distance"], int)
    assert len(golden["probabilities"]) == 3


def test_the_libraries_that_compute_the_model_are_those_installed() -> None:
    assert libraries.FILE.read_text() == libraries.installed(), "uv.lock changed: make libraries && dvc repro"


def test_a_threshold_is_the_largest_float32_that_is_not_above_it() -> None:
    random = np.random.default_rng(1)
    low = random.uniform(-2e7, 2e7, 2000).astype(np.float32)
    high = np.nextafter(low, np.float32(np.inf))
    thresholds = (low.astype(np.float64) + high.astype(np.float64)) / 2
    settled = exact.float32_below(thresholds)
    assert (settled == low).all()
    assert (settled <= thresholds).all()
    assert exact.float32_below(np.array([np.inf, 0.1]))[0] == np.inf


def test_finely_spaced_large_numbers_fall_on_the_side_that_was_trained() -> None:
    given = rows(900)
    given["distance"] = (16_000_000 + np.arange(900) % 40).astype(np.float32)
    given["label"] = (given["distance"] % 2).astype(np.int8)
    model = train.fit(with_estimator("HistGradientBoostingClassifier", max_iter=20, min_samples_leaf=5), given).model
    answer = graph.predict(graph.session(convert.to_onnx(model)), given)
    assert np.abs(answer - pipeline.positive(model, given)).max() < 1e-6


def test_the_one_pair_of_a_small_table_that_rounding_turns_is_not_a_broken_graph() -> None:
    random = np.random.default_rng(2)
    label = (np.arange(1400) % 2).astype(np.int8)
    trained = random.random(1400)
    trained[:2] = 0.5, 0.5 + 1e-6
    served = trained.copy()
    served[:2] += [6e-7, -6e-7]
    found = compared(label, served, trained)
    assert found["roc_auc_difference"] > binary.MAX_RANK_DIFFERENCE
    assert found["passed"], found


def test_an_order_that_no_rounding_turns_is_a_broken_graph() -> None:
    label = (np.arange(200) % 2).astype(np.int8)
    trained: np.ndarray = 0.5 + 9e-6 * label
    served: np.ndarray = 0.5 + 9e-6 * (1 - label)
    assert not compared(label, served, trained)["passed"]


def test_a_column_of_many_categories_is_asked_as_a_sparse_matrix() -> None:
    given = rows(3000)
    given["carrier"] = [f"c{i}" for i in range(3000)]
    model = train.fit(with_estimator("LogisticRegression", max_iter=50), given).model
    assert model.named_steps["preprocess"].sparse_output_
    answer = graph.predict(graph.session(convert.to_onnx(model)), given)
    assert np.abs(answer - pipeline.positive(model, given)).max() < 1e-6


def test_a_dense_matrix_that_would_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGEST_DENSE_BYTES", 1_000_000)
    given = rows(1000)
    given["carrier"] = [f"c{i}" for i in range(1000)]
    with pytest.raises(BadInput, match="`carrier` has too many categories for KNeighborsClassifier"):
        train.fit(with_estimator("KNeighborsClassifier"), given)


def test_the_column_and_the_reason_are_named() -> None:
    given = rows(50)
    given["distance"] = np.float32(16_000_000) + np.arange(50, dtype=np.float32)

    def served(asked: pd.DataFrame) -> np.ndarray:
        return np.where(asked["distance"] == 16_000_000, 0.9, 0.1)

    found = probing.cause(given, served, lambda asked: np.full(len(asked), 0.1), 0, 1e-5)
    assert "`distance` near 1.6e+07" in found.cause
    assert found.hint is not None
    assert "subtract a constant from `distance`" in found.hint


def test_categories_are_listed_up_to_a_bound_the_most_frequent_first() -> None:
    given = rows(1200)
    given["carrier"] = ["often"] * 100 + [f"t{i:04d}" for i in range(1100)]
    described = schema.contract(params.load(), given)
    carrier = next(feature for feature in described["features"] if feature["name"] == "carrier")
    assert len(carrier["categories"]) == schema.MOST_CATEGORIES
    assert "often" in carrier["categories"]
    assert carrier["categories_left_out"] == 101
    assert "`carrier` has 1,101 categories" in schema.warnings(described)[0]


def test_the_empty_string_is_a_missing_value_everywhere() -> None:
    given = rows(30)
    given.loc[0, "carrier"] = ""
    described = schema.contract(params.load(), given)
    carrier = next(feature for feature in described["features"] if feature["name"] == "carrier")
    assert "" not in carrier["categories"]
    assert schema.golden(given.head(1), np.array([0.5], np.float32))["rows"][0]["carrier"] is None
