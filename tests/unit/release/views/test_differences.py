from __future__ import annotations

from dataclasses import replace

import pytest

from registry.tracking import Version
from release.environments import PRODUCTION, STAGING
from release.release_file import Release
from release.views.differences import Place, compare
from release.views.status import Status

RELEASE = Release("tiny", 2, "a" * 32, "b" * 40, "c" * 32, "d" * 64, "e" * 64, "r.example/tiny", "sha256:" + "f" * 64)
VERSION = Version("tiny", 2, "a" * 32, 0, {"image_digest": RELEASE.digest}, ("champion",))


def places(*, asked: bool) -> list[Place]:
    return [Place(environment, "tiny", RELEASE, None, None, asked) for environment in (STAGING, PRODUCTION)]


def test_a_cluster_that_gave_no_answer_is_not_one_without_rollouts() -> None:
    assert compare("tiny", places(asked=False), (), (VERSION,)) == []
    assert [one.environment for one in compare("tiny", places(asked=True), (), (VERSION,))] == [STAGING, PRODUCTION]


def test_mlflow_that_gave_no_answer_is_not_one_without_versions() -> None:
    assert compare("tiny", places(asked=False), (), None) == []
    found = compare("tiny", places(asked=False), (), ())
    assert [one.environment for one in found] == [STAGING, PRODUCTION, PRODUCTION]


def test_what_one_side_says_is_compared_although_another_gave_no_answer() -> None:
    rejected = replace(VERSION, tags=VERSION.tags | {"rejected": "slow"})
    found = compare("tiny", places(asked=False), (), (rejected,))
    assert [one.said.rpartition(", ")[2] for one in found] == ["which was rejected: slow"] * 2


@pytest.mark.parametrize(
    ("missing", "versions", "agree"), [((), (VERSION,), True), (("the cluster",), (VERSION,), None)]
)
def test_nobody_agrees_with_a_side_that_was_not_asked(
    missing: tuple[str, ...], versions: tuple[Version, ...], agree: bool | None
) -> None:
    staging, production = places(asked=not missing)
    assert Status("tiny", staging, production, (), versions, (), missing).agree is agree
    differ = tuple(compare("tiny", [staging, production], (), ()))
    assert Status("tiny", staging, production, (), (), differ, missing).agree is False
