"""What an act of the release path works with, put together by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from registry.release.cluster.health import Health
from registry.release.forge.forge import Forge
from registry.release.repository.commits import Actor
from registry.release.repository.manifests import Clone
from registry.tracking import Tracking


class Recorder(Protocol):
    """The audit record. The same `key` twice is one entry."""

    def record(
        self,
        *,
        key: str,
        actor: str,
        action: str,
        model: str,
        version: int,
        source: str | None,
        target: str | None,
        reason: str,
    ) -> object: ...

    def known(self, keys: list[str]) -> set[str]:
        """Return those of the keys that are recorded."""
        ...


@dataclass(frozen=True)
class Context:
    """Git, forge, MLflow, audit record, and the two questions asked of cluster and image registry.

    `health(model, environment, digest)` and `in_registry(image, digest)` answer
    with the reason when they cannot tell.
    """

    clone: Clone
    forge: Forge
    open_tracking: Callable[[], Tracking]
    audit: Recorder
    health: Callable[[str, str, str], Health]
    in_registry: Callable[[str, str], tuple[bool | None, str]]
    bake_seconds: float
    say: Callable[[str], None] = lambda _: None

    @property
    def actor(self) -> Actor:
        return self.clone.remote.actor
