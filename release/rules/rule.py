"""What a rule of promotion is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.verdict import Rule
from release.rules.candidate import PromotionCandidate
from slipway.answer import Answer

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class PromotionRule(Generic[Fact]):
    """One rule: `ask` finds out a fact about a candidate, `judge` decides by it and asks no one.

    `may_pass` is whether time alone can turn a refusal over this fact: the reconciler then waits, where it
    otherwise puts the alias champion back. `shown` is whether `slipway promote` prints the reason of a rule that
    passed as well.
    """

    name: str
    ask: Callable[[PromotionCandidate], Fact]
    judge: Callable[[Fact], Rule]
    may_pass: Callable[[Fact], bool]
    shown: bool = False


def rule_of_answer(
    name: str, ask: Callable[[PromotionCandidate], Answer], *, shown: bool = False
) -> PromotionRule[Answer]:
    """Return the rule that wants a yes. It fails closed: no answer is a refusal, which time can turn."""
    return PromotionRule(name, ask, lambda answer: judged(name, answer), lambda answer: not answer.known, shown)


def judged(name: str, answer: Answer) -> Rule:
    """Return how an answer comes out under a rule."""
    return Rule(name, answer.passed is True, answer.reason)
