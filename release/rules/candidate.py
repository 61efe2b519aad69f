"""What the rules of promotion judge: a version that is wanted in production, and whom to ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from registry.statement import Opinion
from registry.tracking import Tracking, Version
from release.bake import baked
from release.context import Context
from release.environments import PRODUCTION, STAGING
from release.git.overlays import overlaid
from release.release_file import Release


@dataclass(frozen=True)
class PromotionCandidate:
    """A version of MLflow's, and the release that was made of it; what several rules ask, it asks once.

    `rollback` allows an older version than production's.
    """

    context: Context
    tracking: Tracking
    version: Version
    release: Release
    rollback: bool = False

    @cached_property
    def opinion(self) -> Opinion:
        """The gate's verdict, from the version's own files."""
        return self.context.judged(self.tracking, self.version)

    @cached_property
    def staging(self) -> Release | None:
        """What staging is to run."""
        return overlaid(self.context.clone, self.release.model, STAGING)

    @cached_property
    def production(self) -> Release | None:
        """What production is to run."""
        return self.context.clone.release(self.release.model, PRODUCTION)

    @cached_property
    def baked(self) -> str | None:
        """Who saw it healthy in staging for its time before staging moved on; None while staging runs it."""
        return None if self.staging == self.release else baked(self.context, self.release)
