"""The judgement: may this challenger follow this champion? Pure: numbers in, verdict out.

Every rule is named after its key in params.yaml and says what it measured,
the limit, and why. A rule that cannot be judged (no metric, not a number, too
few samples, no champion's predictions, rows that do not match) fails and says
so. Only where there is no champion at all are the comparisons left out, and
the absolute limits decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from registry import baselines
from registry.baselines import Baseline
from registry.noninferiority import advantages
from registry.verdict import Rule, Verdict, at_least, at_most, flag
from slipway.scores import Floats, Resamples, resample, scores

if TYPE_CHECKING:
    from registry.params import Gate

Strings = npt.NDArray[np.object_]
# float32 arithmetic of one graph on two machines; a real mix-up is orders of magnitude larger
SAME_PROBABILITY = 1e-5


@dataclass(frozen=True)
class ComparedRows:
    """The rows to compare on, one entry a row; `reported` is what training said the model gives."""

    row_id: Strings
    block: Strings
    label: npt.NDArray[np.integer]
    probability: Floats
    reported: Floats | None
    slices: Mapping[str, Strings]


@dataclass(frozen=True)
class Champion:
    """The champion's probabilities on the same rows, or the reason why there are none."""

    version: str
    row_id: Strings | None = None
    probability: Floats | None = None
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


def judge(evidence: Evidence, champion: Champion | None, gate: Gate) -> Verdict:
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
            *baselines.rules(evidence.baselines, gate.baselines, len(rows.row_id), int(rows.label.sum())),
            *_absolute(rows, gate),
            *(_slice(name, values, rows, gate) for name, values in sorted(rows.slices.items())),
            at_most("size_bytes", evidence.size_bytes, gate.size_bytes),
            at_most("latency_p99_ms", evidence.latency_p99_ms, gate.latency_p99_ms),
            *_non_inferiority(rows, champion, gate),
        )
    )


def _broken(rows: ComparedRows) -> str | None:
    columns = [rows.block, rows.label, rows.probability, *rows.slices.values()]
    count = len(rows.row_id)
    if any(len(column) != count for column in columns):
        return f"columns have {sorted({len(c) for c in columns} | {count})} rows, expected one length"
    if len(set(rows.row_id)) != count:
        return "row_id is not unique"
    if not np.isin(rows.label, (0, 1)).all():
        return "label holds something other than 0 and 1"
    if not _are_probabilities(rows.probability):
        return "the challenger gave something that is no probability (NaN, or outside 0 to 1)"
    return None if 0 < rows.label.sum() < count else "the rows hold one class only"


def _minimum(rows: ComparedRows, gate: Gate) -> Iterable[Rule]:
    found = {
        "rows": len(rows.row_id),
        "positives": int(rows.label.sum()),
        "blocks": len(set(rows.block)),
    }
    for name, count in found.items():
        yield at_least(f"minimum.{name}", count, getattr(gate.minimum, name))


def _reported(rows: ComparedRows) -> Rule:
    name = "predictions"
    if rows.reported is None or len(rows.reported) != len(rows.probability):
        return Rule(name, False, "no reported prediction for each row, in the order of the rows")
    gap = float(np.max(np.abs(rows.reported - rows.probability)))
    return at_most(name, gap, SAME_PROBABILITY, "largest gap to what evaluate reported")


def _absolute(rows: ComparedRows, gate: Gate) -> Iterable[Rule]:
    found = scores(rows.label, rows.probability, _undrawn(len(rows.label)))
    measured = {name: float(draws[0]) for name, draws in found.items()}
    yield at_least("floors.roc_auc", measured["roc_auc"], gate.floors.roc_auc)
    yield at_most("floors.log_loss", measured["log_loss"], gate.floors.log_loss)
    yield at_most("calibration_error", measured["calibration_error"], gate.calibration_error)


def _slice(name: str, values: Strings, rows: ComparedRows, gate: Gate) -> Rule:
    areas: dict[str, float] = {}
    skipped: list[str] = []
    for value in sorted(set(values)):
        chosen = values == value
        positives, count = int(rows.label[chosen].sum()), int(chosen.sum())
        # ROC AUC is as blind with few negatives as with few positives.
        enough = min(positives, count - positives) >= gate.slices.minimum_positives
        if enough and count >= gate.slices.minimum_rows:
            found = scores(rows.label[chosen], rows.probability[chosen], _undrawn(count))
            areas[str(value)] = float(found["roc_auc"][0])
        else:
            skipped.append(str(value))
    left_out = f"; too few samples to judge: {', '.join(skipped)}" if skipped else ""
    if not areas:
        return Rule(f"slices.{name}", False, f"no slice has enough samples{left_out}")
    worst = min(areas, key=areas.__getitem__)
    reason = f"worst of {len(areas)}: {worst}{left_out}"
    return at_least(f"slices.{name}", areas[worst], gate.slices.roc_auc, reason)


def _non_inferiority(rows: ComparedRows, champion: Champion | None, gate: Gate) -> Iterable[Rule]:
    margins = {"log_loss": gate.non_inferiority.log_loss, "roc_auc": gate.non_inferiority.roc_auc}
    problem = _incomparable(rows, champion)
    if champion is None or problem:
        passed = None if champion is None else False
        for metric in margins:
            reason = problem or "not applicable: no champion"
            yield Rule(f"non_inferiority.{metric}", passed, reason)
        return
    assert champion.probability is not None  # noqa: S101 - _incomparable looked
    drawn = resample(rows.block, gate.resamples, gate.seed)
    found = advantages(rows.label, rows.probability, champion.probability, drawn, gate.confidence)
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
    if champion.problem or champion.probability is None or champion.row_id is None:
        problem = champion.problem or "no predictions"
        return f"champion version {champion.version} could not be scored: {problem}"
    if not np.array_equal(champion.row_id, rows.row_id):
        return f"champion version {champion.version} was scored on other rows, or in another order"
    if len(champion.probability) != len(rows.row_id):
        return f"champion version {champion.version} has no probability for each row"
    if not _are_probabilities(champion.probability):
        return f"champion version {champion.version} gave something that is no probability"
    blocks = len(set(rows.block))
    return None if blocks > 1 else "one block only: nothing can be drawn again"


def _undrawn(count: int) -> Resamples:
    # A point estimate needs no blocks, and sorting a million day names costs seconds.
    return resample(np.zeros(count, dtype=np.int64), 0, 0)


def _are_probabilities(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all())
