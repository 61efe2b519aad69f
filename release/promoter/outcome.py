"""What a pass over a model found and did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassOutcome:
    """One thing that a pass found: opened, waiting, put back, reverted, …; `version` where it is about one."""

    kind: str
    version: int | None
    said: str
