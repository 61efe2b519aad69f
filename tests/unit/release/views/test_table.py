from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from registry.tracking import Version
from release.cluster.rollouts import Rollout
from release.environments import PRODUCTION, STAGING
from release.release_file import Release
from release.views.differences import Difference, Place
from release.views.status import Status
from release.views.table import table

RELEASE = Release("tiny", 2, "a" * 32, "b" * 40, "c" * 32, "d" * 64, "e" * 64, "r.example/tiny", "sha256:" + "f" * 64)
ROLLOUT = Rollout(
    "tiny", "tiny", "Healthy", "", RELEASE.digest, "2", RELEASE.digest, "2", None, False, None, None, None
)
VERSIONS = (
    Version("tiny", 2, "a" * 32, 0, {"verdict": "passed"}, ("champion",)),
    Version("tiny", 3, "a" * 32, 0, {"verdict": "failed"}, ("challenger",)),
)
STATUS = Status(
    "tiny",
    Place(STAGING, "tiny-staging", RELEASE, ROLLOUT, None),
    Place(PRODUCTION, "tiny", RELEASE, ROLLOUT, None),
    (),
    VERSIONS,
    (),
)


def shown(status: Status) -> list[str]:
    text = StringIO()
    Console(file=text, width=200, soft_wrap=True).print(table([status]))
    return text.getvalue().splitlines()


def row(lines: list[str], environment: str) -> str:
    return next(line for line in lines if f" {environment} " in f" {line} ")


def test_staging_shows_the_challenger_and_production_the_champion() -> None:
    lines = shown(STATUS)
    assert "challenger 3, failed" in row(lines, STAGING)
    assert "champion" not in row(lines, STAGING)
    assert "champion 2, passed" in row(lines, PRODUCTION)
    assert lines[-1] == "Git, MLflow and the cluster agree."


@pytest.mark.parametrize("environment", [STAGING, PRODUCTION])
def test_the_row_that_differs_is_named_by_the_difference_and_not_by_its_words(environment: str) -> None:
    words = "staging and production, production and staging"
    lines = shown(replace(STATUS, differences=(Difference(words, "look", environment),)))
    other = PRODUCTION if environment == STAGING else STAGING
    assert "differs" in row(lines, environment)
    assert "differs" not in row(lines, other)


def test_a_side_that_was_not_asked_is_called_so_and_nothing_is_said_to_agree() -> None:
    away = [replace(place, rollout=None, asked=False) for place in (STATUS.staging, STATUS.production)]
    lines = shown(replace(STATUS, staging=away[0], production=away[1], missing=("no cluster: none",)))
    assert "not asked" in row(lines, STAGING)
    assert "unknown" in row(lines, PRODUCTION)
    assert "no Rollout" not in "".join(lines)
    assert lines[-1] == "not asked: no cluster: none"
    without = shown(replace(STATUS, versions=None, missing=("no MLflow: none",)))
    assert "not asked" in row(without, STAGING)
    assert "no challenger" not in "".join(without)
