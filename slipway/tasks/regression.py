"""A number, and the interval that holds the true one with a stated probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from slipway.errors import BadInput
from slipway.task import Labels, Scores, Task, plain
from slipway.tasks import unreadable

KEYS = frozenset({"unit"})  # of data/contract.yaml, beside `task`
# Of the target's standard deviation: float32 sums lose some digits, a mix-up of columns loses everything.
RELATIVE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Interval:
    """`coverage` of true values lie from `below` under to `above` over the predicted one, in the target's unit."""

    coverage: float
    below: float
    above: float


@dataclass(frozen=True)
class Regression(Task):
    """`spread` is the standard deviation of the target in training, `minimum` and `maximum` its range, in `unit`."""

    spread: float
    minimum: float
    maximum: float
    interval: Interval
    unit: str | None = None

    name: ClassVar[str] = "regression"
    output: ClassVar[str] = "value"
    golden: ClassVar[str] = "values"
    reported: ClassVar[str] = "value"
    flavor: ClassVar[tuple[str, str]] = ("regressor", "predict")

    @property
    def width(self) -> int:
        """One column."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """One number a row."""
        return ()

    @property
    def tolerance(self) -> float:
        """In the target's unit."""
        return RELATIVE_TOLERANCE * self.spread

    def described(self) -> dict[str, Any] | None:
        """Name unit, spread and interval."""
        interval = {"coverage": self.interval.coverage, "below": self.interval.below, "above": self.interval.above}
        seen = {"standard_deviation": self.spread, "minimum": self.minimum, "maximum": self.maximum}
        return {"name": self.name, "unit": self.unit, **seen, "interval": interval}

    def comparable(self, other: Task) -> bool:
        """The unit is the same."""
        return isinstance(other, Regression) and self.unit == other.unit

    def scores(self, answered: Scores) -> Scores:
        """Take the only column, `(n,)`."""
        return answered[:, 0]

    def limits(self, scores: Scores) -> tuple[Scores, Scores]:
        """Return the lower and the upper end of each row's interval."""
        return scores - np.float32(self.interval.below), scores + np.float32(self.interval.above)

    def columns(self, scores: Scores) -> dict[str, Any]:
        """List values and both ends of the intervals."""
        low, high = self.limits(scores)
        return {"value": scores.tolist(), "low": low.tolist(), "high": high.tolist()}

    def rows(self, scores: Scores) -> list[dict[str, Any]]:
        """Give each row its value and interval."""
        columns = self.columns(scores)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def read(self, row: Mapping[str, Any]) -> Any:
        """Return the value."""
        return row["value"]

    def tensors(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Give the value, `(n, 1)`, and the interval, `(n, 2)`."""
        interval = np.column_stack(self.limits(scores)).astype(np.float32)
        return {self.output: np.ascontiguousarray(scores, np.float32).reshape(-1, 1), "interval": interval}

    def watched(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Watch the value."""
        return {"value": scores}

    @property
    def edges(self) -> Mapping[str, tuple[float, ...]]:
        """Tenths of what the target was in training."""
        return {"value": tuple(float(edge) for edge in np.linspace(self.minimum, self.maximum, 11)[1:])}

    def properties(self, description: str) -> dict[str, dict[str, Any]]:
        """Describe value and interval."""
        text = description + (f" ({self.unit})" if self.unit else "")
        ends = f"of the interval that holds {self.interval.coverage:.0%} of true values"
        return {
            "value": {"type": "number", "description": text},
            "low": {"type": "number", "description": f"Lower end {ends}"},
            "high": {"type": "number", "description": f"Upper end {ends}"},
        }

    def targets(self, labels: Labels) -> npt.NDArray[Any]:
        """Return the values as float64."""
        return numbers(labels)

    def refusal(self, scores: Scores) -> str | None:
        """Every score is a finite number."""
        return None if np.isfinite(scores).all() else "something that is not a finite number"


def numbers(labels: Labels) -> npt.NDArray[np.float64]:
    """Return a target column as finite numbers.

    Raises:
        BadInput: a value is missing or is not a finite number.
    """
    found = np.asarray(labels)
    if found.dtype.kind in "iuf" and np.isfinite(found).all():
        return found.astype(np.float64)
    for row, value in enumerate(labels):
        number = plain(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise BadInput(
                f"the target is not a finite number in row {row}",
                expected="a number in every row, since data/contract.yaml has `task: regression`",
                found=repr(number)[:80],
                hint="correct prepare, or `task` in data/contract.yaml",
            )
    return found.astype(np.float64)


def read(described: Mapping[str, Any] | None, output: str) -> Regression:  # noqa: ARG001 - as every task's
    """Read what schema.json says.

    Raises:
        BadInput: it does not parse.
    """
    given = described or {}
    try:
        found = given["interval"]
        interval = Interval(float(found["coverage"]), float(found["below"]), float(found["above"]))
        spread, least, most = (float(given[key]) for key in ("standard_deviation", "minimum", "maximum"))
        task = Regression(spread, least, most, interval, given.get("unit"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise unreadable(Regression.name, repr(error)) from error
    ends = (spread, least, most, interval.below, interval.above)
    if (
        not all(map(math.isfinite, ends))
        or not 0 < interval.coverage < 1
        or interval.below + interval.above < 0
        or least >= most
    ):
        raise unreadable(Regression.name, str(described))
    return task
