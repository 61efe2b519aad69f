"""The evaluation as one self-contained page: no script, no network, nothing to install."""

from __future__ import annotations

import itertools
from typing import Any

import jinja2

from training import figures, problem
from training.curves import Points
from training.params import Params

TITLES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
}


def render(
    params: Params,
    metrics: dict[str, Any],
    slices: list[dict[str, Any]],
    parity: dict[str, Any],
    curves: dict[str, Points],
) -> str:
    """Lay everything that was measured out as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training", package_path=""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2").render(
        metrics=metrics,
        parity=parity,
        titles=TITLES,
        periods=problem.periods(params.prepare),
        problem=problem,
        slices=[
            (dimension, list(rows)) for dimension, rows in itertools.groupby(slices, key=lambda row: row["dimension"])
        ],
        figures=[
            ("ROC", figures.roc(curves["roc"])),
            ("Precision and recall", figures.precision_recall(curves["precision_recall"])),
            (f"Calibration: are 20 % of the 20 % {problem.POSITIVE}?", figures.calibration(curves["calibration"])),
            ("What the model looks at", figures.importance(curves["importance"])),
        ],
    )
