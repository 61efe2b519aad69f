"""Is the served graph the model that was trained? ONNX against scikit-learn over the whole test set.

And over rows that the test set may not have: each input missing, each category unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slipway.errors import Refused
from slipway.scores import Floats
from slipway.task import Task

WORDS = {"max_difference": "answers", "roc_auc_difference": "ROC AUC"}


def compare(ours: Floats, theirs: Floats, task: Task, others: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the largest difference between the graph's scores and scikit-learn's.

    `others` are the task's own comparisons, each `NAME_difference` with its `NAME_difference_allowed`.
    """
    measured = {
        "rows": len(ours),
        "max_difference": float(gaps(ours, theirs).max()),
        "max_difference_allowed": task.tolerance,
        **others,
    }
    passed = all(value <= measured[f"{key}_allowed"] for key, value in measured.items() if f"{key}_allowed" in measured)
    return {"passed": bool(passed), **measured}


def gaps(ours: Floats, theirs: Floats) -> Floats:
    """Return each row's largest difference, infinite where a score is not a finite number."""
    gap = np.where(np.isfinite(ours) & np.isfinite(theirs), np.abs(ours - theirs), np.inf)
    return gap if gap.ndim == 1 else np.asarray(gap.max(axis=1))


def refuse_broken(parity: dict[str, Any], cause: str | None = None, hint: str | None = None) -> None:
    """Stop unless the two agree; `cause` names the column and the reason, where they were found.

    Raises:
        Refused: the graph that would be served is not the model that was trained.
    """
    if not parity["passed"]:
        # The task's own comparison, such as that of the ranks, has the same two keys.
        others = [key for key in parity if key.endswith("_difference") and f"{key}_allowed" in parity]
        measured = " and ".join(f"{parity[key]:.2e}" for key in others) + f" over {parity['rows']:,} rows"
        allowed = [f"{WORDS.get(key, key)} within {parity[f'{key}_allowed']:.3g}" for key in others]
        raise Refused(
            "model.onnx does not answer as the scikit-learn model does",
            expected=", ".join(allowed),
            found=f"{measured}; {cause}" if cause else measured,
            hint=hint or "choose another train.estimator in params.yaml, or report the converter's fault",
        )
