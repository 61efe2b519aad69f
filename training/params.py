"""What changes the model: params.yaml, checked before any work begins.

A key that does not exist, a wrong type or a window that cannot be is refused
with the key's name and the nearest one that does exist. The section `gate`
belongs to the registry and is not read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from slipway import params_file
from slipway.names import NAME
from training.problem import Prepare
from training.sections import Section

PARAMS_FILE = Path("params.yaml")


class ModelSection(Section):
    """The name that keys everything in the registry."""

    name: str = Field(pattern=f"^{NAME}$")


class IntervalSection(Section):
    """How the interval of a number is calibrated: on `share` of the blocks, which the fit does not see."""

    coverage: float = Field(default=0.9, ge=0.5, lt=1)
    share: float = Field(default=0.2, gt=0, lt=1)
    by: Literal["block", "time"] = "block"  # blocks at random, or the last ones in order


class Costs(Section):
    """What a wrong decision costs, in any one unit."""

    false_positive: float = Field(gt=0)
    false_negative: float = Field(gt=0)


class Decision(Section):
    """How a probability becomes a label: by a threshold, or by the costs of errors, from which it is found."""

    threshold: float | None = Field(default=None, ge=0, le=1)
    costs: Costs | None = None
    share: float = Field(default=0.2, gt=0, lt=1)  # of the blocks, on which costs are counted

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.threshold is None) == (self.costs is None):
            raise ValueError("either threshold or costs")
        return self


class Train(Section):
    """Which estimator, and how it is fitted."""

    estimator: str
    seed: int = Field(ge=0)
    threads: int = Field(ge=1, le=256)
    hyperparameters: dict[str, dict[str, Any]]
    decision: Decision | None = None
    interval: IntervalSection | None = None


class Evaluate(Section):
    """How intervals are made."""

    confidence: float = Field(gt=0.5, lt=1)
    resamples: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)


class Range(Section):
    """An interval to draw from, both ends included; two whole numbers give whole numbers."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high {self.high} is not above low {self.low}")
        if self.log and self.low <= 0:
            raise ValueError("a log scale starts above 0")
        return self


class Tune(Section):
    """The search: how many candidates, scored on how many folds, from where."""

    candidates: int = Field(ge=1)
    folds: int = Field(ge=2, le=20)
    space: dict[str, dict[str, Range | list[Any]]]


class Params(Section):
    """params.yaml without the registry's section."""

    model: ModelSection
    prepare: Prepare
    train: Train
    evaluate: Evaluate
    tune: Tune


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml.

    Raises:
        BadInput: the file is missing, is not YAML, or has a wrong key, type or window.
    """
    content = params_file.read(path)
    content.pop("gate", None)
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise params_file.explained(path, error, Params) from error
