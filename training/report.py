"""The evaluation as one self-contained page: no script, no network, nothing to install."""

from __future__ import annotations

import itertools
from typing import Any

import jinja2

from slipway import metrics as measures
from slipway.task import Task
from training import evaluation, problem
from training.evaluation import Evaluating, Points
from training.params import Params


def render(
    params: Params,
    task: Task,
    metrics: dict[str, Any],
    slices: list[dict[str, Any]],
    parity: dict[str, Any],
    curves: dict[str, Points],
) -> str:
    """Lay everything that was measured out as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training", package_path=""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    kind, known = evaluation.of(task.name), measures.of(task)
    named = [_inside(known.TITLES[name]) for name, higher in known.HIGHER_IS_BETTER.items() if higher]
    return environment.get_template("report.html.j2").render(
        metrics=metrics,
        parity=parity,
        titles=known.TITLES,
        short=lambda name: _inside(known.TITLES[name]),
        beaten_on=known.BEATEN_ON,
        better=f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} better when higher, the others when lower.",
        difference=kind.DIFFERENCE,
        periods=problem.periods(params.prepare),
        problem=problem,
        slice_titles=[title.format(positive=problem.POSITIVE) for title, _, _ in kind.SLICE_COLUMNS],
        slices=[
            (dimension, [_cells(row, kind) for row in rows])
            for dimension, rows in itertools.groupby(slices, key=lambda row: row["dimension"])
        ],
        figures=kind.figures(curves, problem.POSITIVE),
    )


def _cells(row: dict[str, Any], kind: Evaluating) -> dict[str, Any]:
    cells = ["one class" if row[key] is None else form.format(row[key]) for _, key, form in kind.SLICE_COLUMNS]
    area = row.get("roc_auc")  # above the 0.5 of a guess, as a share of what is left
    return row | {"cells": cells, "bar": 200 * (area - 0.5) if area is not None and area > 0.5 else 0}


def _inside(title: str) -> str:
    """Write a title as it stands within a sentence: an acronym stays as it is."""
    return title if title[1:2].isupper() or not title[1:2].isalpha() else title[0].lower() + title[1:]
