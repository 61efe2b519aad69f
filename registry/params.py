"""The registry's part of params.yaml: `model.name`, and `gate` with the limits of the judgement.

Refuses a key that does not exist (and names the nearest one that does), a
wrong type, and a limit that could never be met or never fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from slipway import params_file, tasks
from slipway.names import NAME


class Section(BaseModel):
    """A part of params.yaml: its keys are all there are, and nothing changes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


class ModelSection(Section):
    """The name that keys everything in the registry."""

    name: str = Field(pattern=f"^{NAME}$")


class Gate(Section):
    """The limits that every task has; each adds its own in registry/tasks/."""

    confidence: float = Field(gt=0.5, lt=1)
    resamples: int = Field(ge=100, le=100_000)
    seed: int = Field(ge=0)
    size_bytes: int = Field(gt=0)
    latency_p99_ms: float = Field(gt=0)


def sections(task: str) -> type[BaseModel]:
    """Return the two sections that the registry reads of params.yaml for a task of this name."""
    from registry.tasks import of  # the tasks' own limits extend this module's

    return create_model("RegistryParams", __base__=Section, model=(ModelSection, ...), gate=(of(task).Gate, ...))


@dataclass(frozen=True)
class RunParams:
    """The model's name, the limits of its task's gate, and the whole file, flattened for the run."""

    name: str
    gate: Any
    flat: dict[str, str]


def load(path: Path, task: str = tasks.DEFAULT) -> RunParams:
    """Read and check params.yaml for a task of this name.

    Raises:
        BadInput: the file is missing, is not YAML, or a key of ours is wrong.
    """
    content = params_file.read(path)
    known = sections(task)
    ours = {key: content[key] for key in known.model_fields if key in content}
    try:
        checked: Any = known.model_validate(ours)
    except ValidationError as error:
        raise params_file.explained(path, error, known) from error
    return RunParams(checked.model.name, checked.gate, dict(_flattened(content)))


def _flattened(content: Any, prefix: str = "") -> list[tuple[str, str]]:
    if not isinstance(content, dict) or not content:
        return [(prefix, str(content))]
    pairs = []
    for key, value in content.items():
        pairs += _flattened(value, f"{prefix}.{key}" if prefix else str(key))
    return pairs
