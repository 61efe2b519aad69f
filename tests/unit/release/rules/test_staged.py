from __future__ import annotations

from dataclasses import replace

import pytest

from release.release_file import Release
from release.rules.staged import RULE
from tests.unit.release.rules.conftest import RELEASE, MakeCandidate

OTHER = replace(RELEASE, version=8, digest="sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("staging", "baked", "passed", "reason"),
    [
        (RELEASE, None, True, "staging's release file is version 7, " + RELEASE.digest),
        (None, None, False, "nothing is released in staging"),
        (OTHER, None, False, "staging's release file is version 8, " + OTHER.digest),
        (
            replace(RELEASE, golden_sha256="0" * 64),
            None,
            False,
            "staging's release file is version 7, " + RELEASE.digest,
        ),
        (OTHER, "healthy before", True, f"staging's release file is version 8, {OTHER.digest}; healthy before"),
    ],
)
def test_staging_runs_exactly_this_release_or_somebody_saw_it_healthy_before(
    candidate: MakeCandidate, staging: Release | None, baked: str | None, passed: bool, reason: str
) -> None:
    fact = RULE.ask(candidate({"staging": staging, "baked": baked}))
    assert (RULE.judge(fact).passed, RULE.judge(fact).reason, RULE.may_pass(fact)) == (passed, reason, False)
