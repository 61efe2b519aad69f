"""An act that is killed at any step and run again leaves what one undisturbed run leaves.

A child of fork dies by SIGKILL when it is about to start its n-th process or to
open its n-th database connection: between any two of them nothing outside changes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.rollback import rollback
from release.actions.stage import stage
from release.git.commits import Actor
from tests.integration.release.conftest import ReleaseBench

ADA = Actor("Ada", "ada@example.org")
EVENTS = ("subprocess.Popen", "sqlite3.connect")


def run_act(desk: ReleaseBench, act: str) -> None:
    with desk.acting(ADA if act == "approve" else Actor("bot", "bot@example.org")) as context:
        if act == "stage":
            stage(context, "tiny", "2")
        elif act == "promote":
            promote(context, "tiny", "2")
        elif act == "approve":
            approve(context, "tiny")
        else:
            rollback(context, "tiny", reason="slow")


def prepare(desk: ReleaseBench, act: str) -> None:
    desk.version()
    desk.version()
    desk.release(1)
    for step in ("stage", "promote", "approve")[: ("stage", "promote", "approve", "rollback").index(act)]:
        run_act(desk, step)


def killed_at(desk: ReleaseBench, act: str, number: int) -> bool:
    """Say whether the act was killed; False where it ended before its event of this number."""

    def child() -> None:
        left = number

        def count(event: str, _: Any) -> None:
            nonlocal left
            if event in EVENTS:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        run_act(desk, act)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def outcome(desk: ReleaseBench) -> dict[str, Any]:
    return {
        "commits": desk.commits(),
        "branches": desk.branches(),
        "requests": [desk.commits(branch) for branch in desk.branches() if branch != "main"],
        "aliases": desk.aliases(),
        "rejected": [number for number in (1, 2) if "rejected" in desk.tags(number)],
        "actions": desk.actions(),
        "runs": [
            [line for line in desk.text(one).splitlines() if "digest:" in line] for one in ("staging", "production")
        ],
    }


ACTS = ("stage", "promote", "approve", "rollback")


@pytest.mark.parametrize(
    ("act", "stride"),
    [
        *(pytest.param(act, 13, marks=pytest.mark.long) for act in ACTS),
        *(pytest.param(act, 1, marks=pytest.mark.nightly) for act in ACTS),
    ],
)
@pytest.mark.timeout(1200)
def test_killed_at_every_step(fresh: Callable[[], ReleaseBench], act: str, stride: int) -> None:
    desk = fresh()
    prepare(desk, act)
    run_act(desk, act)
    expected, number, killed = outcome(desk), 0, True
    while killed:
        desk = fresh()
        prepare(desk, act)
        killed = killed_at(desk, act, number)
        run_act(desk, act)
        assert outcome(desk) == expected, f"killed before event {number}"
        number += stride
    assert number > stride  # it was killed at least once
