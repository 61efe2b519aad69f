"""Two classes: the probability of the positive one, and the label that a threshold makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from slipway import task
from slipway.errors import BadInput
from slipway.task import Label, Labels, Scores, Task
from slipway.tasks import unreadable

KEYS = frozenset({"positive", "classes"})  # of data/contract.yaml, beside `task`
THRESHOLD = 0.5


@dataclass(frozen=True)
class Binary(Task):
    """`classes` are the negative and the positive one; without them the answer has no label (schema version 1)."""

    classes: tuple[Label, ...] | None = None
    threshold: float = THRESHOLD
    answer: str = "probability"

    name: ClassVar[str] = "binary"
    output: ClassVar[str] = "probabilities"
    golden: ClassVar[str] = "probabilities"
    reported: ClassVar[str] = "probability"
    flavor: ClassVar[tuple[str, str]] = ("classifier", "predict_proba")

    @property
    def width(self) -> int:
        """One column a class."""
        return 2

    @property
    def shape(self) -> tuple[int, ...]:
        """One number a row."""
        return ()

    @property
    def tolerance(self) -> float:
        """Of a probability."""
        return task.PROBABILITY_TOLERANCE

    @property
    def settings(self) -> dict[str, Any]:
        """The threshold, where there is a label."""
        return {} if self.classes is None else {"threshold": self.threshold}

    def described(self) -> dict[str, Any] | None:
        """Name the classes and the threshold."""
        if self.classes is None:
            return None
        named = {"name": self.name, "classes": list(self.classes), "positive": self.classes[1]}
        return named | {"threshold": self.threshold}

    def comparable(self, other: Task) -> bool:
        """The classes are the same, where both have names."""
        return isinstance(other, Binary) and (None in (self.classes, other.classes) or self.classes == other.classes)

    def scores(self, answered: Scores) -> Scores:
        """Take the positive class's column, `(n,)`."""
        return answered[:, 1]

    def columns(self, scores: Scores) -> dict[str, Any]:
        """List labels and probabilities."""
        found: dict[str, Any] = {} if self.classes is None else {"label": self._labels(scores)}
        return found | {self.answer: scores.tolist()}

    def rows(self, scores: Scores) -> list[dict[str, Any]]:
        """Pair each label with its probability."""
        if self.classes is None:
            return [{self.answer: score} for score in scores.tolist()]
        pairs = zip(self._labels(scores), scores.tolist(), strict=True)
        return [{"label": label, self.answer: score} for label, score in pairs]

    def read(self, row: Mapping[str, Any]) -> Any:
        """Return the probability."""
        return row[self.answer]

    def tensors(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Give both probabilities, `(n, 2)`, and the label, `(n,)`."""
        both = np.column_stack([1 - scores, scores]).astype(np.float32)
        if self.classes is None:
            return {self.output: both}
        return {self.output: both, "label": task.label_tensor(self.classes, self._chosen(scores))}

    def watched(self, scores: Scores) -> dict[str, npt.NDArray[Any]]:
        """Watch the probability."""
        return {self.answer: scores}

    @property
    def edges(self) -> Mapping[str, tuple[float, ...]]:
        """Tenths."""
        return {self.answer: task.TENTHS}

    def properties(self, description: str) -> dict[str, dict[str, Any]]:
        """Describe label and probability."""
        found = {} if self.classes is None else {"label": task.label_schema(self.classes)}
        return found | {self.answer: {"type": "number", "minimum": 0, "maximum": 1, "description": description}}

    def targets(self, labels: Labels) -> npt.NDArray[Any]:
        """Return 1 for the positive class, 0 for the other."""
        if self.classes is not None:
            return task.positions(labels, self.classes)
        found = np.asarray(labels)
        if not np.isin(found, (0, 1)).all():
            raise BadInput(
                "label holds something other than 0 and 1",
                expected="0 and 1, or `positive` in data/contract.yaml",
                found=task.shown(sorted({str(task.plain(value)) for value in labels})),
                hint="set `task: binary` and `positive: VALUE` in data/contract.yaml, then dvc repro",
            )
        return found

    def refusal(self, scores: Scores) -> str | None:
        """Every score is a probability."""
        return task.not_probabilities(scores)

    def _chosen(self, scores: Scores) -> npt.NDArray[np.int64]:
        return (scores >= np.float32(self.threshold)).astype(np.int64)

    def _labels(self, scores: Scores) -> list[Label]:
        classes = self.classes or (0, 1)
        return [classes[place] for place in self._chosen(scores).tolist()]


def read(described: Mapping[str, Any] | None, output: str) -> Binary:
    """Read what schema.json says; nothing is version 1.

    Raises:
        BadInput: it does not parse.
    """
    if described is None:
        return Binary(answer=output)
    try:
        classes = task.checked_classes(described["classes"], 2, 2)
        threshold = float(described["threshold"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise unreadable(Binary.name, repr(error)) from error
    if classes[1] != described.get("positive") or not 0 <= threshold <= 1:
        raise unreadable(Binary.name, f"positive {described.get('positive')!r}, threshold {threshold}")
    return Binary(classes, threshold, output)
