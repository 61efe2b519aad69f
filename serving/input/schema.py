"""The input contract of a model: schema.json, read and checked.

Owns what docs/reference/artifact.md defines about features. Refuses a contract
that contradicts itself, before any request is measured by it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from slipway import tasks
from slipway.errors import BadInput
from slipway.task import Task

RETRAIN = "dvc repro --force train, then register the model again"


class Feature(msgspec.Struct, frozen=True):
    """One input; `minimum` and `maximum` are inclusive, in `unit`."""

    name: str
    type: Literal["integer", "number", "string"]
    missing: Literal["refuse", "accept"]
    unit: str | None = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    unknown: Literal["refuse", "accept"] = "refuse"


class Inputs(msgspec.Struct, frozen=True):
    """Names of the columns of the graph's two inputs, in order."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()


class Output(msgspec.Struct, frozen=True):
    """The predicted quantity."""

    name: str
    description: str = ""


class Schema(msgspec.Struct, frozen=True):
    """What the model takes and gives; version 2 says its task."""

    schema_version: Literal[1, 2]
    model: str
    inputs: Inputs
    features: tuple[Feature, ...]
    output: Output
    task: dict[str, Any] | None = None

    def answers(self) -> Task:
        """Read the task.

        Raises:
            BadInput: it is not known, or its description is not valid.
        """
        return tasks.read(self.task, self.output.name)

    def ordered(self) -> tuple[Feature, ...]:
        """Return the features in the graph's order: numeric, then categorical."""
        by_name = {feature.name: feature for feature in self.features}
        return tuple(by_name[name] for name in self.inputs.numeric + self.inputs.categorical)


def parse(content: bytes) -> Schema:
    """Read a contract from the bytes of schema.json.

    Raises:
        BadInput: not JSON, not this format, or features and inputs disagree.
    """
    try:
        schema = msgspec.json.decode(content, type=Schema)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            "schema.json does not parse",
            expected="the form in docs/reference/artifact.md",
            found=str(error),
            hint=RETRAIN,
        ) from None
    if (schema.schema_version == 1) != (schema.task is None):
        raise BadInput(
            "schema.json contradicts itself",
            expected="a task in version 2, and none in version 1",
            found=f"version {schema.schema_version} with task {schema.task}",
            hint=RETRAIN,
        )
    schema.answers()
    _refuse_inputs(schema)
    return schema


def _refuse_inputs(schema: Schema) -> None:
    """Refuse a contract whose features are not once each in the graph's inputs, by their type."""
    named = sorted(schema.inputs.numeric + schema.inputs.categorical)
    if named != sorted(feature.name for feature in schema.features) or len(set(named)) != len(named):
        raise BadInput(
            "schema.json contradicts itself",
            expected="every feature once in inputs.numeric or inputs.categorical",
            found=f"inputs {named}, features {sorted(f.name for f in schema.features)}",
            hint=RETRAIN,
        )
    for feature in schema.features:
        if (feature.type == "string") != (feature.name in schema.inputs.categorical):
            raise BadInput(
                f"schema.json puts {feature.name} in the wrong input",
                expected="strings in categorical, numbers in numeric",
                found=feature.type,
                hint=RETRAIN,
            )
