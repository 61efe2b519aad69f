from __future__ import annotations

import numpy as np
import pytest

from serving.inference.distributions import FOLD_REQUESTS, OTHER, SAMPLED_ROWS, Distributions
from serving.input.schema import Schema


@pytest.fixture
def distributions(contract: Schema) -> Distributions:
    return Distributions(contract)


def rows(contract: Schema, count: int, value: float, text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numeric = np.full((count, len(contract.inputs.numeric)), value, np.float32)
    categorical = np.full((count, len(contract.inputs.categorical)), text, object)
    return numeric, categorical, np.full(count, 0.35, np.float32)


def test_every_row_is_counted_in_its_bucket(distributions: Distributions, contract: Schema) -> None:
    for _ in range(FOLD_REQUESTS + 3):  # once folded by itself, the rest when it is read
        distributions.add(*rows(contract, 1, 5, "AA"))
    found = distributions.read()
    name, edges, counts, total = found.numeric[0]
    assert name == contract.inputs.numeric[0]
    assert counts.sum() == FOLD_REQUESTS + 3
    assert counts[next(i for i, edge in enumerate(edges) if edge >= 5)] == FOLD_REQUESTS + 3
    assert total == pytest.approx(5 * (FOLD_REQUESTS + 3))


def test_scores_have_buckets_of_a_tenth(distributions: Distributions, contract: Schema) -> None:
    distributions.add(*rows(contract, 4, 1, "AA"))
    name, edges, counts, _ = distributions.read().numeric[-1]
    assert name == contract.output.name
    assert dict(zip(edges, counts, strict=False))[0.4] == 4


def test_missing_values_are_counted_apart(distributions: Distributions, contract: Schema) -> None:
    distributions.add(*rows(contract, 3, float("nan"), ""))
    found = distributions.read()
    assert set(found.missing.values()) == {3}
    assert all(counts.sum() == 0 for _, _, counts, _ in found.numeric[:-1])
    assert found.categories[contract.inputs.categorical[0], ""] == 3


def test_a_client_cannot_make_labels_without_end(distributions: Distributions, contract: Schema) -> None:
    for number in range(500):
        distributions.add(*rows(contract, 1, 1, f"invented-{number}"))
    found = distributions.read().categories
    assert {value for _, value in found} == {OTHER}


def test_a_large_batch_gives_a_sample(distributions: Distributions, contract: Schema) -> None:
    distributions.add(*rows(contract, 1000, 1, "AA"))
    assert 1 <= distributions.read().numeric[0][2].sum() <= SAMPLED_ROWS
