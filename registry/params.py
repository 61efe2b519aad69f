"""The registry's part of params.yaml: `model.name`, and `gate` with the limits of the judgement.

Refuses a key that does not exist (and names the nearest one that does), a
wrong type, and a limit that could never be met or never fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway import params_file
from slipway.names import NAME


class Section(BaseModel):
    """A part of params.yaml: its keys are all there are, and nothing changes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


class ModelSection(Section):
    """The name that keys everything in the registry."""

    name: str = Field(pattern=f"^{NAME}$")


class Minimum(Section):
    """Fewer samples than these prove nothing."""

    rows: int = Field(ge=1)
    positives: int = Field(ge=1)
    blocks: int = Field(ge=10)  # the interval's own error grows quickly below that


class NonInferiority(Section):
    """How much worse than the champion is still acceptable."""

    log_loss: float = Field(gt=0)
    roc_auc: float = Field(gt=0, lt=0.5)


class Floors(Section):
    """Absolute limits: ROC AUC at least, log loss at most."""

    roc_auc: float = Field(ge=0, le=1)
    log_loss: float = Field(gt=0)


class Slices(Section):
    """The floor within a slice, and how large a slice must be to be judged."""

    minimum_rows: int = Field(ge=1)
    minimum_positives: int = Field(ge=1)
    roc_auc: float = Field(ge=0, le=1)


class Margins(Section):
    """How much worse than a baseline is still acceptable."""

    log_loss: float = Field(ge=0)
    roc_auc: float = Field(ge=0, lt=0.5)


Standard = Literal["beaten", "better", "not_worse"] | Margins


class Gate(Section):
    """Every limit of the judgement."""

    confidence: float = Field(gt=0.5, lt=1)
    resamples: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)
    minimum: Minimum
    non_inferiority: NonInferiority
    baselines: dict[str, Standard] = Field(default_factory=dict)
    floors: Floors
    slices: Slices
    calibration_error: float = Field(gt=0, le=1)
    size_bytes: int = Field(gt=0)
    latency_p99_ms: float = Field(gt=0)


class RegistryParams(Section):
    """The two sections that the registry reads."""

    model: ModelSection
    gate: Gate


@dataclass(frozen=True)
class RunParams:
    """The model's name, the gate's limits, and the whole file, flattened for the run."""

    name: str
    gate: Gate
    flat: dict[str, str]


def load(path: Path) -> RunParams:
    """Read and check params.yaml.

    Raises:
        BadInput: the file is missing, is not YAML, or a key of ours is wrong.
    """
    content = params_file.read(path)
    ours = {key: content[key] for key in RegistryParams.model_fields if key in content}
    try:
        checked = RegistryParams.model_validate(ours)
    except ValidationError as error:
        raise params_file.explained(path, error, RegistryParams) from error
    return RunParams(checked.model.name, checked.gate, dict(_flattened(content)))


def _flattened(content: Any, prefix: str = "") -> list[tuple[str, str]]:
    if not isinstance(content, dict) or not content:
        return [(prefix, str(content))]
    pairs = []
    for key, value in content.items():
        pairs += _flattened(value, f"{prefix}.{key}" if prefix else str(key))
    return pairs
