"""The judgement: may this challenger follow this champion? Pure: numbers in, verdict out.

Every rule is named after its key in params.yaml and reports what it measured,
the limit, and why. A rule that cannot be judged (no metric, not a number, too
few samples, no champion's predictions, rows that do not match) fails and reports
that. Only where there is no champion are the comparisons left out, and
the absolute limits decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from registry import baselines, tasks
from registry.baselines import Baseline
from registry.tasks import Judging
from registry.verdict import Rule, Verdict, at_least, at_most, flag
from slipway.scores import Floats, resample
from slipway.task import Task
from slipway.tasks.binary import Binary

Strings = npt.NDArray[np.object_]


@dataclass(frozen=True)
class ComparedRows:
    """The rows to compare on, one entry a row, targets as the task's numbers, answers as its scores.

    `reported` is what training said the model answers.
    """

    row_id: Strings
    block: Strings
    target: npt.NDArray[Any]
    answers: Floats
    reported: Floats | None
    slices: Mapping[str, Strings]
    task: Task = Binary()  # noqa: RUF009 - frozen

    @property
    def judging(self) -> Judging:
        """What is the task's own in the judgement."""
        return tasks.of(self.task.name)


@dataclass(frozen=True)
class Champion:
    """The champion's answers on the same rows, or the reason why there are none."""

    version: str
    row_id: Strings | None = None
    answers: Floats | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Evidence:
    """All that is known of the challenger; None is a fact that is missing."""

    rows: ComparedRows
    validation: bool | None
    parity: bool | None
    baselines: Mapping[str, Baseline]
    size_bytes: int | None
    latency_p99_ms: float | None


def judge(evidence: Evidence, champion: Champion | None, gate: Any) -> Verdict:
    """Hold the challenger against the limits and, where there is one, against the champion."""
    rows = evidence.rows
    broken = _broken(rows)
    if broken:
        return Verdict((Rule("rows", False, broken),))
    return Verdict(
        (
            *_minimum(rows, gate),
            flag("validation", evidence.validation, "every expectation on the data was met"),
            flag("parity", evidence.parity, "ONNX and scikit-learn agree"),
            _reported(rows),
            *baselines.rules(evidence.baselines, gate.baselines, rows.judging, rows.target),
            *rows.judging.absolute(rows.task, rows.target, rows.answers, gate),
            *(_slice(name, values, rows, gate) for name, values in sorted(rows.slices.items())),
            at_most("size_bytes", evidence.size_bytes, gate.size_bytes),
            at_most("latency_p99_ms", evidence.latency_p99_ms, gate.latency_p99_ms),
            *_non_inferiority(rows, champion, gate),
        )
    )


def _broken(rows: ComparedRows) -> str | None:
    columns = [rows.block, rows.target, rows.answers, *rows.slices.values()]
    count = len(rows.row_id)
    if any(len(column) != count for column in columns):
        return f"columns have {sorted({len(c) for c in columns} | {count})} rows, expected one length"
    if len(set(rows.row_id)) != count:
        return "row_id is not unique"
    if (problem := rows.task.refusal(rows.answers)) is not None:
        return f"the challenger gave {problem}"
    return rows.judging.broken(rows.target)


def _minimum(rows: ComparedRows, gate: Any) -> Iterable[Rule]:
    found = {
        "rows": len(rows.row_id),
        **rows.judging.counts(rows.target),
        "blocks": len(set(rows.block)),
    }
    for name, count in found.items():
        yield at_least(f"minimum.{name}", count, getattr(gate.minimum, name))


def _reported(rows: ComparedRows) -> Rule:
    name = "predictions"
    if rows.reported is None or rows.reported.shape != rows.answers.shape:
        return Rule(name, False, "no reported prediction for each row, in the order of the rows")
    gap = float(np.max(np.abs(rows.reported - rows.answers)))
    return at_most(name, gap, rows.task.tolerance, "largest gap to what evaluate reported")


def _slice(name: str, values: Strings, rows: ComparedRows, gate: Any) -> Rule:
    judged: dict[str, float] = {}
    skipped: list[str] = []
    for value in sorted(set(values)):
        chosen = values == value
        measured = rows.judging.in_slice(rows.task, rows.target[chosen], rows.answers[chosen], gate)
        if measured is None:
            skipped.append(str(value))
        else:
            judged[str(value)] = measured
    left_out = f"; too few samples to judge: {', '.join(skipped)}" if skipped else ""
    if not judged:
        return Rule(f"slices.{name}", False, f"no slice has enough samples{left_out}")
    return rows.judging.worst(f"slices.{name}", judged, gate, left_out)


def _non_inferiority(rows: ComparedRows, champion: Champion | None, gate: Any) -> Iterable[Rule]:
    margins = {metric: getattr(gate.non_inferiority, metric) for metric in rows.judging.METRICS}
    problem = _incomparable(rows, champion)
    if champion is None or problem:
        passed = None if champion is None else False
        for metric in margins:
            reason = problem or "not applicable: no champion"
            yield Rule(f"non_inferiority.{metric}", passed, reason)
        return
    assert champion.answers is not None  # noqa: S101 - _incomparable looked
    drawn = resample(rows.block, gate.resamples, gate.seed)
    found = rows.judging.advantages(rows.target, rows.answers, champion.answers, drawn, gate.confidence)
    for metric, margin in margins.items():
        advantage = found[metric]
        reason = (
            f"{advantage.value:+.5f} against version {champion.version}, "
            f"at least {advantage.low:+.5f} with {gate.confidence:.0%} confidence"
        )
        yield at_least(f"non_inferiority.{metric}", advantage.low, -margin, reason)


def _incomparable(rows: ComparedRows, champion: Champion | None) -> str | None:
    if champion is None:
        return None
    if champion.problem or champion.answers is None or champion.row_id is None:
        problem = champion.problem or "no predictions"
        return f"champion version {champion.version} could not be scored: {problem}"
    if not np.array_equal(champion.row_id, rows.row_id):
        return f"champion version {champion.version} was scored on other rows, or in another order"
    if champion.answers.shape != rows.answers.shape:
        return f"champion version {champion.version} has no answer for each row"
    if (refusal := rows.task.refusal(champion.answers)) is not None:
        return f"champion version {champion.version} gave {refusal}"
    blocks = len(set(rows.block))
    return None if blocks > 1 else "one block only: nothing can be drawn again"
