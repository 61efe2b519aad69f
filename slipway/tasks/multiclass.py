"""Two to a thousand classes: a probability for each, and the class with the highest as the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from slipway import task
from slipway.task import Label, Labels, Scores, Task
from slipway.tasks import unreadable

KEYS = frozenset({"classes"})  # of data/contract.yaml, beside `task`


@dataclass(frozen=True)
class Multiclass(Task):
    """`classes` are in the order of the graph's columns."""

    classes: tuple[Label, ...]

    name: ClassVar[str] = "multiclass"
    output: ClassVar[str] = "probabilities"
    golden: ClassVar[str] = "probabilities"
    reported: ClassVar[str] = "probabilities"
    flavor: ClassVar[tuple[str, str]] = ("classifier", "predict_proba")

    @property
    def width(self) -> int:
        """One column a class."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """A probability a class."""
        return (len(self.classes),)

    @property
    def tolerance(self) -> float:
        """Of a probability."""
        return task.PROBABILITY_TOLERANCE

    def described(self) -> dict[str, Any] | None:
        """Name the classes."""
        return {"name": self.name, "classes": list(self.classes)}

    def comparable(self, other: Task) -> bool:
        """The classes are the same."""
        return isinstance(other, Multiclass) and self.classes == other.classes

    def scores(self, answered: Scores) -> Scores:
        """Take every column."""
        return answered

    def columns(self, scores: Scores) -> dict[str, Any]:
        """List labels, and probabilities by class."""
        by_class = {task.written(name): scores[:, place].tolist() for place, name in enumerate(self.classes)}
        return {"label": self._labels(scores), "probabilities": by_class}

    def rows(self, scores: Scores) -> list[dict[str, Any]]:
        """Give each row its label and its probabilities by class."""
        keys = [task.written(name) for name in self.classes]
        pairs = zip(self._labels(scores), scores.tolist(), strict=True)
        return [{"label": label, "probabilities": dict(zip(keys, values, strict=True))} for label, values in pairs]

    def read(self, row: Mapping[str, Any]) -> Any:
        """Return the probabilities in the classes' order."""
        return [row["probabilities"][task.written(name)] for name in self.classes]

    def tensors(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Give the probabilities, `(n, k)`, and the label, `(n,)`."""
        chosen = task.label_tensor(self.classes, np.argmax(scores, axis=1))
        return {self.output: np.ascontiguousarray(scores, np.float32), "label": chosen}

    def watched(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Watch the label, and how probable it is."""
        labels = np.array([task.written(name) for name in self.classes], object)[np.argmax(scores, axis=1)]
        return {"label": labels, "probability": scores.max(axis=1)}

    @property
    def edges(self) -> Mapping[str, tuple[float, ...]]:
        """Tenths; the label is text."""
        return {"probability": task.TENTHS}

    def properties(self, description: str) -> dict[str, dict[str, Any]]:
        """Describe label and probabilities."""
        names = [task.written(name) for name in self.classes]
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        by_class = {
            "type": "object", "properties": dict.fromkeys(names, probability), "required": names,
            "additionalProperties": False, "description": description,
        }  # fmt: skip
        return {"label": task.label_schema(self.classes), "probabilities": by_class}

    def targets(self, labels: Labels) -> npt.NDArray[Any]:
        """Return each class's position."""
        return task.positions(labels, self.classes)

    def refusal(self, scores: Scores) -> str | None:
        """Every score is a probability, and a row's sum to one."""
        if (problem := task.not_probabilities(scores)) is not None:
            return problem
        far = float(np.abs(scores.sum(axis=1) - 1).max(initial=0.0))
        return None if far < 1e-3 else f"probabilities of a row that sum to something other than 1, by {far:.3g}"

    def _labels(self, scores: Scores) -> list[Label]:
        return [self.classes[place] for place in np.argmax(scores, axis=1).tolist()]


def read(described: Mapping[str, Any] | None, output: str) -> Multiclass:  # noqa: ARG001 - as every task's
    """Read what schema.json says.

    Raises:
        BadInput: it does not parse.
    """
    try:
        return Multiclass(task.checked_classes((described or {})["classes"], 2, task.MOST_CLASSES))
    except (KeyError, TypeError) as error:
        raise unreadable(Multiclass.name, repr(error)) from error
