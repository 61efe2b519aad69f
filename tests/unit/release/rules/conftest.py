"""A candidate that passes every rule, made by hand: nothing is asked of a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from registry.image_statement import Image, Stated
from registry.remote import Held, State
from registry.statement import Opinion
from registry.tracking import Tracking, Version
from release.audit.audit import Audit
from release.cluster.health import Health
from release.context import Context
from release.forges.forge import Forge
from release.git.manifests import Clone
from release.release_file import Release
from release.rules.candidate import PromotionCandidate
from slipway.answer import Answer

RELEASE = Release(
    "tiny", 7, "a" * 32, "b" * 40, "c" * 32, "d" * 64, "e" * 64, "registry.example/team/tiny", "sha256:" + "f" * 64
)
VERSION = Version("tiny", 7, "a" * 32, 0, {}, ())
MakeCandidate = Callable[..., PromotionCandidate]


class NoService:
    """Stands for a service that a test's rule does not ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the rule asked for {name}")


@pytest.fixture
def candidate() -> MakeCandidate:
    """Return a maker of candidates; `facts` replaces what the candidate knows, `context` what its context answers."""

    def make(
        facts: dict[str, object] | None = None,
        version: Version = VERSION,
        *,
        rollback: bool = False,
        tracking: object = None,
        **context: Any,
    ) -> PromotionCandidate:
        nobody = NoService()
        answers = Context(
            clone=cast(Clone, nobody),
            forge=cast(Forge, nobody),
            open_tracking=lambda: cast(Tracking, nobody),
            audit=cast(Audit, nobody),
            health=lambda *_: Health(600.0, "healthy"),
            in_registry=lambda *_: Answer(True, "there"),
            in_store=lambda *_: Answer(True, "there"),
            bake_seconds=600.0,
            judged=lambda *_: Opinion("passed", "the gate said passed"),
            packaged=lambda *_: Stated(Image("", "", "", ""), Answer(True, "as it was packaged")),
            in_remote=lambda *_: Held(State.HELD, "the remote has all"),
        )
        made = PromotionCandidate(
            replace(answers, **context), cast(Tracking, tracking or nobody), version, RELEASE, rollback
        )
        known = {"staging": RELEASE, "production": None, "baked": None}
        vars(made).update(known | (facts or {}))  # what cached_property would keep
        return made

    return make
