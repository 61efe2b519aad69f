"""An answer to a question that somebody may be unable to answer: a registry, a store, a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Yes, no, or None where nobody could say, each with the reason in words.

    Whoever decides by it treats None as no: `answer.passed is True`.
    """

    passed: bool | None
    reason: str

    @property
    def known(self) -> bool:
        """Say whether somebody answered; where nobody did, asking again later may help."""
        return self.passed is not None
