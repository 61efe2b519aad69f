"""Is the served graph the model that was trained? ONNX against scikit-learn over the whole test set."""

from __future__ import annotations

from typing import Any

import numpy as np

from slipway.errors import Refused
from slipway.scores import Floats, resample, scores

MAX_DIFFERENCE = 1e-5
MAX_RANK_DIFFERENCE = 1e-6


def compare(label: np.ndarray, onnx: Floats, sklearn: Floats) -> dict[str, Any]:
    """Measure the largest difference in probability and the difference in ROC AUC, which ranks decide."""
    alone = resample(np.zeros(len(label)), 0, seed=0)
    areas = [scores(label, p, alone)["roc_auc"][0] for p in (onnx, sklearn)]
    largest = float(np.max(np.abs(onnx - sklearn)))
    rank = float(abs(areas[0] - areas[1]))
    return {
        "passed": bool(largest <= MAX_DIFFERENCE and rank <= MAX_RANK_DIFFERENCE),
        "rows": len(label),
        "max_difference": largest,
        "max_difference_allowed": MAX_DIFFERENCE,
        "roc_auc_difference": rank,
        "roc_auc_difference_allowed": MAX_RANK_DIFFERENCE,
    }


def refuse_broken(parity: dict[str, Any]) -> None:
    """Stop unless the two agree.

    Raises:
        Refused: the graph that would be served is not the model that was trained.
    """
    if not parity["passed"]:
        raise Refused(
            "model.onnx does not answer as the scikit-learn model does",
            expected=f"probabilities within {MAX_DIFFERENCE:g}, ROC AUC within {MAX_RANK_DIFFERENCE:g}",
            found=f"{parity['max_difference']:.2e} and {parity['roc_auc_difference']:.2e} over {parity['rows']:,} rows",
            hint="choose another train.estimator in params.yaml, or report the converter's fault",
        )
