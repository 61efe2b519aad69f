"""An answer to a question that may stay without one: of a registry, a store, a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Yes, no, or None where no answer came, each with the reason in words.

    Who decides by it treats None as no: `answer.passed is True`.
    """

    passed: bool | None
    reason: str

    @property
    def known(self) -> bool:
        """Whether an answer came; where none did, asking again later may help."""
        return self.passed is not None
