"""What a judgement is made of: rules, and the verdict over them.

A rule fails closed: a fact that is missing and a number that is not finite
count as failed, with that as the reason.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One limit and how it came out; `passed` is None where the rule does not apply."""

    name: str
    passed: bool | None
    reason: str
    measured: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Every rule; passed only if there are rules and none failed."""

    rules: tuple[Rule, ...]

    @property
    def passed(self) -> bool:
        return bool(self.rules) and all(rule.passed is not False for rule in self.rules)

    @property
    def failures(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.passed is False)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict for verdict.json; numbers that are not finite become null."""
        return {
            "verdict": "passed" if self.passed else "failed",
            "rules": [
                {k: _finite(v) if isinstance(v, float) else v for k, v in asdict(rule).items()} for rule in self.rules
            ],
        }


def flag(name: str, value: bool | None, reason: str) -> Rule:
    """Judge a fact that is true, false, or missing."""
    if value is None:
        return Rule(name, False, "not reported")
    return Rule(name, value is True, reason if value is True else f"not true that {reason}")


def at_least(name: str, measured: float | None, limit: float, reason: str = "") -> Rule:
    """Judge a number that must not be below `limit`; None and NaN fail."""
    return _limited(name, measured, limit, "at least", reason)


def at_most(name: str, measured: float | None, limit: float, reason: str = "") -> Rule:
    """Judge a number that must not be above `limit`; None and NaN fail."""
    return _limited(name, measured, limit, "at most", reason)


def _limited(name: str, measured: float | None, limit: float, side: str, reason: str) -> Rule:
    if measured is None or not math.isfinite(measured):
        return Rule(name, False, "; ".join(filter(None, ["no number was measured", reason])), None, limit)
    passed = measured >= limit if side == "at least" else measured <= limit
    return Rule(name, passed, "; ".join(filter(None, [reason, f"{side} {limit:g}"])), float(measured), limit)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
