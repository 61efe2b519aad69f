"""Is the served graph the model that was trained? ONNX against scikit-learn over the complete test set.

And over rows that the test set may not have: each input missing, each category unknown.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from slipway.errors import Refused
from slipway.scores import Floats, resample, scores

MAX_DIFFERENCE = 1e-5
MAX_RANK_DIFFERENCE = 1e-6
# Two probabilities nearer than this may change their order by the rounding of float32 alone.
SAME_RANK = 4e-6


def compare(label: np.ndarray, onnx: Floats, sklearn: Floats) -> dict[str, Any]:
    """Measure the largest difference in probability and the difference in ROC AUC, which ranks decide."""
    alone = resample(np.zeros(len(label)), 0, seed=0)
    areas = [scores(label, p, alone)["roc_auc"][0] for p in (onnx, sklearn)]
    largest = float(np.max(np.abs(onnx - sklearn)))
    rank = float(abs(areas[0] - areas[1]))
    allowed = max(MAX_RANK_DIFFERENCE, near_pairs(label, sklearn))
    return {
        "passed": bool(largest <= MAX_DIFFERENCE and rank <= allowed),
        "rows": len(label),
        "max_difference": largest,
        "max_difference_allowed": MAX_DIFFERENCE,
        "roc_auc_difference": rank,
        "roc_auc_difference_allowed": allowed,
    }


def near_pairs(label: np.ndarray, probability: Floats) -> float:
    """Return the share of (positive, negative) pairs that rounding may put in another order, 0 to 1.

    One pair is a large share of a small table's: a limit on ROC AUC that is finer than one pair refuses rounding.
    """
    positive = np.asarray(label) == 1
    misses = np.sort(probability[~positive])
    hits = probability[positive]
    below = np.searchsorted(misses, hits - SAME_RANK, side="left")
    up_to = np.searchsorted(misses, hits + SAME_RANK, side="right")
    return float((up_to - below).sum() / (len(hits) * len(misses)))


def refuse_broken(parity: dict[str, Any], cause: str | None = None, hint: str | None = None) -> None:
    """Stop unless the two agree; `cause` names the column and the reason, where they were found.

    Raises:
        Refused: the graph that would be served is not the model that was trained.
    """
    if not parity["passed"]:
        measured = f"{parity['max_difference']:.2e} and {parity['roc_auc_difference']:.2e} over {parity['rows']:,} rows"
        allowed = parity["roc_auc_difference_allowed"]
        raise Refused(
            "model.onnx does not answer as the scikit-learn model does",
            expected=f"probabilities within {MAX_DIFFERENCE:g}, ROC AUC within {allowed:.3g}",
            found=f"{measured}; {cause}" if cause else measured,
            hint=hint or "choose another train.estimator in params.yaml, or report the converter's fault",
        )
