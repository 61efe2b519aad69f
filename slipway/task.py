"""What every task has in common: how an answer is laid out, and what a class may be.

A task's `scores` are one row's numbers as the journal, the cache and the gate take them, float32: `(n,)` where a row
has one number, `(n, k)` where it has several. Everything else that a reader shows is made from them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from slipway.errors import BadInput

Label: TypeAlias = str | int | bool
Labels: TypeAlias = Sequence[Any] | npt.NDArray[Any]
Scores: TypeAlias = npt.NDArray[np.floating[Any]]
MOST_CLASSES = 1000
LONGEST_LABEL = 128
# float32 keeps seven digits; another processor may round the last one differently.
PROBABILITY_TOLERANCE = 1e-5
TENTHS = tuple(round(0.1 * place, 1) for place in range(1, 11))


class Task(ABC):
    """What one model answers. A subclass is a file of `slipway/tasks/`, found by its name."""

    name: ClassVar[str]
    output: ClassVar[str]  # the graph's output
    golden: ClassVar[str]  # the key of golden.json that holds the scores
    reported: ClassVar[str]  # the column of predictions.parquet that holds the scores
    flavor: ClassVar[tuple[str, str]]  # MLflow's type of model, and the method of scikit-learn that answers

    @property
    @abstractmethod
    def width(self) -> int:
        """How many columns the graph's output has."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one row's scores: `()` or `(k,)`."""

    @property
    @abstractmethod
    def tolerance(self) -> float:
        """How far two scores of the same row may lie apart and be the same."""

    @abstractmethod
    def described(self) -> dict[str, Any] | None:
        """Return what schema.json says of the task; None where its version 1 says nothing."""

    @abstractmethod
    def scores(self, answered: Scores) -> Scores:
        """Take the scores out of the graph's answer, `(n, width)`."""

    @abstractmethod
    def columns(self, scores: Scores) -> dict[str, Any]:
        """Lay the answer out column by column, lists of one length."""

    @abstractmethod
    def rows(self, scores: Scores) -> list[dict[str, Any]]:
        """Lay the answer out row by row."""

    @abstractmethod
    def read(self, row: Mapping[str, Any]) -> Any:
        """Take one row's score back out of an answer, a number or a list."""

    @abstractmethod
    def tensors(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Lay the answer out as tensors by name, for the Open Inference Protocol."""

    @abstractmethod
    def watched(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Return what is compared over time: numbers or text by name, `(n,)` each."""

    @abstractmethod
    def properties(self, description: str) -> dict[str, dict[str, Any]]:
        """Describe the fields of one row's answer as JSON Schema."""

    @abstractmethod
    def targets(self, labels: Labels) -> npt.NDArray[Any]:
        """Turn the target column into numbers: the class's position, or the value.

        Raises:
            BadInput: a value is missing or cannot be one of this target.
        """

    @abstractmethod
    def refusal(self, scores: Scores) -> str | None:
        """Say why these cannot be scores; None where they can."""

    def comparable(self, other: Task) -> bool:
        """Say whether two models answer the same question, so that one may follow the other."""
        return type(self) is type(other) and self.shape == other.shape

    @property
    def settings(self) -> dict[str, Any]:
        """What the whole answer rests on, beside the rows: such as the threshold of a decision."""
        return {}

    @property
    @abstractmethod
    def edges(self) -> Mapping[str, tuple[float, ...]]:
        """The upper ends of the buckets that each number of `watched` is counted in; what has none is text."""

    def expected(self, golden: Mapping[str, Any]) -> Scores:
        """Read the scores of golden.json.

        Raises:
            BadInput: they are missing or of another shape.
        """
        try:
            found = np.array(golden[self.golden], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise _bad_golden(self.golden, repr(error)) from error
        if found.ndim != 1 + len(self.shape) or found.shape[1:] != self.shape:
            raise _bad_golden(self.golden, f"an array of shape {found.shape}")
        return found


def _bad_golden(key: str, found: str) -> BadInput:
    return BadInput(
        f"golden.json has no scores in `{key}`",
        expected=f"`{key}`, an entry a row",
        found=found,
        hint="dvc repro --force train",
    )


def watched_name(name: str, features: Collection[str]) -> str:
    """Name what is watched of an answer so that no feature has the same name."""
    return f"{name} (answer)" if name in features else name


def plain(value: Any) -> Any:
    """Return a value of a column as Python has it: a whole float becomes an integer, a missing value None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if value != value:
            return None
        return int(value) if value.is_integer() else value
    return value


def checked_classes(classes: Sequence[Any], least: int, most: int) -> tuple[Label, ...]:
    """Return the classes as plain values.

    Raises:
        BadInput: too few or too many, one is not text, a whole number, true or false, or two are written alike.
        TypeError: they are no list.
    """
    if isinstance(classes, str | Mapping):
        raise TypeError("classes are a list")
    found = tuple(plain(value) for value in classes)
    for value in found:
        if not isinstance(value, str | int) or (isinstance(value, str) and not 0 < len(value) <= LONGEST_LABEL):
            raise BadInput(
                "the target holds a value that cannot be a class",
                expected=f"text of 1 to {LONGEST_LABEL} characters, whole numbers, or true and false",
                found=repr(value)[:80],
                hint="correct the target in prepare, or set `task: regression` in data/contract.yaml",
            )
    if not least <= len(found) <= most:
        raise BadInput(
            f"the target has {len(found):,} {'class' if len(found) == 1 else 'classes'}",
            expected=f"{least} classes" if least == most else f"{least} to {most:,} classes",
            found=shown(found),
            hint="correct the target in prepare, or `task` in data/contract.yaml",
        )
    if len({written(value) for value in found}) < len(found):
        raise BadInput(
            "two classes are written alike",
            expected="classes that differ as text",
            found=shown(found),
            hint="correct the target in prepare",
        )
    return found


def positions(labels: Labels, classes: Sequence[Label]) -> npt.NDArray[np.int64]:
    """Return each label's position among the classes.

    Raises:
        BadInput: a label is missing or is not a class.
    """
    known = {value: place for place, value in enumerate(classes)}
    found = [known.get(plain(value), -1) for value in labels]
    if -1 in found:
        where = found.index(-1)
        raise BadInput(
            f"the target holds a value that is not a class, in row {where}",
            expected=f"one of {shown(classes)}",
            found=repr(plain(labels[where]))[:80],
            hint="correct prepare, or `classes` in data/contract.yaml; text such as no and 1 needs quotes there",
        )
    return np.array(found, np.int64)


def written(label: Label) -> str:
    """Write a class as the key of a JSON object."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def shown(classes: Sequence[Any], most: int = 10) -> str:
    """List classes for people."""
    listed = ", ".join(repr(value) for value in classes[:most])
    return listed + (f" and {len(classes) - most:,} more" if len(classes) > most else "") or "none"


def label_schema(classes: Sequence[Label]) -> dict[str, Any]:
    """Describe a class as JSON Schema."""
    kinds = {type(value) for value in classes}
    types = {str: "string", bool: "boolean", int: "integer"}
    return ({"type": types[kinds.pop()]} if len(kinds) == 1 else {}) | {"enum": list(classes)}


def label_tensor(classes: Sequence[Label], chosen: npt.NDArray[np.integer]) -> npt.NDArray[Any]:
    """Return the chosen classes, `(n,)`: bool, int64 or str, by what all classes are."""
    kinds = {type(value) for value in classes}
    kind: Any = {bool: np.bool_, int: np.int64}.get(kinds.pop(), object) if len(kinds) == 1 else object
    values = list(classes) if kind is not object else [written(value) for value in classes]
    return np.asarray(np.array(values, kind)[chosen])


def not_probabilities(scores: Scores) -> str | None:
    """Say why these are not probabilities."""
    fine = np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
    return None if fine else "something that is no probability (NaN, or outside 0 to 1)"
