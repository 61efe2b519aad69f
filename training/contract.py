"""data/contract.yaml, checked as params.yaml is: its keys are all there are, and no rule contradicts another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from slipway import params_file, tasks
from slipway.errors import BadInput
from training import declared
from training.sections import Section

Number = Annotated[int | float, Field(allow_inf_nan=False)]
Type = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "str", "Timestamp", "object",
]  # fmt: skip


class Rules(Section):
    """A mapping of the contract; `min` is not above `max`."""

    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        low, high = getattr(self, "min", None), getattr(self, "max", None)
        if low is not None and high is not None and low > high:
            raise ValueError(f"min {low} is not above max {high}")
        return self


class Column(Rules):
    """What the values of a column are; limits are inclusive, and either may stand alone."""

    type: Type | None = None
    unit: str | None = None
    min: Number | None = None
    max: Number | None = None
    nulls: float = Field(default=0.0, ge=0, le=1)
    mostly: float = Field(default=1.0, gt=0, le=1)
    among: str | list[Any] | None = Field(default=None, alias="in")


class Rows(Rules):
    """How many rows there are."""

    min: int = Field(ge=0)
    max: int = Field(ge=0)


class Share(Rules):
    """The share of a label, 0 to 1."""

    min: float = Field(ge=0, le=1)
    max: float = Field(ge=0, le=1)


class Months(Rows):
    """Every month that must be there, each with so many rows."""

    months: list[int]


class Table(Section):
    """A table and what it must look like."""

    path: str
    rows: Rows
    columns: dict[str, Column]
    unique: list[list[str]] = Field(default_factory=list)
    features: bool = False
    label_share: Share | None = None
    per_month: Months | None = None
    shares_no_rows_with: str | None = None


class Target(Section):
    """What is predicted. Without any of it the target is 0 or 1, and answers have no label (schema version 1)."""

    task: str | None = None
    positive: str | int | bool | None = None
    classes: list[str | int | bool] | None = None
    unit: str | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task or tasks.DEFAULT

    @field_validator("task")
    @classmethod
    def _is_a_task(cls, name: str | None) -> str | None:
        if name is not None and name not in tasks.names():
            raise ValueError("one of " + ", ".join(tasks.names()))
        return name

    @model_validator(mode="after")
    def _fits_its_task(self) -> Self:
        allowed = tasks.keys(self.name)
        for key in ("positive", "classes", "unit"):
            if getattr(self, key) is not None and key not in allowed:
                named = f"`task: {self.name}`" if self.task else f"no `task`, which is {self.name}"
                fitting = " or ".join(one for one in tasks.names() if key in tasks.keys(one))
                raise ValueError(f"`{key}` with a task that has one ({fitting}); found {named}")
        return self


class Contract(Target):
    """The target, and every table by name."""

    tables: dict[str, Table] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_what_it_has(self) -> Self:
        for name, table in self.tables.items():
            if table.label_share is not None and "positive" not in tasks.keys(self.name):
                raise ValueError(f"tables.{name}.label_share is of a positive class, which `task: {self.name}` has not")
            other = table.shares_no_rows_with
            if other is not None and other not in self.tables:
                raise ValueError(f"tables.{name}.shares_no_rows_with names `{other}`, which is no table here")
            for column, rules in table.columns.items():
                if isinstance(rules.among, str) and not self._has(rules.among):
                    raise ValueError(f"tables.{name}.columns.{column}.in names `{rules.among}`, which is not here")
        return self

    def _has(self, reference: str) -> bool:
        table, _, column = reference.partition(".")
        return table in self.tables and column in self.tables[table].columns


def load(path: Path) -> dict[str, Any]:
    """Read and check the contract; return it as the mapping that it is.

    Raises:
        BadInput: the file is missing, is not YAML, has a wrong key or value, or lacks a column that a rule is about.
    """
    checked = _read(path)
    tables: dict[str, Any] = checked.model_dump(by_alias=True, exclude_unset=True)["tables"]
    for name, table in tables.items():
        _refuse_unlisted(path, name, table, declared.names() if table.get("features") else set())
        if table.get("features"):
            declared.refuse_nulls(path, name, table["columns"])
    positive = {} if checked.positive is None else {"positive": checked.positive}
    return {"tables": tables} | positive


def target(path: Path) -> Target:
    """Read what the contract says of the target.

    Raises:
        BadInput: as `load`.
    """
    checked = _read(path)
    return Target.model_validate({key: getattr(checked, key) for key in Target.model_fields})


def _read(path: Path) -> Contract:
    try:
        return Contract.model_validate(params_file.read(path))
    except ValidationError as error:
        raise params_file.explained(path, error, Contract, "rule of the contract") from error


def _refuse_unlisted(path: Path, name: str, table: dict[str, Any], features: set[str]) -> None:
    """A rule about a column that is not listed would never be looked at."""
    known = set(table["columns"]) | features
    wanted = [("unique", column) for key in table.get("unique", []) for column in key]
    wanted += [("label_share", "label")] if table.get("label_share") else []
    wanted += [("per_month", "month")] if table.get("per_month") else []
    wanted += [("shares_no_rows_with", "row_id")] if table.get("shares_no_rows_with") else []
    for rule, column in wanted:
        if column not in known:
            raise BadInput(
                f"{path}: tables.{name}.{rule} is about `{column}`, which is not among its columns",
                expected="one of " + ", ".join(sorted(known)),
                found=column,
                hint=f"add `{column}` to tables.{name}.columns in {path}, or correct the rule",
            )
